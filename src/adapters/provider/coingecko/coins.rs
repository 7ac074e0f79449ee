//! Which CoinGecko id a coin's symbol means. Symbols are not unique there: twelve coins use `eth`
//! (PROVIDERS.md section 2, fixture coingecko/coins-list-2025).

use std::collections::HashMap;

use parking_lot::RwLock;

/// Ids of the large coins, which do not change and leave no doubt.
const PINNED: &[(&str, &str)] = &[
    ("BTC", "bitcoin"),
    ("ETH", "ethereum"),
    ("USDT", "tether"),
    ("XRP", "ripple"),
    ("BNB", "binancecoin"),
    ("SOL", "solana"),
    ("USDC", "usd-coin"),
    ("DOGE", "dogecoin"),
    ("ADA", "cardano"),
    ("TRX", "tron"),
    ("AVAX", "avalanche-2"),
    ("LINK", "chainlink"),
    ("DOT", "polkadot"),
    ("XLM", "stellar"),
    ("LTC", "litecoin"),
    ("BCH", "bitcoin-cash"),
    ("XMR", "monero"),
    ("ETC", "ethereum-classic"),
    ("ATOM", "cosmos"),
    ("ALGO", "algorand"),
    ("NEAR", "near"),
    ("UNI", "uniswap"),
    ("AAVE", "aave"),
    ("MKR", "maker"),
    ("DAI", "dai"),
    ("WBTC", "wrapped-bitcoin"),
    ("SHIB", "shiba-inu"),
    ("PEPE", "pepe"),
    ("TON", "the-open-network"),
    ("HBAR", "hedera-hashgraph"),
    ("VET", "vechain"),
    ("ICP", "internet-computer"),
    ("FIL", "filecoin"),
    ("APT", "aptos"),
    ("ARB", "arbitrum"),
    ("OP", "optimism"),
    ("SUI", "sui"),
    ("INJ", "injective-protocol"),
    ("GRT", "the-graph"),
    ("XTZ", "tezos"),
    ("EOS", "eos"),
    ("NEO", "neo"),
    ("ZEC", "zcash"),
    ("DASH", "dash"),
    ("AKT", "akash-network"),
    ("CRO", "crypto-com-chain"),
    ("LDO", "lido-dao"),
    ("CRV", "curve-dao-token"),
    ("COMP", "compound-governance-token"),
    ("SNX", "havven"),
];

/// The id that stands for an upper-case symbol without doubt.
pub(super) fn pinned_id(base: &str) -> Option<&'static str> {
    PINNED.iter().find(|(symbol, _)| *symbol == base).map(|(_, id)| *id)
}

/// The symbol of a pinned id.
pub fn pinned_symbol(id: &str) -> Option<&'static str> {
    PINNED.iter().find(|(_, pinned)| *pinned == id).map(|(symbol, _)| *symbol)
}

/// One row of the coin list.
#[derive(Debug, Clone)]
pub(super) struct ListedCoin {
    pub(super) id: String,
    /// Upper case.
    pub(super) symbol: String,
    pub(super) name: String,
}

/// The coins of the last list that was read, by symbol.
#[derive(Default)]
pub(super) struct Directory {
    ids: RwLock<Option<HashMap<String, Vec<String>>>>,
}

impl Directory {
    pub(super) fn learn(&self, coins: &[ListedCoin]) {
        let mut ids: HashMap<String, Vec<String>> = HashMap::new();
        for coin in coins {
            ids.entry(coin.symbol.clone()).or_default().push(coin.id.clone());
        }
        *self.ids.write() = Some(ids);
    }

    /// Whether the list must be read before `base` can be told.
    pub(super) fn must_be_read_for(&self, base: &str) -> bool {
        pinned_id(base).is_none() && self.ids.read().is_none()
    }

    /// Every id that uses the symbol; only one when it is pinned.
    pub(super) fn candidates(&self, base: &str) -> Vec<String> {
        if let Some(id) = pinned_id(base) {
            return vec![id.to_owned()];
        }
        let ids = self.ids.read();
        ids.as_ref().and_then(|ids| ids.get(base)).cloned().unwrap_or_default()
    }
}
