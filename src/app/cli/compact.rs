//! `compact`: the store file as small as its contents allow, and what it will be in a year.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;

use super::Common;
use super::out::out;
use crate::adapters::store::redb::{RedbOptions, RedbStore};
use crate::app::backends::redb_options;
use crate::ports::Store;
use crate::services::forecast::prices_a_day;

#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    #[command(flatten)]
    common: Common,
    /// Change nothing; say how small the file would be, and how fast it grows
    #[arg(long)]
    dry_run: bool,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn compact(args: CompactArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load(Vec::new())?.config;
    let file = config.store.file();
    ensure!(file.is_file(), "there is no store {}", file.display());
    let options = redb_options(&config);
    if args.dry_run {
        measure(&file, &options, args.json).await?;
    } else {
        make_small(&file, &options, args.json).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn make_small(file: &Path, options: &RedbOptions, as_json: bool) -> anyhow::Result<()> {
    let compacted =
        RedbStore::compact(file, options).await.with_context(|| file.display().to_string())?;
    let n_prices = compacted.status.n_prices;
    let bytes_a_price = compacted.bytes_after as f64 / n_prices.max(1) as f64;
    if as_json {
        let report = json!({
            "bytes_before": compacted.bytes_before,
            "bytes_after": compacted.bytes_after,
            "prices": n_prices,
            "averages": compacted.status.n_averages,
            "bytes_a_price": bytes_a_price,
        });
        writeln!(out(), "{report}")?;
    } else {
        writeln!(
            out(),
            "{}: {} bytes before, {} after; {n_prices} prices of {bytes_a_price:.1} bytes each, \
             with all that belongs to them",
            file.display(),
            compacted.bytes_before,
            compacted.bytes_after,
        )?;
    }
    Ok(())
}

async fn measure(file: &Path, options: &RedbOptions, as_json: bool) -> anyhow::Result<()> {
    let store = RedbStore::open(file, options).with_context(|| file.display().to_string())?;
    let measured = store.measure().await?;
    let status = store.status().await?;
    let prices_a_day = prices_a_day(&store).await?;
    store.close().await?;

    let bytes_a_price = measured.bytes_in_use as f64 / status.n_prices.max(1) as f64;
    let bytes_in_a_year =
        prices_a_day.map(|prices| measured.bytes_in_use as f64 + prices * 365.0 * bytes_a_price);
    if as_json {
        let report = json!({
            "bytes": measured.bytes,
            "bytes_in_use": measured.bytes_in_use,
            "prices": status.n_prices,
            "averages": status.n_averages,
            "bytes_a_price": bytes_a_price,
            "prices_a_day": prices_a_day,
            "bytes_in_a_year": bytes_in_a_year.map(|n_bytes| n_bytes as u64),
        });
        writeln!(out(), "{report}")?;
        return Ok(());
    }
    writeln!(
        out(),
        "{}: {} bytes, of which {} are in use; {} prices of {bytes_a_price:.1} bytes each, with \
         all that belongs to them",
        file.display(),
        measured.bytes,
        measured.bytes_in_use,
        status.n_prices,
    )?;
    match (prices_a_day, bytes_in_a_year) {
        (Some(prices), Some(n_bytes)) => writeln!(
            out(),
            "at the pace of the newest prices, {prices:.0} a day, about {n_bytes:.0} bytes in a year"
        ),
        _ => writeln!(out(), "too few prices to tell how fast it grows"),
    }?;
    Ok(())
}
