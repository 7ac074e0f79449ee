//! Who is asked, and in which order.

use std::collections::BTreeMap;

use crate::model::{AssetClass, ProviderName, Symbol};

/// Fallback chains: one for each asset class, and others for single symbols.
///
/// Names that are not enabled are passed over. An invented provider is only in a chain when the
/// configuration names it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chains {
    pub stocks: Vec<ProviderName>,
    pub crypto: Vec<ProviderName>,
    pub forex: Vec<ProviderName>,
    pub by_symbol: BTreeMap<Symbol, Vec<ProviderName>>,
}

impl Default for Chains {
    /// The chains of DESIGN.md section 5.
    fn default() -> Self {
        let names = |names: &[&str]| {
            names.iter().filter_map(|name| ProviderName::parse(name).ok()).collect()
        };
        Self {
            stocks: names(&["yahoo", "finnhub", "alphavantage"]),
            crypto: names(&["coingecko", "coinmarketcap", "kraken", "yahoo"]),
            forex: names(&["alphavantage", "yahoo", "kraken"]),
            by_symbol: BTreeMap::new(),
        }
    }
}

impl Chains {
    /// The chain of a symbol.
    pub fn of(&self, symbol: &Symbol) -> &[ProviderName] {
        self.by_symbol
            .get(symbol)
            .map_or_else(|| self.of_class(symbol.asset_class()), Vec::as_slice)
    }

    pub fn of_class(&self, class: AssetClass) -> &[ProviderName] {
        match class {
            AssetClass::Stock => &self.stocks,
            AssetClass::Crypto => &self.crypto,
            AssetClass::Forex => &self.forex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_has_the_chain_of_its_class_unless_it_has_its_own() {
        let symbol = |text| Symbol::parse(text).expect("a symbol");
        let mut chains = Chains::default();
        let own = vec![ProviderName::parse("kraken").expect("a name")];
        chains.by_symbol.insert(symbol("DOGE-USD"), own.clone());
        for (given, first) in [
            ("AAPL", "yahoo"),
            ("BTC-USD", "coingecko"),
            ("EUR/USD", "alphavantage"),
            ("DOGE-USD", "kraken"),
        ] {
            assert_eq!(chains.of(&symbol(given))[0].as_str(), first, "{given}");
        }
        assert_eq!(chains.of(&symbol("DOGE-USD")), own);
    }
}
