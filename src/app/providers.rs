//! Which providers there are, by configuration or for the demo.

use std::sync::Arc;

use super::config::Config;
use super::demo::Demo;
use crate::adapters::provider::{ProviderSettings, REGISTRY, Secret, build as build_provider};
use crate::model::ProviderName;
use crate::ports::{Clock, PriceProvider};
use crate::services::route::{Chains, RouterOptions};

/// The fallback chains of a configuration: the default provider first, in each that has it.
pub(super) fn chains(config: &Config) -> Chains {
    let first = &config.chains.default_provider;
    let with_first = |chain: &[ProviderName]| {
        let mut chain = chain.to_vec();
        // Stable: the others keep their order.
        chain.sort_by_key(|name| Some(name) != first.as_ref());
        chain
    };
    Chains {
        stocks: with_first(&config.chains.stocks),
        crypto: with_first(&config.chains.crypto),
        forex: with_first(&config.chains.forex),
        by_symbol: config.chains.symbols.clone(),
    }
}

/// The providers that are on, and how to ask them. The demo has none that uses the network.
pub(super) fn build(
    config: &Config,
    clock: &Arc<dyn Clock>,
    demo: Option<&Demo>,
) -> (Vec<Arc<dyn PriceProvider>>, RouterOptions) {
    let mut options = RouterOptions::default();
    options.guard.breaker.failures_to_open = config.breaker.failures;
    options.guard.breaker.open_for = config.breaker.open_for;
    options.seed = clock.now().as_micros().unsigned_abs();
    if let Some(demo) = demo {
        options.chains = demo.chains();
        return (demo.providers(), options);
    }
    options.chains = chains(config);
    let mut providers = Vec::new();
    for registration in REGISTRY {
        let Some(section) = config.providers.get(registration.name) else { continue };
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let settings = ProviderSettings {
            enabled: section.enabled,
            api_key: text(&section.api_key).map(Secret::new),
            base_url: text(&section.base_url),
            timeout: section.timeout,
        };
        if let (Ok(name), false) =
            (ProviderName::parse(registration.name), section.budget.is_empty())
        {
            options.budgets.insert(name, section.budget.clone());
        }
        match build_provider(registration.name, &settings, Arc::clone(clock)) {
            Ok(provider) => providers.push(provider),
            Err(error) => {
                let name = ProviderName::parse(registration.name);
                options.off.extend(name.ok().map(|name| (name, error.to_string())));
            }
        }
    }
    (providers, options)
}
