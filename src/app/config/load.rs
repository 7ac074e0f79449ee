//! The layers of settings, the origin of each value, and all mistakes at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Value;

use super::together::check;
use super::{Config, EXAMPLE};

/// Names of earlier versions, and the settings they mean.
const OLD_NAMES: &[(&str, &str)] = &[
    ("HOST", "server.host"),
    ("PORT", "server.port"),
    ("DATABASE_URL", "store.postgres_url"),
    ("REDIS_URL", "cache.redis_url"),
    ("KAFKA_BOOTSTRAP_SERVERS", "bus.kafka_brokers"),
    ("KAFKA_TOPIC", "bus.topic"),
    ("API_KEY", "access.api_key"),
    ("RATE_LIMIT_REQUESTS", "limits.requests"),
    ("RATE_LIMIT_WINDOW", "limits.window"),
    ("CORS_ORIGINS", "server.cors_origins"),
    ("CACHE_TTL", "cache.ttl"),
    ("MOVING_AVERAGE_WINDOW", "averages.windows"),
    ("KAFKA_CONSUMER_GROUP", "averages.group"),
    ("LOG_LEVEL", "log.level"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "log.otlp_endpoint"),
    ("ACTIVE_SYMBOLS", "fetch.active_symbols"),
    ("PRICE_FETCH_INTERVAL", "fetch.interval"),
    ("ASSET_LIST_UPDATE_INTERVAL", "fetch.asset_list_interval"),
    ("CIRCUIT_BREAKER_TIMEOUT", "breaker.open_for"),
    ("DEFAULT_PROVIDER", "chains.default_provider"),
    ("POLLING_INTERVAL", "fetch.job_interval"),
    ("FINNHUB_API_KEY", "providers.finnhub.api_key"),
    ("COINMARKETCAP_API_KEY", "providers.coinmarketcap.api_key"),
    ("ALPHA_VANTAGE_API_KEY", "providers.alphavantage.api_key"),
];

/// One setting and who set it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub value: Value,
    pub origin: String,
}

impl Setting {
    /// The value as it may be shown: keys are masked.
    pub fn shown(&self, key: &str) -> Value {
        match &self.value {
            Value::String(text) if is_secret(key) && !text.is_empty() => "***".into(),
            Value::String(text) if key.ends_with("_url") => without_password(text).into(),
            value => value.clone(),
        }
    }
}

fn is_secret(key: &str) -> bool {
    key.ends_with("api_key") || key.ends_with("password")
}

/// `scheme://user:password@host` with the password masked.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@').and_then(|(login, _)| login.split_once(':')) {
        Some((user, password)) => {
            let behind = &rest[user.len() + 1 + password.len()..];
            format!("{scheme}://{user}:***{behind}")
        }
        None => url.to_owned(),
    }
}

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// The environment, that of `.env` included.
    pub environment: BTreeMap<String, String>,
    /// Flags, as (key, text).
    pub flags: Vec<(&'static str, String)>,
}

/// A configuration with the origin of every value.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub settings: BTreeMap<String, Setting>,
    pub file: Option<PathBuf>,
    /// Every file that a setting was read from.
    pub read: Vec<PathBuf>,
}

