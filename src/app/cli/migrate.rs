//! `migrate`: the schema, and everything from one backend to another.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::ProgressStyle;
use serde_json::json;

use super::Common;
use super::out::out;
use crate::adapters::bus::channel::ChannelBus;
use crate::app::backends::{open_postgres, open_redb, open_store};
use crate::app::config::Config;
use crate::app::migrate::{Inventory, copy, prove};
use crate::app::run::averager_settings;
use crate::ports::{Store, SystemClock};
use crate::services::averager::Averager;

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    common: Common,
    /// Where everything goes: to PostgreSQL (full) or to the file in the data directory (edge)
    #[arg(long, required_unless_present = "schema_only")]
    to: Option<Target>,
    /// Only bring the schema of the configured store up to date
    #[arg(long, conflicts_with = "to")]
    schema_only: bool,
    /// Only count what would be copied, and open the target
    #[arg(long, requires = "to")]
    dry_run: bool,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Full,
    Edge,
}

/// Stop the services of both sides first: what is written during the copy would be missed.
pub(super) async fn migrate(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load(Vec::new())?.config;
    let Some(to) = args.to else {
        let store = open_store(&config).await?;
        let status = store.status().await?;
        store.close().await?;
        let (backend, version) = (status.backend, status.schema_version);
        if args.json {
            writeln!(out(), "{}", json!({ "backend": backend, "schema_version": version }))?;
        } else {
            writeln!(out(), "{backend}: schema version {version}")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let file = config.store.file();
    // Opening would make it, and a source that is not there is a mistake.
    if to == Target::Full && !file.exists() {
        bail!("store.data_dir: there is no store at {}", file.display());
    }
    let edge: Arc<dyn Store> = Arc::new(open_redb(&config)?);
    let full = open_postgres(&config).await?;
    let (source, target) = match to {
        Target::Full => (edge, full),
        Target::Edge => (full, edge),
    };
    let wanted = inventory(source.as_ref(), "counting").await?;
    if args.dry_run {
        let there = inventory(target.as_ref(), "counting the target").await?;
        report(&args, "would be copied", &wanted, Some(there.n_records()))?;
    } else {
        let bar = bar("copying", wanted.n_records());
        copy(source.as_ref(), target.as_ref(), |n_records| bar.set_position(n_records)).await?;
        bar.finish_and_clear();
        let arrived = inventory(target.as_ref(), "comparing").await?;
        prove(&wanted, &arrived)?;
        compute_averages(&config, &target).await?;
        report(&args, "copied and compared", &wanted, None)?;
    }
    source.close().await?;
    target.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Averages follow from prices: they are computed anew rather than believed.
async fn compute_averages(config: &Config, target: &Arc<dyn Store>) -> anyhow::Result<()> {
    let settings = averager_settings(config);
    let bus = Arc::new(ChannelBus::default());
    let averager = Averager::new(Arc::clone(target), bus, Arc::new(SystemClock), settings);
    averager.materialise().await.context("the averages of the copy")
}

async fn inventory(store: &dyn Store, what: &'static str) -> anyhow::Result<Inventory> {
    let bar = bar(what, store.status().await?.n_prices);
    let inventory = Inventory::of(store, |n_records| bar.set_position(n_records)).await?;
    bar.finish_and_clear();
    Ok(inventory)
}

fn bar(what: &'static str, length: u64) -> indicatif::ProgressBar {
    let bar = super::import::progress(Some(length));
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn report(
    args: &MigrateArgs,
    what: &str,
    inventory: &Inventory,
    n_there: Option<u64>,
) -> io::Result<()> {
    if args.json {
        writeln!(
            out(),
            "{}",
            json!({ "outcome": what, "records": inventory.by_kind(), "target": n_there })
        )?;
        return Ok(());
    }
    writeln!(out(), "{what}:")?;
    for (kind, count) in inventory.by_kind() {
        writeln!(out(), "  {count:>12} {kind}")?;
    }
    if let Some(n_there) = n_there {
        writeln!(out(), "the target holds {n_there} records")?;
    }
    Ok(())
}
