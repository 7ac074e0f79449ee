//! The one list of providers: name to constructor.

use std::sync::Arc;

use super::{
    BuildError, ProviderSettings, alphavantage::AlphaVantage, coingecko::CoinGecko,
    coinmarketcap::CoinMarketCap, finnhub::Finnhub, kraken::Kraken, yahoo::Yahoo,
};
use crate::ports::clock::Clock;
use crate::ports::provider::PriceProvider;

/// A provider that can be asked for by name.
pub struct Registration {
    pub name: &'static str,
    /// Without a key there is nothing to ask; the others are on by default.
    pub needs_key: bool,
    construct: Constructor,
}

type Built = Result<Arc<dyn PriceProvider>, BuildError>;
type Constructor = fn(&ProviderSettings, Arc<dyn Clock>) -> Built;

/// Every provider, in the order of PROVIDERS.md.
pub const REGISTRY: &[Registration] = &[
    Registration {
        name: Yahoo::NAME,
        needs_key: false,
        construct: |settings, clock| Ok(Arc::new(Yahoo::new(settings, clock)?)),
    },
    Registration {
        name: Finnhub::NAME,
        needs_key: true,
        construct: |settings, clock| Ok(Arc::new(Finnhub::new(settings, clock)?)),
    },
    Registration {
        name: CoinGecko::NAME,
        needs_key: false,
        construct: |settings, clock| Ok(Arc::new(CoinGecko::new(settings, clock)?)),
    },
    Registration {
        name: CoinMarketCap::NAME,
        needs_key: true,
        construct: |settings, clock| Ok(Arc::new(CoinMarketCap::new(settings, clock)?)),
    },
    Registration {
        name: AlphaVantage::NAME,
        needs_key: true,
        construct: |settings, clock| Ok(Arc::new(AlphaVantage::new(settings, clock)?)),
    },
    Registration {
        name: Kraken::NAME,
        needs_key: false,
        construct: |settings, clock| Ok(Arc::new(Kraken::new(settings, clock)?)),
    },
];

/// Builds the provider called `name`; nothing is asked of it yet.
///
/// # Errors
/// [`BuildError`] says why it is off: unknown, disabled, without key, or badly configured.
pub fn build(name: &str, settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Built {
    let Some(registration) = REGISTRY.iter().find(|registration| registration.name == name) else {
        let names: Vec<&str> = REGISTRY.iter().map(|registration| registration.name).collect();
        let choices = names.join(", ");
        return Err(BuildError::UnknownProvider { name: name.to_owned(), choices });
    };
    if !settings.enabled {
        return Err(BuildError::Disabled { name: registration.name });
    }
    if registration.needs_key && settings.key().is_none() {
        return Err(BuildError::KeyMissing { name: registration.name });
    }
    (registration.construct)(settings, clock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::adapters::provider::Secret;
    use crate::ports::clock::SystemClock;

    fn settings(enabled: bool, key: Option<&str>, base_url: Option<&str>) -> ProviderSettings {
        ProviderSettings {
            enabled,
            api_key: key.map(Secret::new),
            base_url: base_url.map(str::to_owned),
            timeout: Duration::from_secs(1),
        }
    }

    fn refusal(name: &str, settings: &ProviderSettings) -> Option<BuildError> {
        build(name, settings, Arc::new(SystemClock)).err()
    }

    #[test]
    fn every_registered_provider_can_be_built_and_knows_its_name() {
        for registration in REGISTRY {
            let settings = settings(true, Some("some-key"), None);
            let provider = build(registration.name, &settings, Arc::new(SystemClock))
                .unwrap_or_else(|error| panic!("{}: {error}", registration.name));
            let profile = provider.profile();
            assert_eq!(profile.name.as_str(), registration.name);
            assert!(profile.batch_size >= 1 && !profile.asset_classes.is_empty());
            assert!(!profile.invented);
        }
    }

    #[test]
    fn what_keeps_a_provider_off_is_named() {
        let off =
            |name, settings: &ProviderSettings| refusal(name, settings).map(|e| e.to_string());
        assert!(
            off("yahu", &settings(true, None, None)).is_some_and(|text| text.contains("kraken"))
        );
        assert_eq!(
            refusal("kraken", &settings(false, None, None)),
            Some(BuildError::Disabled { name: "kraken" })
        );
        for key in [None, Some(""), Some("  ")] {
            assert_eq!(
                refusal("finnhub", &settings(true, key, None)),
                Some(BuildError::KeyMissing { name: "finnhub" })
            );
        }
        assert_eq!(
            refusal("finnhub", &settings(true, Some("a\nb"), None)),
            Some(BuildError::KeyMalformed)
        );
        for url in ["not a url", "ftp://host", "http://host/?key=1", "http://user:pass@host"] {
            let refused = refusal("kraken", &settings(true, None, Some(url)));
            assert!(matches!(refused, Some(BuildError::BadBaseUrl { .. })), "{url}: {refused:?}");
        }
    }
}
