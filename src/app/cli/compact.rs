//! `compact`: the store file as small as its contents allow.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::Common;
use super::out::out;
use crate::adapters::store::redb::RedbStore;
use crate::app::backends::redb_options;

#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    #[command(flatten)]
    common: Common,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn compact(args: CompactArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load(Vec::new())?.config;
    let file = config.store.file();
    let compacted = RedbStore::compact(&file, &redb_options(&config))
        .await
        .with_context(|| file.display().to_string())?;
    let n_prices = compacted.status.n_prices;
    let bytes_a_price = compacted.bytes_after as f64 / n_prices.max(1) as f64;
    if args.json {
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
    Ok(ExitCode::SUCCESS)
}
