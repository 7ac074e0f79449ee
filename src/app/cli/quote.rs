//! `quote`: the newest prices, from the store while they are fresh, else from the providers.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use poem_openapi::types::ToJSON;
use serde_json::Value;

use super::Common;
use super::client::{Client, Remote, problem};
use super::out::{out, remark};
use crate::app::backends::Parts;
use crate::app::config::Config;
use crate::app::run::App;
use crate::http::quotes::QuoteList;
use crate::model::Symbol;
use crate::ports::SystemClock;

#[derive(Debug, Args)]
pub(super) struct QuoteArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    remote: Remote,
    /// Symbols such as AAPL, BTC-USD, EUR/USD
    #[arg(required = true)]
    symbols: Vec<String>,
    /// The answer of `GET /v1/quotes`
    #[arg(long)]
    json: bool,
}

/// Asks the service that is named, else the data directory, else the service that has it open.
pub(super) async fn quote(args: QuoteArgs) -> anyhow::Result<ExitCode> {
    let symbols: Vec<Symbol> = args
        .symbols
        .iter()
        .map(|text| Symbol::parse(text).with_context(|| text.clone()))
        .collect::<Result<_, _>>()?;
    let key = args.remote.key.as_deref();
    let list = match &args.remote.url {
        Some(url) => of_service(&Client::new(url, key)?, &symbols).await?,
        None => {
            let config = args.common.load(Vec::new())?.config;
            match of_store(&config, &symbols).await {
                Ok(list) => list,
                Err(error) => {
                    let service = Client::of_config(&config, key)?;
                    // What keeps the data directory closed is, most often, our own service.
                    if !service.get("/health").await.is_ok_and(|(status, _)| status == 200) {
                        return Err(error);
                    }
                    of_service(&service, &symbols).await?
                }
            }
        }
    };
    if args.json {
        writeln!(out(), "{list}")?;
    } else {
        print_table(&list)?;
    }
    let has_quote = list["quotes"].as_array().is_some_and(|quotes| !quotes.is_empty());
    Ok(if has_quote { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn of_service(client: &Client, symbols: &[Symbol]) -> anyhow::Result<Value> {
    let names: Vec<String> = symbols.iter().map(|symbol| encoded(symbol.as_str())).collect();
    match client.get(&format!("/v1/quotes?symbols={}", names.join(","))).await? {
        (200, list) => Ok(list),
        (status, body) => Err(problem(status, &body)),
    }
}

/// The symbol characters that a query must not hold as they are.
fn encoded(symbol: &str) -> String {
    symbol.replace('/', "%2F").replace('^', "%5E").replace('=', "%3D")
}

/// Puts the service together without serving: what the providers answer is kept, and the next
/// `serve` computes its averages.
async fn of_store(config: &Config, symbols: &[Symbol]) -> anyhow::Result<Value> {
    let parts = Parts::open(config, Arc::new(SystemClock)).await?;
    let store = Arc::clone(&parts.store);
    let app = App::build(config, parts, false).await?;
    let answers = app.services().quotes.many(symbols, config.quotes.max_age).await?;
    store.close().await?;
    QuoteList::of(answers).to_json().context("quotes are JSON")
}

fn print_table(list: &Value) -> io::Result<()> {
    let quotes = list["quotes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !quotes.is_empty() {
        writeln!(
            out(),
            "{:<12} {:>18} {:>12} {:>9}  {:<4} {:<24} source",
            "symbol",
            "price",
            "change",
            "percent",
            "",
            "time"
        )?;
    }
    for quote in quotes {
        let text = |name: &str| match &quote[name] {
            Value::String(text) => text.clone(),
            Value::Null => "-".into(),
            other => other.to_string(),
        };
        let stale = if quote["stale"] == true { " (stale)" } else { "" };
        writeln!(
            out(),
            "{:<12} {:>18} {:>12} {:>9}  {:<4} {:<24} {}{stale}",
            text("symbol"),
            text("price"),
            text("change"),
            text("percent_change"),
            text("currency"),
            text("timestamp"),
            text("source")
        )?;
    }
    for error in list["errors"].as_array().into_iter().flatten() {
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        remark(format_args!("{}: {}", text("symbol"), text("detail")));
    }
    Ok(())
}
