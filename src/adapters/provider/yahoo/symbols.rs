//! Yahoo's spelling of our symbols (PROVIDERS.md section 2).

use crate::model::{AssetClass, Symbol};

/// Their symbol of ours: `BRK-B`, `BTC-USD`, `EURUSD=X`; dollars come first as `JPY=X`.
pub(super) fn provider_symbol(symbol: &Symbol) -> String {
    if let Some((base, quote)) = symbol.pair() {
        return match symbol.asset_class() {
            AssetClass::Forex if base == "USD" => format!("{quote}=X"),
            AssetClass::Forex => format!("{base}{quote}=X"),
            _ => format!("{base}-{quote}"),
        };
    }
    let text = symbol.as_str();
    match text.rsplit_once('.') {
        // What is no exchange and one letter long is a share class.
        Some((stem, class)) if class.len() == 1 && symbol.exchange_suffix().is_none() => {
            format!("{stem}-{class}")
        }
        _ => text.to_owned(),
    }
}

/// Our symbol of theirs.
pub fn canonical(provider_symbol: &str) -> Option<Symbol> {
    if let Some(pair) = provider_symbol.strip_suffix("=X") {
        return match pair.len() {
            3 => Symbol::parse(&format!("USD/{pair}")).ok(),
            6 if pair.is_ascii() => Symbol::parse(&format!("{}/{}", &pair[..3], &pair[3..])).ok(),
            _ => None,
        };
    }
    match provider_symbol.rsplit_once('-') {
        Some((stem, class)) if class.len() == 1 && !stem.contains(['.', '-']) => {
            Symbol::parse(&format!("{stem}.{class}")).ok()
        }
        _ => Symbol::parse(provider_symbol).ok(),
    }
}

/// Whether the symbol that a reply names is the one asked for, by any of its spellings.
pub(super) fn is_same(answered: &str, asked: &Symbol) -> bool {
    let spelling = provider_symbol(asked);
    answered.eq_ignore_ascii_case(&spelling) || canonical(answered) == canonical(&spelling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_mapped_both_ways() {
        for (ours, theirs) in [
            ("AAPL", "AAPL"),
            ("BRK.B", "BRK-B"),
            ("OCDO.L", "OCDO.L"),
            ("7203.T", "7203.T"),
            ("BTC-USD", "BTC-USD"),
            ("EUR/USD", "EURUSD=X"),
            ("USD/JPY", "JPY=X"),
            ("^GSPC", "^GSPC"),
        ] {
            let symbol = Symbol::parse(ours).expect("a symbol");
            assert_eq!(provider_symbol(&symbol), theirs);
            assert_eq!(canonical(theirs), Some(symbol), "{theirs}");
        }
        assert!(is_same("USDJPY=X", &Symbol::parse("USD/JPY").expect("a symbol")));
        assert!(!is_same("MSFT", &Symbol::parse("AAPL").expect("a symbol")));
    }
}
