//! How single values are read: durations, counts, symbols, windows, names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::Value;

use super::sections::Role;
use crate::model::{ProviderName, QuotaWindow, Symbol, Window};

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::Integer(secs) => u64::try_from(secs)
            .map(Duration::from_secs)
            .map_err(|_| Error::custom("a duration is not negative")),
        Value::String(text) => match text.parse::<u64>() {
            Ok(secs) => Ok(Duration::from_secs(secs)),
            Err(_) => humantime::parse_duration(&text).map_err(|_| {
                Error::custom(format!(
                    "`{text}` is not a duration like \"250ms\", \"60s\" or \"1h\""
                ))
            }),
        },
        other => Err(Error::custom(format!("`{other}` is not a duration"))),
    }
}

pub(super) fn windows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Window>, D::Error> {
    use serde::de::Error;
    let mut windows = Vec::new();
    for count in Vec::<i64>::deserialize(deserializer)? {
        let window = Window::new(u64::try_from(count).unwrap_or(0)).map_err(Error::custom)?;
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    if windows.is_empty() {
        Err(Error::custom("at least one window is needed"))
    } else {
        Ok(windows)
    }
}

pub(super) fn symbols<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Symbol>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let symbols = texts.iter().map(|text| Symbol::parse(text));
    symbols.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

pub(super) fn providers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ProviderName>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let names = texts.iter().map(|text| ProviderName::parse(text));
    names.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

/// Chains of single symbols, each written `BRK.B: finnhub > yahoo`.
pub(super) fn symbol_chains<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Symbol, Vec<ProviderName>>, D::Error> {
    use serde::de::Error;
    let mut chains = BTreeMap::new();
    for text in Vec::<String>::deserialize(deserializer)? {
        let form =
            || Error::custom(format!("`{text}` is not of the form \"BRK.B: finnhub > yahoo\""));
        let (symbol, chain) = text.split_once(':').ok_or_else(form)?;
        let symbol = Symbol::parse(symbol.trim()).map_err(Error::custom)?;
        let names = chain.split('>').map(|name| ProviderName::parse(name.trim()));
        let chain = names.collect::<Result<Vec<_>, _>>().map_err(|_| form())?;
        if chains.insert(symbol, chain).is_some() {
            return Err(Error::custom(format!("`{text}` gives a symbol a second chain")));
        }
    }
    Ok(chains)
}

/// Limits on calls, each written `25/day`.
pub(super) fn budget<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(QuotaWindow, u32)>, D::Error> {
    use serde::de::Error;
    let mut limits: Vec<(QuotaWindow, u32)> = Vec::new();
    for text in Vec::<String>::deserialize(deserializer)? {
        let parsed = text.split_once('/').and_then(|(calls, window)| {
            let window = match window.trim() {
                "min" => "minute",
                "sec" => "second",
                name => name,
            };
            let calls = calls.trim().parse().ok().filter(|calls| *calls > 0)?;
            Some((QuotaWindow::parse(window)?, calls))
        });
        let (window, calls) = parsed.ok_or_else(|| {
            Error::custom(format!(
                "`{text}` is not a limit like \"2/second\", \"60/minute\", \"25/day\" or \"10000/month\""
            ))
        })?;
        if limits.iter().any(|(known, _)| *known == window) {
            return Err(Error::custom(format!("`{text}` limits the {} twice", window.name())));
        }
        limits.push((window, calls));
    }
    Ok(limits)
}

/// A choice, or none where the setting says `auto`.
pub(super) fn unless_auto<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "auto" {
        return Ok(None);
    }
    let choice = serde::de::value::StringDeserializer::<D::Error>::new(text);
    T::deserialize(choice).map(Some)
}

/// At least one role.
pub(super) fn roles<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeSet<Role>, D::Error> {
    let roles = BTreeSet::deserialize(deserializer)?;
    if roles.is_empty() {
        return Err(serde::de::Error::custom("at least one role is needed"));
    }
    Ok(roles)
}

pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("must be at least 1")),
        count => Ok(count),
    }
}

pub(super) fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("must be at least 1")),
        count => Ok(count),
    }
}
