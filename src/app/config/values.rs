//! How single values are read: durations, counts, symbols, windows, names.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use toml::Value;

use super::sections::Role;
use crate::http::doors::RouteLimit;
use crate::model::{ProviderName, Quota, QuotaWindow, Schedule, Symbol, Timestamp, Window};
use crate::services::schedule;
use crate::telemetry::logging;

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

/// The provider asked first, or none. Old clients wrote `alpha_vantage` and `yahoo_finance`.
pub(super) fn default_provider<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ProviderName>, D::Error> {
    let text = String::deserialize(deserializer)?.replace(['_', '-'], "");
    let text = text.strip_suffix("finance").unwrap_or(&text);
    let name = (!text.is_empty()).then(|| ProviderName::parse(text));
    name.transpose().map_err(serde::de::Error::custom)
}

/// An interval that a polling job may have.
pub(super) fn job_interval<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let interval = duration(deserializer)?;
    let schedule = Schedule::Interval(interval);
    schedule::check(&schedule, Timestamp::MIN).map_err(serde::de::Error::custom)?;
    Ok(interval)
}

/// A level, in any case and also as Python names it, or a filter such as `info,tickerd=debug`.
pub(super) fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let directives = text.split(',').map(|directive| {
        let directive = directive.trim();
        let known = match directive.to_ascii_lowercase().as_str() {
            "warning" => "warn",
            "critical" => "error",
            level @ ("error" | "warn" | "info" | "debug" | "trace" | "off") => {
                return Ok(level.to_owned());
            }
            // Without a level it would be taken for the name of a module that logs everything.
            _ if directive.contains('=') => directive,
            _ => return Err(directive.to_owned()),
        };
        Ok(known.to_owned())
    });
    let level = directives.collect::<Result<Vec<_>, _>>().map(|known| known.join(","));
    level.ok().filter(|level| logging::is_filter(level)).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is no level (error, warn, info, debug, trace) and no filter like \
             \"info,tickerd=debug\""
        ))
    })
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

pub(super) fn partitions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("must be at least 1")),
        count => Ok(count),
    }
}

pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: &String| {
        let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
            let reason = format!("`{text}` is no address and no network like 10.0.0.0/8");
            serde::de::Error::custom(reason)
        })
    };
    texts.iter().map(network).collect()
}

/// The window of a limit.
pub(super) fn limit_window<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let window = duration(deserializer)?;
    check_window(window).map_err(serde::de::Error::custom)
}

fn check_window(window: Duration) -> Result<Duration, &'static str> {
    let fits = (Duration::from_secs(1)..=Duration::from_secs(24 * 3_600)).contains(&window);
    fits.then_some(window).ok_or("the window of a limit is 1s to 24h")
}

/// Limits of single routes: `[METHOD] PATH REQUESTS/WINDOW`.
pub(super) fn route_limits<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RouteLimit>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| route_limit(text).map_err(serde::de::Error::custom)).collect()
}

fn route_limit(text: &str) -> Result<RouteLimit, String> {
    let refuse = || {
        format!(
            "`{text}` is no limit of a route, such as \"/prices/latest 5/1m\" or \
             \"POST /prices/poll 10/60s\""
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (method, path, rate) = match words[..] {
        [path, rate] => (None, path, rate),
        [method, path, rate] => (Some(method), path, rate),
        _ => return Err(refuse()),
    };
    let method = match method {
        None => None,
        Some(name @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE")) => {
            Some(name.parse().map_err(|_| refuse())?)
        }
        Some(_) => return Err(refuse()),
    };
    let (requests, window) = rate.split_once('/').ok_or_else(refuse)?;
    let requests: NonZeroU32 = requests.parse().map_err(|_| refuse())?;
    let window = humantime::parse_duration(window).map_err(|_| refuse())?;
    let window = check_window(window).map_err(str::to_owned)?;
    if !path.starts_with('/') {
        return Err(refuse());
    }
    Ok(RouteLimit { method, path: path.to_owned(), quota: Quota { requests, window } })
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
