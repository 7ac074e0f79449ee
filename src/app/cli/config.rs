//! `config check` and `config show`.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Common;
use super::serve::open_tls;

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Say everything that is wrong with the configuration
    Check(Common),
    /// Show every setting with its value and where that comes from
    Show {
        #[command(flatten)]
        common: Common,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn config(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    match &args.verb {
        ConfigVerb::Check(common) => {
            let loaded = common.load(Vec::new())?;
            open_tls(&loaded.config)?;
            match loaded.file {
                Some(file) => println!("{} is valid", file.display()),
                None => println!("no file; the defaults and the environment are valid"),
            }
        }
        ConfigVerb::Show { common, json } => {
            let loaded = common.load(Vec::new())?;
            if *json {
                let entries = loaded.settings.iter().map(|(key, setting)| {
                    let entry = serde_json::json!({
                        "value": setting.shown(key), "origin": setting.origin,
                    });
                    (key.clone(), entry)
                });
                let object: serde_json::Map<_, _> = entries.collect();
                println!("{}", serde_json::to_string_pretty(&object)?);
            } else {
                for (key, setting) in &loaded.settings {
                    println!("{key} = {}  # {}", setting.shown(key), setting.origin);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
