//! `config check` and `config show`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Common;
use super::out::out;
use super::serve::open_tls;
use crate::app::config::ConfigErrors;

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
    #[command(flatten)]
    common: Common,
    /// One JSON object: all mistakes, or all settings
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Say everything that is wrong with the configuration
    Check,
    /// Show every setting with its value and where that comes from
    Show,
}

pub(super) fn config(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    match args.verb {
        ConfigVerb::Check if args.json => return check_as_json(common),
        ConfigVerb::Check => {
            let loaded = common.load(Vec::new())?;
            open_tls(&loaded.config)?;
            match loaded.file {
                Some(file) => writeln!(out(), "{} is valid", file.display())?,
                None => writeln!(out(), "no file; the defaults and the environment are valid")?,
            }
        }
        ConfigVerb::Show => {
            let loaded = common.load(Vec::new())?;
            if args.json {
                let entries = loaded.settings.iter().map(|(key, setting)| {
                    let entry = json!({
                        "value": setting.shown(key), "origin": setting.origin,
                    });
                    (key.clone(), entry)
                });
                let object: serde_json::Map<_, _> = entries.collect();
                writeln!(out(), "{}", serde_json::to_string_pretty(&object)?)?;
            } else {
                for (key, setting) in &loaded.settings {
                    writeln!(out(), "{key} = {}  # {}", setting.shown(key), setting.origin)?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The mistakes are the answer, on standard output; the exit code is that of `check`.
fn check_as_json(common: &Common) -> anyhow::Result<ExitCode> {
    let (file, mistakes) = match common.load(Vec::new()) {
        Ok(loaded) => {
            let tls = open_tls(&loaded.config).err();
            (loaded.file, tls.as_ref().map(super::sentence).into_iter().collect())
        }
        Err(error) => (None, error.downcast::<ConfigErrors>()?.0),
    };
    let is_valid = mistakes.is_empty();
    writeln!(out(), "{}", json!({ "valid": is_valid, "file": file, "mistakes": mistakes }))?;
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
