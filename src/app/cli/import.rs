//! `import`: a file of prices into a store nobody has open, or through a running service.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Common;
use super::client::{Client, Remote, problem};
use super::out::out;
use crate::app::backends::Parts;
use crate::app::run::App;
use crate::model::{ProviderName, Symbol};
use crate::ports::{Clock, SystemClock};
use crate::services::bulk::{Bulk, BulkOptions, BulkReport, MAX_LISTED_ERRORS, Repeats};
use crate::services::draft::{Checker, TimeFormat};
use crate::services::rows::{Columns, Row, RowFormat, RowReader};

/// Bytes read from the file at once.
const CHUNK: usize = 256 * 1024;
/// Rows sent to a running service in one request.
const ROWS_PER_REQUEST: usize = 5_000;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    remote: Remote,
    /// The file, or - for standard input; gzip is recognised by content
    file: PathBuf,
    /// Told by the file's name or first byte when not given
    #[arg(long)]
    format: Option<Format>,
    /// The symbol of all rows
    #[arg(long, value_name = "S", conflicts_with = "symbol_column")]
    symbol: Option<String>,
    /// Column or field with the symbol; `symbol` when not given
    #[arg(long, value_name = "C")]
    symbol_column: Option<String>,
    /// With the time of the observation; `timestamp` when not given
    #[arg(long, value_name = "C")]
    time_column: Option<String>,
    /// How that time is written; `unix` counts seconds, `unix-ms` milliseconds
    #[arg(long, value_name = "FORMAT", default_value = "rfc3339")]
    time_format: TimeText,
    /// With the price; `price` when not given
    #[arg(long, value_name = "C")]
    price_column: Option<String>,
    /// With the volume; a negative one is read as its size; `volume` when not given and there
    #[arg(long, value_name = "C")]
    volume_column: Option<String>,
    /// With the id of a trade; `external_id` when not given and there; without one, rows that share
    /// symbol, source and time are told apart by their order
    #[arg(long, value_name = "C")]
    id_column: Option<String>,
    /// Where the prices come from
    #[arg(long, value_name = "NAME", default_value = "import")]
    provider: String,
    /// Currency of all rows; `GBp`, `ZAc` and ILA are hundredths
    #[arg(long, value_name = "CUR")]
    currency: Option<String>,
    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Ndjson,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TimeText {
    Rfc3339,
    Date,
    Unix,
    UnixMs,
}

impl ImportArgs {
    fn columns(&self) -> anyhow::Result<Columns> {
        if let Some(symbol) = &self.symbol {
            Symbol::parse(symbol).with_context(|| format!("--symbol {symbol}"))?;
        }
        ProviderName::parse(&self.provider)
            .with_context(|| format!("--provider {}", self.provider))?;
        let defaults = Columns::default();
        let named = [
            &self.symbol_column,
            &self.time_column,
            &self.price_column,
            &self.volume_column,
            &self.id_column,
        ];
        let name = |given: &Option<String>, default: String| given.clone().unwrap_or(default);
        Ok(Columns {
            required: named.into_iter().flatten().cloned().collect(),
            symbol: name(&self.symbol_column, defaults.symbol),
            time: name(&self.time_column, defaults.time),
            price: name(&self.price_column, defaults.price),
            volume: name(&self.volume_column, defaults.volume),
            id: name(&self.id_column, defaults.id),
            fixed_symbol: self.symbol.clone(),
            fixed_source: Some(self.provider.clone()),
            fixed_currency: self.currency.clone(),
            refuse_unknown: false,
            unsigned_volume: true,
        })
    }

    fn time_format(&self) -> TimeFormat {
        match self.time_format {
            TimeText::Rfc3339 => TimeFormat::Rfc3339,
            TimeText::Date => TimeFormat::Date,
            TimeText::Unix => TimeFormat::Unix,
            TimeText::UnixMs => TimeFormat::UnixMillis,
        }
    }
}

