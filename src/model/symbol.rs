//! Symbols as callers type them, and what can be told from their form alone.

use std::fmt;
use std::sync::Arc;

use super::{Currency, Invalid};

/// An upper-case symbol of 1 to 32 characters of `A-Z 0-9 . - / ^ =`, such as `AAPL`, `BRK.B`,
/// `BTC-USD` or `EUR/USD`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

/// The longest symbol, in characters.
pub const MAX_SYMBOL_LENGTH: usize = 32;

/// What kind of instrument a symbol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetClass {
    Stock,
    Crypto,
    Forex,
}

impl AssetClass {
    pub const ALL: [Self; 3] = [Self::Stock, Self::Crypto, Self::Forex];

    /// The name used in paths and answers: `stocks`, `crypto` or `forex`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "stocks",
            Self::Crypto => "crypto",
            Self::Forex => "forex",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == text)
    }
}

impl fmt::Display for AssetClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Symbol {
    /// Parses a symbol in any case.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no symbol has.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid("a symbol must not be empty".into()));
        }
        if text.len() > MAX_SYMBOL_LENGTH {
            return Err(Invalid(format!("a symbol has at most {MAX_SYMBOL_LENGTH} characters")));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-/^=".contains(&byte);
        if let Some(wrong) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(allowed)) {
            return Err(Invalid(format!(
                "a symbol has only the characters A-Z 0-9 . - / ^ =, not {wrong:?}"
            )));
        }
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            Ok(Self(text.to_ascii_uppercase().into()))
        } else {
            Ok(Self(text.into()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base and quote of a pair: `BTC-USD` and `EUR/USD` have one, `BRK-B` has none.
    pub fn pair(&self) -> Option<(&str, &str)> {
        if let Some((base, quote)) = self.0.split_once('/') {
            return (!base.is_empty() && !quote.is_empty()).then_some((base, quote));
        }
        let (base, quote) = self.0.rsplit_once('-')?;
        (!base.is_empty() && is_quote_currency(quote)).then_some((base, quote))
    }

    /// The asset class that the form of the symbol tells: a pair of two national currencies is
    /// forex, any other pair is crypto, the rest are stocks.
    pub fn asset_class(&self) -> AssetClass {
        match self.pair() {
            Some((base, quote)) if is_fiat(base) && is_fiat(quote) => AssetClass::Forex,
            Some(_) => AssetClass::Crypto,
            None => AssetClass::Stock,
        }
    }

    /// The currency prices of this symbol are in when nobody says otherwise: the quote of a pair,
    /// the currency of the exchange that a suffix names (`VOD.L` is GBP), else USD.
    pub fn default_currency(&self) -> Currency {
        let code = match self.pair() {
            Some((_, quote)) => quote,
            None => self.exchange_suffix().map_or("USD", |(_, currency)| currency),
        };
        Currency::parse(code).unwrap_or(Currency::USD)
    }

    /// The exchange suffix and its currency, when the part after the last dot is one.
    pub fn exchange_suffix(&self) -> Option<(&str, &'static str)> {
        let (stem, suffix) = self.0.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        EXCHANGE_SUFFIXES
            .iter()
            .find(|(known, _)| *known == suffix)
            .map(|(_, currency)| (suffix, *currency))
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ISO 4217 codes met in forex quotes of the providers.
const FIAT: &[&str] = &[
    "AED", "ARS", "AUD", "BDT", "BGN", "BHD", "BMD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY",
    "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "GEL", "HKD", "HUF", "IDR", "ILS", "INR", "ISK",
    "JOD", "JPY", "KES", "KRW", "KWD", "LKR", "MAD", "MMK", "MXN", "MYR", "NGN", "NOK", "NZD",
    "OMR", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB",
    "TRY", "TWD", "UAH", "USD", "UYU", "VES", "VND", "ZAR",
];

/// Quote sides of crypto pairs that are no national currency.
const CRYPTO_QUOTES: &[&str] = &["USDT", "USDC", "BTC", "ETH", "BNB", "DAI", "TUSD", "FDUSD"];

/// Yahoo's exchange suffixes and the currency listed there (PROVIDERS.md section 2). One-letter
/// suffixes that are not here are share classes: `BRK.B`.
const EXCHANGE_SUFFIXES: &[(&str, &str)] = &[
    ("L", "GBP"),
    ("IL", "USD"),
    ("DE", "EUR"),
    ("F", "EUR"),
    ("BE", "EUR"),
    ("DU", "EUR"),
    ("HM", "EUR"),
    ("MU", "EUR"),
    ("SG", "EUR"),
    ("PA", "EUR"),
    ("AS", "EUR"),
    ("BR", "EUR"),
    ("LS", "EUR"),
    ("MI", "EUR"),
    ("MC", "EUR"),
    ("VI", "EUR"),
    ("HE", "EUR"),
    ("IR", "EUR"),
    ("AT", "EUR"),
    ("SW", "CHF"),
    ("ST", "SEK"),
    ("OL", "NOK"),
    ("CO", "DKK"),
    ("IC", "ISK"),
    ("WA", "PLN"),
    ("PR", "CZK"),
    ("BD", "HUF"),
    ("IS", "TRY"),
    ("TA", "ILS"),
    ("JO", "ZAR"),
    ("TO", "CAD"),
    ("V", "CAD"),
    ("CN", "CAD"),
    ("NE", "CAD"),
    ("MX", "MXN"),
    ("SA", "BRL"),
    ("BA", "ARS"),
    ("SN", "CLP"),
    ("T", "JPY"),
    ("HK", "HKD"),
    ("SS", "CNY"),
    ("SZ", "CNY"),
    ("KS", "KRW"),
    ("KQ", "KRW"),
    ("TW", "TWD"),
    ("TWO", "TWD"),
    ("SI", "SGD"),
    ("KL", "MYR"),
    ("JK", "IDR"),
    ("BK", "THB"),
    ("NS", "INR"),
    ("BO", "INR"),
    ("AX", "AUD"),
    ("NZ", "NZD"),
    ("SR", "SAR"),
    ("QA", "QAR"),
];

fn is_fiat(code: &str) -> bool {
    FIAT.contains(&code)
}

fn is_quote_currency(code: &str) -> bool {
    is_fiat(code) || CRYPTO_QUOTES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_upper_cased_and_checked() {
        for (given, expected) in [
            ("aapl", Some("AAPL")),
            ("brk.b", Some("BRK.B")),
            ("eur/usd", Some("EUR/USD")),
            ("^gspc", Some("^GSPC")),
            ("EURUSD=X", Some("EURUSD=X")),
            ("", None),
            ("A B", None),
            ("AAPL\n", None),
            ("ÄPFEL", None),
            ("A123456789012345678901234567890123", None),
        ] {
            let parsed = Symbol::parse(given).ok();
            assert_eq!(parsed.as_ref().map(Symbol::as_str), expected, "{given:?}");
        }
    }

    #[test]
    fn the_form_tells_asset_class_and_currency() {
        for (symbol, class, currency) in [
            ("AAPL", AssetClass::Stock, "USD"),
            ("BRK.B", AssetClass::Stock, "USD"),
            ("BRK-B", AssetClass::Stock, "USD"),
            ("VOD.L", AssetClass::Stock, "GBP"),
            ("7203.T", AssetClass::Stock, "JPY"),
            ("BTC-USD", AssetClass::Crypto, "USD"),
            ("ETH-EUR", AssetClass::Crypto, "EUR"),
            ("BTC/USD", AssetClass::Crypto, "USD"),
            ("SOL-USDT", AssetClass::Crypto, "USDT"),
            ("EUR/USD", AssetClass::Forex, "USD"),
            ("USD/JPY", AssetClass::Forex, "JPY"),
            ("^GSPC", AssetClass::Stock, "USD"),
            ("/", AssetClass::Stock, "USD"),
        ] {
            let parsed = Symbol::parse(symbol).expect("a symbol");
            assert_eq!(parsed.asset_class(), class, "{symbol}");
            assert_eq!(parsed.default_currency().as_str(), currency, "{symbol}");
        }
    }
}
