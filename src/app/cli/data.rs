//! `export`, `backup`, `restore`: verbs over a store nobody has open.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Common;
use super::client::{Client, Remote};
use super::out::out;
use crate::app::backends::{open_existing_store, open_store};
use crate::app::backup;
use crate::model::{Order, Price, Symbol, TimeRange, Timestamp};
use crate::ports::PriceQuery;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value = "csv")]
    format: ExportFormat,
    /// Only this symbol
    #[arg(long)]
    symbol: Option<String>,
    /// Observed at this time or later, RFC 3339
    #[arg(long)]
    from: Option<String>,
    /// Observed before this time, RFC 3339
    #[arg(long)]
    to: Option<String>,
    /// The file to write; standard output when absent
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExportFormat {
    Csv,
    Ndjson,
}

pub(super) async fn export(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let time = |text: &Option<String>, default| match text {
        Some(text) => Timestamp::parse(text),
        None => Ok(default),
    };
    let mut query = PriceQuery {
        symbol: args.symbol.as_deref().map(Symbol::parse).transpose()?,
        range: TimeRange {
            from: time(&args.from, Timestamp::MIN)?,
            to: time(&args.to, Timestamp::MAX)?,
        },
        order: Order::OldestFirst,
        ..PriceQuery::newest(4_096)
    };
    let store = open_existing_store(&args.common.load(Vec::new())?.config).await?;
    let target: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("{} cannot be written", path.display()))?,
        ),
        None => Box::new(out()),
    };
    let mut target = BufWriter::new(target);
    if let ExportFormat::Csv = args.format {
        writeln!(target, "symbol,price,volume,timestamp,source,currency,external_id")?;
    }
    loop {
        let page = store.prices(query.clone()).await?;
        for price in &page {
            write_row(&mut target, price, args.format)?;
        }
        query.after = page.last().map(Price::position);
        if page.len() < query.limit {
            break;
        }
    }
    target.flush()?;
    store.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn write_row(target: &mut impl Write, price: &Price, format: ExportFormat) -> anyhow::Result<()> {
    let observation = &price.observation;
    let external_id = observation.external_id.as_ref().map_or("", |id| id.as_str());
    match format {
        ExportFormat::Ndjson => {
            serde_json::to_writer(&mut *target, &row(price))?;
            writeln!(target)?;
        }
        ExportFormat::Csv => {
            let volume = observation.volume.map(|volume| volume.to_string()).unwrap_or_default();
            // Only an external id can hold a character that CSV gives a meaning to.
            let external_id = if external_id.contains([',', '"']) {
                format!("\"{}\"", external_id.replace('"', "\"\""))
            } else {
                external_id.to_owned()
            };
            writeln!(
                target,
                "{},{},{volume},{},{},{},{external_id}",
                observation.symbol,
                observation.price,
                observation.observed_at,
                observation.provider,
                observation.currency,
            )?;
        }
    }
    Ok(())
}

/// A price with the fields that `POST /prices` takes.
fn row(price: &Price) -> Value {
    let number = |amount: crate::model::Amount| {
        amount.to_string().parse::<serde_json::Number>().expect("a plain decimal")
    };
    let observation = &price.observation;
    json!({
        "symbol": observation.symbol.as_str(),
        "price": number(observation.price),
        "volume": observation.volume.map(number),
        "timestamp": observation.observed_at.to_string(),
        "source": observation.provider.as_str(),
        "currency": observation.currency.as_str(),
        "external_id": observation.external_id.as_ref().map(|id| id.as_str()),
    })
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verify: Option<Verify>,
    #[command(flatten)]
    remote: Remote,
    /// The file to write
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verify {
    /// Read a backup from end to end and compare its checksum
    Verify {
        /// The backup
        file: PathBuf,
        /// The summary as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn backup(args: BackupArgs) -> anyhow::Result<ExitCode> {
    if let Some(Verify::Verify { file, json }) = args.verify {
        print_summary(&backup::verify(&file)?, "are whole", json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = args.file.context("which file?")?;
    let bar = spinner();
    let summary = match &args.remote.url {
        Some(url) => {
            let mut target = backup::NewFile::create(&file)?;
            let client = Client::new(url, args.remote.key.as_deref())?;
            client
                .download("/v1/backup", |bytes| {
                    bar.inc(bytes.len() as u64);
                    Ok(target.write(bytes)?)
                })
                .await?;
            target.finish()?
        }
        None => {
            let store = open_existing_store(&args.common.load(Vec::new())?.config).await?;
            let progress = |n_records| bar.set_position(n_records);
            let summary = backup::backup(store.as_ref(), &file, progress).await?;
            store.close().await?;
            summary
        }
    };
    bar.finish_and_clear();
    print_summary(&summary, "written", args.json)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    common: Common,
    /// The backup
    file: PathBuf,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    backup::verify(&args.file)?;
    let store = open_store(&args.common.load(Vec::new())?.config).await?;
    let bar = spinner();
    let summary =
        backup::restore(store.as_ref(), &args.file, |n_records| bar.set_position(n_records))
            .await?;
    bar.finish_and_clear();
    store.close().await?;
    print_summary(&summary, "restored; averages are computed at the next start", args.json)?;
    Ok(ExitCode::SUCCESS)
}

fn spinner() -> indicatif::ProgressBar {
    let bar = super::import::progress(None);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn print_summary(summary: &backup::Summary, what: &str, as_json: bool) -> io::Result<()> {
    if as_json {
        writeln!(
            out(),
            "{}",
            json!({
                "records": summary.n_records,
                "prices": summary.n_prices,
                "sha256": summary.sha256,
            })
        )?;
    } else {
        writeln!(out(), "{} prices {what}; sha256 {}", summary.n_prices, summary.sha256)?;
    }
    Ok(())
}