pub(super) async fn import(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let columns = args.columns()?;
    let mut source = Source::open(&args.file)?;
    let options = BulkOptions {
        format: match args.format {
            Some(Format::Csv) => RowFormat::Csv,
            Some(Format::Ndjson) => RowFormat::Ndjson,
            None => source.guess_format()?,
        },
        columns,
        time_format: args.time_format(),
        number_repeats: args.id_column.is_none(),
    };
    let (report, outcome) = match &args.remote.url {
        Some(url) => {
            let client = Client::new(url, args.remote.key.as_deref())?;
            import_remotely(&client, &mut source, options).await?
        }
        None => import_locally(&args.common, &mut source, options).await?,
    };
    source.bar.finish_and_clear();
    print(&report, args.json)?;
    outcome.with_context(|| format!("{} was not read to its end", args.file.display()))?;
    Ok(if report.n_rejected > 0 { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

type Outcome = (BulkReport, anyhow::Result<()>);

async fn import_locally(
    common: &Common,
    source: &mut Source,
    options: BulkOptions,
) -> anyhow::Result<Outcome> {
    let loaded = common.load(Vec::new())?;
    let parts = Parts::open(&loaded.config, Arc::new(SystemClock)).await?;
    let app = App::build(&loaded.config, parts, false).await?;
    let mut bulk = Bulk::new(Arc::clone(&app.services().ingest), options);
    let fed = feed(&mut bulk, source).await;
    let (report, finished) = match fed {
        // What was read before the fault is whole rows and may be stored.
        Err(error) => (bulk.finish().await.0, Err(error)),
        Ok(()) => {
            let (report, finished) = bulk.finish().await;
            (report, finished.map_err(Into::into))
        }
    };
    source.bar.set_message("averages");
    let bar = source.bar.clone();
    app.drain(move |depth| bar.set_message(format!("averages, {depth} to go"))).await?;
    Ok((report, finished))
}

async fn feed(bulk: &mut Bulk, source: &mut Source) -> anyhow::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let n_read = source.read(&mut chunk)?;
        if n_read == 0 {
            return Ok(());
        }
        bulk.feed(&chunk[..n_read]).await?;
    }
}

/// Rows are read and numbered here, so that a file means the same whichever way it goes in.
async fn import_remotely(
    client: &Client,
    source: &mut Source,
    options: BulkOptions,
) -> anyhow::Result<Outcome> {
    let checker = Checker {
        now: SystemClock.now(),
        max_future: std::time::Duration::from_secs(86_400 * 365),
        time_format: options.time_format,
    };
    let mut sender = Sender {
        client,
        checker,
        repeats: options.number_repeats.then(Repeats::default),
        report: BulkReport::default(),
        lines: Vec::new(),
        body: Vec::new(),
    };
    let mut reader = RowReader::new(options.format, options.columns);
    let mut rows = Vec::new();
    let mut chunk = vec![0; CHUNK];
    let outcome = loop {
        let n_read = match source.read(&mut chunk) {
            Ok(n_read) => n_read,
            Err(error) => break Err(error),
        };
        if n_read == 0 {
            break reader.finish(&mut rows).map_err(Into::into);
        }
        if let Err(error) = reader.feed(&chunk[..n_read], &mut rows) {
            break Err(error.into());
        }
        sender.take(&mut rows).await?;
    };
    sender.take(&mut rows).await?;
    sender.send().await?;
    Ok((sender.report, outcome))
}

struct Sender<'a> {
    client: &'a Client,
    checker: Checker,
    repeats: Option<Repeats>,
    report: BulkReport,
    /// The lines in the file of the rows in `body`.
    lines: Vec<u64>,
    body: Vec<u8>,
}

