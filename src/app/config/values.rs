//! How single values are read: durations, counts, symbols, windows, names.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::Value;

use crate::model::{ProviderName, Symbol, Window};

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