impl Loaded {
    /// This configuration with some settings of another one.
    ///
    /// # Errors
    /// When they do not fit the settings that stay.
    pub fn taking<'a>(
        &self,
        other: &Self,
        keys: impl Iterator<Item = &'a String>,
    ) -> Result<Self, ConfigErrors> {
        let mut settings = self.settings.clone();
        for key in keys {
            match other.settings.get(key) {
                Some(setting) => settings.insert(key.clone(), setting.clone()),
                None => settings.remove(key),
            };
        }
        let config = checked(&settings).map_err(ConfigErrors)?;
        Ok(Self { config, settings, file: other.file.clone(), read: other.read.clone() })
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not valid:\n  - {}", .0.join("\n  - "))]
pub struct ConfigErrors(pub Vec<String>);

impl Sources {
    /// The sources of a process: its environment, and `.env` in the working directory.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String)>) -> Self {
        let mut environment: BTreeMap<String, String> =
            dotenvy::dotenv_iter().map(|entries| entries.flatten().collect()).unwrap_or_default();
        let own = std::env::vars_os();
        environment.extend(own.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Self { file, environment, flags }
    }

    /// The same sources with the environment of now: `.env` may have changed.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::of_process(self.file.clone(), self.flags.clone())
    }

    /// Reads, merges and checks everything.
    ///
    /// # Errors
    /// All mistakes of all sources.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let mut errors = Vec::new();
        let defaults = flatten(EXAMPLE).expect("the built-in defaults are TOML");
        let mut overrides: BTreeMap<String, Setting> = BTreeMap::new();

        let file = self.find_file(&mut errors);
        let mut read: Vec<PathBuf> = file.iter().cloned().collect();
        if let Some(path) = &file {
            read_file(path, &mut overrides, &mut errors);
        }
        for (key, text, origin) in self.read_environment(&mut read, &mut errors) {
            set_text(&defaults, &mut overrides, &key, &text, origin, &mut errors);
        }
        for (key, text) in &self.flags {
            let origin =
                format!("flag --{}", key.rsplit('.').next().unwrap_or(key).replace('_', "-"));
            set_text(&defaults, &mut overrides, key, text, origin, &mut errors);
        }

        let mut settings: BTreeMap<String, Setting> = defaults
            .iter()
            .map(|(key, value)| {
                (key.clone(), Setting { value: value.clone(), origin: "default".into() })
            })
            .collect();
        for (key, setting) in overrides {
            if !defaults.contains_key(&key) {
                errors.push(unknown_key(&key, &setting.origin, defaults.keys()));
                continue;
            }
            // Each value is tried alone, so that one mistake does not hide the next.
            let mut alone = defaults.clone();
            alone.insert(key.clone(), setting.value.clone());
            match build(&alone) {
                Ok(_) => {
                    settings.insert(key, setting);
                }
                Err(reason) => errors.push(format!("{key} ({}): {reason}", setting.origin)),
            }
        }
        match checked(&settings) {
            Ok(config) if errors.is_empty() => Ok(Loaded { config, settings, file, read }),
            Ok(_) => Err(ConfigErrors(errors)),
            Err(more) => Err(ConfigErrors([errors, more].concat())),
        }
    }

    fn find_file(&self, errors: &mut Vec<String>) -> Option<PathBuf> {
        let named =
            self.file.clone().or_else(|| self.environment.get("TICKERD_CONFIG").map(PathBuf::from));
        if let Some(named) = named {
            if !named.is_file() {
                errors.push(format!("there is no configuration file {}", named.display()));
                return None;
            }
            return Some(named);
        }
        ["tickerd.toml", "/etc/tickerd/tickerd.toml"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    }

    /// (key, text, origin) of every variable that means a setting.
    fn read_environment(
        &self,
        read: &mut Vec<PathBuf>,
        errors: &mut Vec<String>,
    ) -> Vec<(String, String, String)> {
        let mut found = Vec::new();
        for (old, key) in OLD_NAMES {
            if let Some(text) = self.environment.get(*old).filter(|text| !text.is_empty()) {
                found.push(((*key).to_owned(), text.clone(), format!("environment {old}")));
            }
        }
        for (name, text) in &self.environment {
            let Some(rest) = name.strip_prefix("TICKERD_") else { continue };
            if !rest.contains("__") && !["MODE", "ROLES"].contains(&rest) {
                continue;
            }
            let (path, text) = match rest.strip_suffix("_FILE") {
                None => (rest, text.clone()),
                Some(path) => match std::fs::read_to_string(text) {
                    Ok(content) => {
                        read.push(PathBuf::from(text));
                        (path, content.trim_end().to_owned())
                    }
                    Err(error) => {
                        errors.push(format!("environment {name}: {text} cannot be read: {error}"));
                        continue;
                    }
                },
            };
            let key = path.to_ascii_lowercase().replace("__", ".");
            found.push((key, text, format!("environment {name}")));
        }
        found
    }
}