impl Sender<'_> {
    async fn take(&mut self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        for row in rows.drain(..) {
            self.report.n_read += 1;
            let checked = row.draft.and_then(|draft| {
                self.checker.check(draft).map_err(|errors| {
                    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                })
            });
            let mut observation = match checked {
                Ok(observation) => observation,
                Err(reason) => {
                    self.reject(row.line, reason);
                    continue;
                }
            };
            if let Some(repeats) = &mut self.repeats {
                repeats.number(&mut observation);
            }
            let number = |amount: crate::model::Amount| {
                amount.to_string().parse::<serde_json::Number>().expect("a plain decimal")
            };
            let line = json!({
                "symbol": observation.symbol.as_str(),
                "price": number(observation.price),
                "volume": observation.volume.map(number),
                "timestamp": observation.observed_at.to_string(),
                "source": observation.provider.as_str(),
                "currency": observation.currency.as_str(),
                "external_id": observation.external_id.as_ref().map(|id| id.as_str()),
            });
            serde_json::to_writer(&mut self.body, &line)?;
            self.body.push(b'\n');
            self.lines.push(row.line);
            if self.lines.len() >= ROWS_PER_REQUEST {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let body = std::mem::take(&mut self.body);
        let (status, answer) =
            self.client.post("/prices/batch", "application/x-ndjson", body).await?;
        if status != 200 {
            return Err(problem(status, &answer));
        }
        let count = |name: &str| answer[name].as_u64().unwrap_or(0);
        self.report.n_stored += count("stored");
        self.report.n_duplicates += count("duplicates");
        let n_listed = answer["errors"].as_array().map_or(0, Vec::len) as u64;
        for error in answer["errors"].as_array().into_iter().flatten() {
            let index = error["line"].as_u64().unwrap_or(1).saturating_sub(1) as usize;
            let line = self.lines.get(index).copied().unwrap_or(0);
            self.reject(line, error["detail"].as_str().unwrap_or_default().to_owned());
        }
        self.report.n_rejected += count("rejected").saturating_sub(n_listed);
        self.lines.clear();
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.report.n_rejected += 1;
        if self.report.errors.len() < MAX_LISTED_ERRORS {
            self.report.errors.push((line, reason));
        }
    }
}

/// The bytes of the file, unpacked, with progress by bytes of the file itself.
struct Source {
    reader: Box<dyn BufRead + Send>,
    name: String,
    bar: ProgressBar,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let is_stdin = path.as_os_str() == "-";
        let name = path.display().to_string();
        let (raw, length): (Box<dyn Read + Send>, Option<u64>) = if is_stdin {
            (Box::new(std::io::stdin()), None)
        } else {
            let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                bail!("{name} is a directory");
            }
            (Box::new(file), Some(metadata.len()))
        };
        let bar = progress(length);
        let mut buffered = BufReader::new(bar.wrap_read(raw));
        let head = buffered.fill_buf().with_context(|| format!("{name} cannot be read"))?;
        let reader: Box<dyn BufRead + Send> = if head.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::new(MultiGzDecoder::new(buffered)))
        } else {
            Box::new(buffered)
        };
        Ok(Self { reader, name, bar })
    }

    /// NDJSON begins with a brace, everything else is CSV.
    fn guess_format(&mut self) -> anyhow::Result<RowFormat> {
        let name = self.name.clone();
        let head = self.reader.fill_buf().with_context(|| format!("{name} cannot be read"))?;
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(if first == Some(&b'{') { RowFormat::Ndjson } else { RowFormat::Csv })
    }

    fn read(&mut self, chunk: &mut [u8]) -> anyhow::Result<usize> {
        self.reader
            .read(chunk)
            .with_context(|| format!("{} cannot be read further (is it cut off?)", self.name))
    }
}

/// A progress bar on a terminal, nothing elsewhere.
pub(super) fn progress(length: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::new_spinner(),
    };
    let style = ProgressStyle::with_template(
        "{bar:30} {percent:>3}% {bytes}/{total_bytes} {elapsed} {msg}",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

fn print(report: &BulkReport, as_json: bool) -> io::Result<()> {
    if as_json {
        let errors: Vec<_> = report
            .errors
            .iter()
            .map(|(line, detail)| json!({ "line": line, "detail": detail }))
            .collect();
        let object = json!({
            "read": report.n_read,
            "stored": report.n_stored,
            "duplicates": report.n_duplicates,
            "rejected": report.n_rejected,
            "errors": errors,
        });
        writeln!(out(), "{object}")?;
        return Ok(());
    }
    writeln!(
        out(),
        "{} rows read: {} stored, {} duplicates, {} rejected",
        report.n_read,
        report.n_stored,
        report.n_duplicates,
        report.n_rejected
    )?;
    for (line, detail) in report.errors.iter().take(20) {
        writeln!(out(), "  line {line}: {detail}")?;
    }
    let n_more = report.n_rejected.saturating_sub(report.errors.len().min(20) as u64);
    if n_more > 0 {
        writeln!(out(), "  and {n_more} more")?;
    }
    Ok(())
}
