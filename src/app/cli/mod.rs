//! The command line.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong usage; 3 an import rejected some rows;
//! 141 nobody read the output to its end.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod client;
mod compact;
mod config;
mod data;
mod dead_letters;
mod doctor;
mod import;
mod keys;
mod man;
mod migrate;
mod out;
mod pinned;
mod quote;
mod selftest;
mod serve;
pub mod teach;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser, Subcommand};

use super::config::{Loaded, Sources};

/// A self-hosted market-data service: prices in, kept durably, averaged, served over REST.
///
/// Without a verb it serves. See config.example.toml for every setting.
#[derive(Debug, Parser)]
#[command(name = "tickerd", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve the API (the default)
    Serve(serve::ServeArgs),
    /// Show the newest price of symbols, asking the providers for what is not fresh
    Quote(quote::QuoteArgs),
    /// Take prices in from a CSV or NDJSON file, gzipped or not
    Import(Box<import::ImportArgs>),
    /// Write stored prices out as CSV or NDJSON
    Export(data::ExportArgs),
    /// Write everything into one file, or verify such a file
    Backup(data::BackupArgs),
    /// Fill an empty data directory from a backup
    Restore(data::RestoreArgs),
    /// Make the store file as small as its contents allow; the service must not run
    Compact(compact::CompactArgs),
    /// Show, replay or drop deliveries that were given up
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Make, list or revoke keys
    Keys(keys::KeysArgs),
    /// Check the audit trail
    Audit(audit::AuditArgs),
    /// Copy everything from one backend to another and compare, or bring the schema up to date
    Migrate(migrate::MigrateArgs),
    /// Check or show the configuration
    Config(config::ConfigArgs),
    /// Prove on this machine that nothing acknowledged is lost or counted twice
    Selftest(selftest::SelftestArgs),
    /// Print the `OpenAPI` document
    Openapi,
    /// Ask a running service whether it is ready; exit code 0 when it is
    Health(client::HealthArgs),
    /// Test each provider: name, connection, encryption, key, one quote
    Doctor(doctor::DoctorArgs),
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or write one for each verb
    Man(man::ManArgs),
}

/// Flags that several verbs share.
#[derive(Debug, Args, Clone, Default)]
pub struct Common {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the data lies
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Common {
    fn load(&self, flags: Vec<(&'static str, String)>) -> anyhow::Result<Loaded> {
        Ok(self.sources(flags).load()?)
    }

    fn sources(&self, mut flags: Vec<(&'static str, String)>) -> Sources {
        if let Some(directory) = &self.data_dir {
            flags.push(("store.data_dir", directory.display().to_string()));
        }
        Sources::of_process(self.config.clone(), flags)
    }
}

/// Parses the command line and runs the verb.
pub fn main() -> ExitCode {
    let cli = match Cli::from_arg_matches(&teach::command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if out::nobody_reads(&error) => ExitCode::from(out::READER_GONE),
        Err(error) => {
            out::remark(format_args!("tickerd: {}", sentence(&error)));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb.unwrap_or(Verb::Serve(cli.serve)) {
        Verb::Serve(args) => serve::serve(args).await,
        Verb::Quote(args) => quote::quote(args).await,
        Verb::Import(args) => import::import(*args).await,
        Verb::Export(args) => data::export(args).await,
        Verb::Backup(args) => data::backup(args).await,
        Verb::Restore(args) => data::restore(args).await,
        Verb::Compact(args) => compact::compact(args).await,
        Verb::DeadLetters(args) => dead_letters::dead_letters(args).await,
        Verb::Keys(args) => keys::keys(args).await,
        Verb::Audit(args) => audit::audit(args).await,
        Verb::Migrate(args) => migrate::migrate(args).await,
        Verb::Config(args) => config::config(&args),
        Verb::Selftest(args) => selftest::selftest(args).await,
        Verb::Openapi => serve::openapi().await,
        Verb::Health(args) => client::health(args).await,
        Verb::Doctor(args) => doctor::doctor(args).await,
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut teach::command(), "tickerd", &mut script);
            out::out().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Man(args) => man::man(&args),
    }
}

/// An error and its causes, each said once.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}