fn read_file(path: &Path, overrides: &mut BTreeMap<String, Setting>, errors: &mut Vec<String>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors.push(format!("{} cannot be read: {error}", path.display()));
            return;
        }
    };
    match flatten(&text) {
        Ok(values) => overrides.extend(values.into_iter().map(|(key, value)| {
            (key, Setting { value, origin: format!("file {}", path.display()) })
        })),
        Err(error) => errors.push(format!("{}: {error}", path.display())),
    }
}

/// Sets a key from a text, read as the type its default has.
fn set_text(
    defaults: &BTreeMap<String, Value>,
    overrides: &mut BTreeMap<String, Setting>,
    key: &str,
    text: &str,
    origin: String,
    errors: &mut Vec<String>,
) {
    let typed = match defaults.get(key) {
        Some(Value::Integer(_)) => {
            text.trim().parse().map(Value::Integer).map_err(|_| "a whole number")
        }
        Some(Value::Boolean(_)) => {
            text.trim().parse().map(Value::Boolean).map_err(|_| "true or false")
        }
        Some(Value::Array(items)) => {
            let numbers = matches!(items.first(), Some(Value::Integer(_)));
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts
                .map(|part| match part.parse() {
                    Ok(number) if numbers => Ok(Value::Integer(number)),
                    _ if numbers => Err("a list of whole numbers"),
                    _ => Ok(Value::String(part.to_owned())),
                })
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        _ => Ok(Value::String(text.to_owned())),
    };
    match typed {
        Ok(value) => {
            overrides.insert(key.to_owned(), Setting { value, origin });
        }
        Err(expected) => errors.push(format!("{key} ({origin}): `{text}` is not {expected}")),
    }
}

fn unknown_key<'a>(key: &str, origin: &str, known: impl Iterator<Item = &'a String>) -> String {
    format!("{key} ({origin}): unknown{}", meant(key, known))
}

/// The name that was probably meant, as the end of a sentence.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= name.len() / 2);
    nearest.map(|(_, nearest)| format!("; did you mean {nearest}?")).unwrap_or_default()
}

fn flatten(text: &str) -> Result<BTreeMap<String, Value>, String> {
    fn walk(prefix: &str, table: toml::Table, into: &mut BTreeMap<String, Value>) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            match value {
                Value::Table(table) => walk(&key, table, into),
                value => {
                    into.insert(key, value);
                }
            }
        }
    }
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut values = BTreeMap::new();
    walk("", table, &mut values);
    Ok(values)
}

