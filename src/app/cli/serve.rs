//! `serve` and `openapi`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Common;
use crate::adapters::bus::channel::ChannelBus;
use crate::adapters::cache::moka::MokaCache;
use crate::adapters::store::redb::{RedbOptions, RedbStore};
use crate::app::config::{Loaded, LogStyle, Sources};
use crate::app::run::{App, Parts, VERSION, bind};
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
    /// edge
    #[arg(long)]
    mode: Option<String>,
    /// Play real history and simulated prices as if live; no network, no keys
    #[arg(long)]
    demo: bool,
    /// text or json
    #[arg(long)]
    log_format: Option<String>,
}

impl ServeArgs {
    fn load(&self) -> anyhow::Result<Loaded> {
        let flags = [
            ("server.host", self.host.clone()),
            ("server.port", self.port.map(|port| port.to_string())),
            ("mode", self.mode.clone()),
            ("log.format", self.log_format.clone()),
        ];
        self.common.load(flags.into_iter().filter_map(|(key, text)| Some((key, text?))).collect())
    }
}

pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let loaded = args.load()?;
    let config = &loaded.config;
    let format = match config.log.format {
        LogStyle::Text => LogFormat::Text,
        LogStyle::Json => LogFormat::Json,
    };
    logging::install(format, &config.log.level);

    let parts = Parts::open(config, Arc::new(SystemClock))?;
    let listener = bind(config).await?;
    let app = App::build(config, parts, args.demo).await?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    print_card(&loaded, &app, listener.local_addr()?, args.demo);

    let serving = app.run(listener, stop.clone());
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
    Ok(ExitCode::SUCCESS)
}

fn print_card(loaded: &Loaded, app: &App, address: SocketAddr, demo: bool) {
    let config = &loaded.config;
    let file = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => "none; built-in defaults".into(),
    };
    println!("tickerd {VERSION}, edge mode{}", if demo { ", demo" } else { "" });
    println!("  url        http://{address}/    documentation http://{address}/docs");
    println!("  data       {}", config.store.data_dir.display());
    println!("  config     {file}");
    for state in app.services().router.providers() {
        match state {
            ProviderState::On { profile, .. } => println!("  provider   {} on", profile.name),
            ProviderState::Off { why, .. } => println!("  provider   off: {why}"),
        }
    }
    if demo {
        println!("  demo       replay is real history played back, simulated is invented");
    }
    println!("  access     open to this machine: no key is asked for");
}

pub(super) async fn openapi() -> anyhow::Result<ExitCode> {
    println!("{}", document().await?);
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
        clock: Arc::new(SystemClock),
    };
    Ok(App::build(&config, parts, false).await?.openapi_json())
}
