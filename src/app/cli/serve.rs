//! `serve` and `openapi`.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Common;
use super::out::out;
use crate::adapters::bus::channel::ChannelBus;
use crate::adapters::cache::moka::MokaCache;
use crate::adapters::limiter::local::LocalLimiter;
use crate::adapters::store::redb::{RedbOptions, RedbStore};
use crate::app::backends::Parts;
use crate::app::config::{
    BusBackend, CacheBackend, Config, Loaded, LogStyle, Role, Sources, StoreBackend,
};
use crate::app::run::{App, VERSION, bind};
use crate::app::spans::Spans;
use crate::http::tls::Tls;
use crate::ports::SystemClock;
use crate::services::route::ProviderState;
use crate::telemetry::logging::{self, LogFormat};

#[derive(Debug, Args, Clone, Default)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    common: Common,
    /// Address to listen on
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// Which backends are the defaults: those inside, or servers
    #[arg(long, value_parser = ["edge", "full"])]
    mode: Option<String>,
    /// What this process does: api, poller, relay, averager, separated by commas
    #[arg(long)]
    roles: Option<String>,
    /// Play real history and simulated prices as if live; no network, no keys
    #[arg(long)]
    demo: bool,
    /// How the log is written
    #[arg(long, value_parser = ["text", "json"])]
    log_format: Option<String>,
}

impl ServeArgs {
    fn sources(&self) -> Sources {
        let flags = [
            ("server.host", self.host.clone()),
            ("server.port", self.port.map(|port| port.to_string())),
            ("mode", self.mode.clone()),
            ("roles", self.roles.clone()),
            ("log.format", self.log_format.clone()),
        ];
        self.common
            .sources(flags.into_iter().filter_map(|(key, text)| Some((key, text?))).collect())
    }
}

pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let sources = args.sources();
    let loaded = sources.load()?;
    let config = &loaded.config;
    let tls = open_tls(config)?;
    let format = match config.log.format {
        LogStyle::Text => LogFormat::Text,
        LogStyle::Json => LogFormat::Json,
    };
    let (spans, listener) = Spans::open(config)?;
    logging::install(format, &config.log.level, listener);

    let parts = Parts::open(config, Arc::new(SystemClock)).await?;
    let listener = bind(config).await?;
    let app = App::build(config, parts, args.demo).await?.encrypted(tls);
    let first_key = match config.roles.contains(&Role::Api) {
        true => app.services().access.create_first().await?,
        false => None,
    };
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut card = card(&loaded, &app, listener.local_addr()?, args.demo);
    if let Some(new) = first_key {
        card.push(format!("  first key  {}", new.text));
        card.push("             an admin key, shown this once: keep it".into());
    }
    let card = card.join("\n");
    // Whoever started it may not be listening any more: no reason to stop.
    let _ = writeln!(out(), "{card}");

    let serving = app.following(sources, loaded).run(listener, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        outcome = &mut serving => outcome?,
        () = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        } => {
            tracing::info!("stopping: requests under way may finish");
            stop.cancel();
            serving.await?;
        }
    }
    tracing::info!("stopped");
    spans.finish().await;
    Ok(ExitCode::SUCCESS)
}

/// What connections are encrypted with, when a certificate is configured.
///
/// # Errors
/// When the files cannot be used; the message names the setting.
pub(super) fn open_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    Ok(config.server.tls_files().map(|(cert, key)| Tls::open(cert, key)).transpose()?)
}