fn build(values: &BTreeMap<String, Value>) -> Result<Config, String> {
    let mut root = toml::Table::new();
    for (key, value) in values {
        let mut table = &mut root;
        let mut parts: Vec<&str> = key.split('.').collect();
        let name = parts.pop().unwrap_or_default();
        for part in parts {
            let entry =
                table.entry(part.to_owned()).or_insert_with(|| Value::Table(toml::Table::new()));
            let Value::Table(inner) = entry else {
                return Err(format!("{part} is a value, not a section"));
            };
            table = inner;
        }
        table.insert(name.to_owned(), value.clone());
    }
    root.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// The configuration of these settings, if they fit together.
fn checked(settings: &BTreeMap<String, Setting>) -> Result<Config, Vec<String>> {
    let values = settings.iter().map(|(key, set)| (key.clone(), set.value.clone())).collect();
    let config = build(&values).map_err(|reason| vec![reason])?;
    let mut errors = Vec::new();
    check(&config, &mut errors);
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::app::config::Role;
    use crate::model::{ProviderName, QuotaWindow};

    fn load(
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<Loaded, ConfigErrors> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Sources {
            file: None,
            environment: environment.iter().map(owned).collect(),
            flags: flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect(),
        }
        .load()
    }

    #[test]
    fn the_example_is_a_valid_configuration() {
        let loaded = load(&[], &[]).expect("the defaults are valid");
        assert_eq!(loaded.config.server.port, 8000);
        assert!(loaded.settings.values().all(|setting| setting.origin == "default"));
    }

    #[test]
    fn a_limit_of_a_path_that_is_not_there_is_a_mistake() {
        let routes = |text| load(&[("TICKERD_LIMITS__ROUTES", text)], &[]);
        for known in ["/prices/latest 5/1m", "DELETE /prices/{id} 1/1s", "GET /v1/keys 9/1m"] {
            assert!(routes(known).is_ok(), "{known}: {:?}", routes(known).err());
        }
        for (wrong, expected) in [
            (
                "/price/latest 5/1m",
                "no operation has the path /price/latest; did you mean /prices/latest?",
            ),
            ("DELETE /prices/latest 5/1m", "/prices/latest has no method DELETE"),
        ] {
            let errors = routes(wrong).expect_err("no such operation").to_string();
            assert!(errors.contains(expected), "{errors}");
        }
    }

    #[test]
    fn flags_win_over_the_environment_and_new_names_over_old() {
        let environment = [("PORT", "1"), ("TICKERD_SERVER__PORT", "2"), ("CACHE_TTL", "90")];
        let loaded = load(&environment, &[]).expect("valid");
        assert_eq!(loaded.config.server.port, 2);
        assert_eq!(loaded.config.cache.ttl, Duration::from_secs(90));
        let loaded = load(&environment, &[("server.port", "3")]).expect("valid");
        assert_eq!(loaded.settings["server.port"].origin, "flag --port");
        assert_eq!(loaded.config.server.port, 3);
    }

    #[test]
    fn every_old_name_means_a_setting_and_is_in_the_example() {
        let values = [
            ("HOST", "0.0.0.0"),
            ("PORT", "9000"),
            ("DATABASE_URL", "postgres://db.example/prices"),
            ("REDIS_URL", "redis://cache.example"),
            ("KAFKA_BOOTSTRAP_SERVERS", "bus.example:9092"),
            ("KAFKA_TOPIC", "prices"),
            ("KAFKA_CONSUMER_GROUP", "means"),
            ("FINNHUB_API_KEY", "a"),
            ("COINMARKETCAP_API_KEY", "b"),
            ("ALPHA_VANTAGE_API_KEY", "c"),
            ("API_KEY", "an-old-clients-key"),
            ("LOG_LEVEL", "WARNING"),
            ("CACHE_TTL", "90"),
            ("RATE_LIMIT_REQUESTS", "7"),
            ("RATE_LIMIT_WINDOW", "30"),
            ("CORS_ORIGINS", "https://a.example,https://b.example"),
            ("DEFAULT_PROVIDER", "alpha_vantage"),
            ("POLLING_INTERVAL", "120"),
            ("MOVING_AVERAGE_WINDOW", "10"),
            ("ACTIVE_SYMBOLS", "aapl,BTC-USD"),
            ("PRICE_FETCH_INTERVAL", "45"),
            ("ASSET_LIST_UPDATE_INTERVAL", "3600"),
            ("CIRCUIT_BREAKER_TIMEOUT", "60"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318"),
            // Not an old name: what the old default provider is put before.
            ("TICKERD_CHAINS__STOCKS", "yahoo, finnhub, alphavantage"),
        ];
        let loaded = load(&values, &[]).expect("valid");
        for (old, key) in OLD_NAMES {
            assert!(values.iter().any(|(name, _)| name == old), "{old} is not tested");
            assert_eq!(loaded.settings[*key].origin, format!("environment {old}"));
            let told = EXAMPLE.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            assert!(told.into_iter().any(|word| word == *old), "{old} is not in the example");
        }
        let config = loaded.config;
        assert_eq!(config.log.level, "warn");
        let first = config.chains.default_provider.as_ref().map(ProviderName::as_str);
        assert_eq!(first, Some("alphavantage"));
        assert_eq!(config.fetch.job_interval, Duration::from_secs(120));
        assert_eq!(config.server.cors_origins.len(), 2);
        let stocks = crate::app::providers::chains(&config).stocks;
        let stocks: Vec<&str> = stocks.iter().map(ProviderName::as_str).collect();
        assert_eq!(stocks, ["alphavantage", "yahoo", "finnhub"]);
    }

    #[test]
    fn the_example_states_every_key_and_no_other() {
        // A key without a field is refused, and a field without a key has no default.
        load(&[], &[]).expect("every field has its key");
        let defaults = flatten(EXAMPLE).expect("TOML");
        for key in defaults.keys() {
            let mut fewer = defaults.clone();
            fewer.remove(key);
            // A whole section of `[providers]` may be missing, one of its keys may not.
            build(&fewer).expect_err(&format!("{key} has no field"));
        }
        let sections = defaults.keys().filter_map(|key| key.strip_prefix("providers."));
        let sections: std::collections::BTreeSet<&str> =
            sections.filter_map(|key| key.split('.').next()).collect();
        let known = crate::adapters::provider::REGISTRY.iter().map(|one| one.name);
        assert_eq!(sections, known.collect());
        // Each key is explained, or follows one that is.
        let mut explained = false;
        for line in EXAMPLE.lines().map(str::trim) {
            match line.chars().next() {
                Some('#') => explained = true,
                Some('[') => explained |= line.starts_with("[providers."),
                None => explained = false,
                Some(_) => assert!(explained, "{line} is not explained"),
            }
        }
    }

    #[test]
    fn a_log_level_that_is_none_is_a_mistake() {
        for (text, level) in [
            ("INFO", Some("info")),
            ("Warning", Some("warn")),
            ("CRITICAL", Some("error")),
            ("info,tickerd=debug", Some("info,tickerd=debug")),
            ("off", Some("off")),
            ("inof", None),
            ("info,tickerd", None),
            ("tickerd=loud", None),
            ("", None),
        ] {
            let loaded = load(&[("TICKERD_LOG__LEVEL", text)], &[]);
            assert_eq!(
                loaded.ok().map(|loaded| loaded.config.log.level).as_deref(),
                level,
                "{text}"
            );
        }
    }

    #[test]
    fn secrets_come_from_files_and_are_never_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("key");
        std::fs::write(&file, "a-secret-of-sixteen\n").expect("written");
        let path = file.display().to_string();
        let environment = [
            ("TICKERD_ACCESS__API_KEY_FILE", path.as_str()),
            ("TICKERD_PROVIDERS__FINNHUB__API_KEY_FILE", &path),
            ("TICKERD_CACHE__REDIS_URL", "redis://:a-secret-of-sixteen@cache.example"),
        ];
        let loaded = load(&environment, &[]).expect("valid");
        assert_eq!(loaded.config.access.api_key.reveal(), "a-secret-of-sixteen");
        assert_eq!(
            loaded.settings["access.api_key"].origin,
            "environment TICKERD_ACCESS__API_KEY_FILE"
        );
        for (key, setting) in &loaded.settings {
            assert!(!setting.shown(key).to_string().contains("sixteen"), "{key}");
        }
        assert!(!format!("{:?}", loaded.config).contains("sixteen"));
        let missing = [("TICKERD_ACCESS__API_KEY_FILE", "absent")];
        let ConfigErrors(errors) = load(&missing, &[]).expect_err("it is not there");
        assert!(errors[0].contains("absent cannot be read"), "{errors:?}");
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_the_nearest_name() {
        let environment = [
            ("TICKERD_SERVER__PROT", "1"),
            ("TICKERD_SERVER__PORT", "70000"),
            ("TICKERD_QUOTES__MAX_AGE", "soon"),
            ("TICKERD_AVERAGES__WINDOWS", "5,0"),
            ("TICKERD_LIMITS__ROUTES", "/prices/latest"),
        ];
        let ConfigErrors(errors) = load(&environment, &[]).expect_err("five mistakes");
        assert_eq!(errors.len(), 5, "{errors:#?}");
        assert!(
            errors.iter().any(|error| error.contains("did you mean server.port?")),
            "{errors:#?}"
        );
    }

    #[test]
    fn chains_of_symbols_and_budgets_are_read_and_nonsense_is_named() {
        let environment = [
            ("TICKERD_CHAINS__SYMBOLS", "brk.b: finnhub > yahoo, DOGE-USD: kraken"),
            ("TICKERD_PROVIDERS__ALPHAVANTAGE__BUDGET", "5/min, 500/day"),
        ];
        let config = load(&environment, &[]).expect("valid").config;
        let chains: Vec<String> = config
            .chains
            .symbols
            .iter()
            .map(|(symbol, chain)| format!("{symbol} {}", chain[0]))
            .collect();
        assert_eq!(chains, ["BRK.B finnhub", "DOGE-USD kraken"]);
        let budget = &config.providers["alphavantage"].budget;
        assert_eq!(*budget, [(QuotaWindow::Minute, 5), (QuotaWindow::Day, 500)]);
        for (name, text, expected) in [
            ("TICKERD_CHAINS__SYMBOLS", "BRK.B", "is not of the form"),
            ("TICKERD_CHAINS__SYMBOLS", "BRK.B: yahu", "no provider is called yahu"),
            ("TICKERD_CHAINS__CRYPTO", "kraken,krakken", "no provider is called krakken"),
            ("TICKERD_CHAINS__SYMBOLS", "A: yahoo, a: kraken", "a second chain"),
            ("TICKERD_PROVIDERS__YAHOO__BUDGET", "0/day", "is not a limit"),
            ("TICKERD_PROVIDERS__YAHOO__BUDGET", "5/year", "is not a limit"),
            ("TICKERD_PROVIDERS__YAHOO__BUDGET", "5/day,6/day", "limits the day twice"),
        ] {
            let ConfigErrors(errors) = load(&[(name, text)], &[]).expect_err(text);
            assert!(errors.iter().any(|error| error.contains(expected)), "{text}: {errors:#?}");
        }
    }

    #[test]
    fn the_full_mode_says_what_it_needs_and_shows_no_password() {
        let ConfigErrors(errors) =
            load(&[("TICKERD_MODE", "full"), ("TICKERD_ROLES", "api")], &[]).expect_err("no URLs");
        for key in ["store.postgres_url", "cache.redis_url", "bus.kafka_brokers"] {
            assert!(errors.iter().any(|error| error.starts_with(key)), "{key}: {errors:#?}");
        }
        let environment = [
            ("TICKERD_MODE", "full"),
            ("TICKERD_ROLES", "relay,averager"),
            ("DATABASE_URL", "postgres://me:p@ss@db.example/prices"),
            ("REDIS_URL", "redis://cache.example"),
            ("TICKERD_BUS__BACKEND", "channel"),
        ];
        let loaded = load(&environment, &[]).expect("valid");
        assert_eq!(loaded.config.roles, [Role::Relay, Role::Averager].into());
        let shown = loaded.settings["store.postgres_url"].shown("store.postgres_url");
        assert_eq!(shown.as_str(), Some("postgres://me:***@db.example/prices"));
        assert!(!format!("{:?}", loaded.config).contains("p@ss"));
        for (name, value, expected) in [
            ("TICKERD_ROLES", "api", "the edge store has one process"),
            ("TICKERD_ROLES", "api,plumber", "plumber"),
            ("TICKERD_STORE__BACKEND", "mysql", "mysql"),
        ] {
            let ConfigErrors(errors) = load(&[(name, value)], &[]).expect_err(value);
            assert!(errors.iter().any(|error| error.contains(expected)), "{value}: {errors:#?}");
        }
    }
}
