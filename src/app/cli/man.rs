//! `man`: the manual, made from the same descriptions as `--help`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::out::out;
use super::teach;

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write tickerd.1 and one page for each verb into this directory, instead of printing tickerd.1
    directory: Option<PathBuf>,
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let command = teach::command();
    match &args.directory {
        Some(directory) => clap_mangen::generate_to(command, directory)
            .with_context(|| format!("{} cannot be written to", directory.display()))?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            out().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