/// What a person wants to know when the service has started.
fn card(loaded: &Loaded, app: &App, address: SocketAddr, demo: bool) -> Vec<String> {
    let config = &loaded.config;
    let file = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => "none; built-in defaults".into(),
    };
    let mut card = Vec::new();
    let mut say = |line: String| card.push(line);
    let mode = config.mode.name();
    say(format!("tickerd {VERSION}, {mode} mode{}", if demo { ", demo" } else { "" }));
    if config.roles.len() < Role::ALL.len() {
        let roles: Vec<&str> = config.roles.iter().map(|role| role.name()).collect();
        say(format!("  roles      {}", roles.join(", ")));
    }
    let base = url(config, address);
    if config.roles.contains(&Role::Api) {
        say(format!("  url        {base}/    documentation {base}/docs"));
    } else {
        say(format!("  url        {base}/"));
    }
    if address.ip().is_unspecified() {
        say("             and at every other address of this machine".into());
    }
    match config.store_backend() {
        StoreBackend::Redb => say(format!("  data       {}", config.store.data_dir.display())),
        StoreBackend::Postgres => {
            say(format!("  data       {}", shown(loaded, "store.postgres_url")))
        }
    }
    if config.cache_backend() == CacheBackend::Redis {
        say(format!("  cache      {}", shown(loaded, "cache.redis_url")));
    }
    match config.bus_backend() {
        BusBackend::Channel => {}
        BusBackend::Kafka => say(format!("  bus        kafka at {}", config.bus.kafka_brokers)),
        BusBackend::Fluvio => say(format!("  bus        fluvio at {}", config.bus.fluvio_endpoint)),
    }
    say(format!("  config     {file}"));
    for state in app.services().router.providers() {
        match state {
            ProviderState::On { profile, .. } => say(format!("  provider   {} on", profile.name)),
            ProviderState::Off { why, .. } => say(format!("  provider   off: {why}")),
        }
    }
    if demo {
        say("  demo       replay is real history played back, simulated is invented".into());
    }
    card.extend(access(config, app, address));
    card
}

/// Who is let in, and how to get a key.
fn access(config: &Config, app: &App, address: SocketAddr) -> Vec<String> {
    if !config.roles.contains(&Role::Api) {
        return vec!["  access     only /health, /ready and /metrics are served here".into()];
    }
    let base = url(config, address);
    if app.services().access.is_open() {
        return vec![
            "  access     open to this machine: no key is asked for until there is one".into(),
            format!("             make one with `tickerd keys create --role admin --url {base}`"),
        ];
    }
    // The file of an edge store belongs to the service as long as it runs.
    let first = match config.store_backend() {
        StoreBackend::Redb => "no key left? stop the service; then",
        StoreBackend::Postgres => "no key left?",
    };
    vec![
        format!("  access     with a key; more by `tickerd keys create --url {base} --key KEY`"),
        format!("             {first} `tickerd keys create --role admin`"),
    ]
}

/// Where the service is reached from this machine.
fn url(config: &Config, address: SocketAddr) -> String {
    let host = match address.ip() {
        all if all.is_ipv4() && all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        all if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        one => one,
    };
    format!("{}://{}", config.server.scheme(), SocketAddr::new(host, address.port()))
}

/// A setting as it may be shown.
fn shown(loaded: &Loaded, key: &str) -> String {
    let value = loaded.settings.get(key).map(|setting| setting.shown(key));
    value.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

pub(super) async fn openapi() -> anyhow::Result<ExitCode> {
    writeln!(out(), "{}", document().await?)?;
    Ok(ExitCode::SUCCESS)
}

/// The `OpenAPI` document of a service with the default configuration; nothing is opened on disk.
pub(crate) async fn document() -> anyhow::Result<String> {
    let config = Sources::default().load()?.config;
    let memory = redb::backends::InMemoryBackend::new;
    let parts = Parts {
        store: Arc::new(RedbStore::open_on(memory, &RedbOptions::default())?),
        cache: Arc::new(MokaCache::new(1, config.cache.ttl)),
        bus: Arc::new(ChannelBus::default()),
        limiter: Arc::new(LocalLimiter::new(Arc::new(SystemClock))),
        clock: Arc::new(SystemClock),
    };
    Ok(App::build(&config, parts, false).await?.openapi_json())
}
