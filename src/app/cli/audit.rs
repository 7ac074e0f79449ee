//! `audit verify` and `audit head`: whether the trail is as it was written.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Common;
use super::out::out;
use crate::app::backends::{open_store, require_store};
use crate::codec::audit::{Broken, Walk};
use crate::model::AuditHead;
use crate::ports::Store;

/// Entries read at once.
const PAGE: usize = 4_096;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    verb: AuditVerb,
    #[command(flatten)]
    common: Common,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    /// Check every entry, and name the first that was removed, altered or moved; exit code 1 then
    Verify {
        /// A head that was kept elsewhere: shows that the end was not cut off or written anew
        #[arg(long, value_name = "SEQUENCE:HASH")]
        head: Option<String>,
    },
    /// Print the head of the trail, to be kept elsewhere
    Head,
}

pub(super) async fn audit(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load(Vec::new())?.config;
    require_store(&config)?;
    let store = open_store(&config)
        .await
        .context("the trail can be read when no service has the data directory open")?;
    let code = match &args.verb {
        AuditVerb::Head => {
            let head = store.audit_head().await?;
            if args.json {
                let hash = head.hash.to_string();
                writeln!(out(), "{}", json!({ "sequence": head.sequence, "hash": hash }))?;
            } else {
                writeln!(out(), "{head}")?;
            }
            ExitCode::SUCCESS
        }
        AuditVerb::Verify { head } => {
            let kept = head.as_deref().map(AuditHead::parse).transpose()?;
            let outcome = verify(store.as_ref(), kept).await?;
            tell(&outcome, args.json)?
        }
    };
    store.close().await?;
    Ok(code)
}

fn tell(outcome: &Result<AuditHead, Broken>, as_json: bool) -> io::Result<ExitCode> {
    match outcome {
        Ok(head) if as_json => {
            let hash = head.hash.to_string();
            writeln!(out(), "{}", json!({ "ok": true, "entries": head.sequence, "hash": hash }))?;
        }
        Ok(head) => writeln!(out(), "{} entries fit together; the head is {head}", head.sequence)?,
        Err(broken) if as_json => {
            writeln!(out(), "{}", json!({ "ok": false, "problem": broken.to_string() }))?;
        }
        Err(broken) => writeln!(out(), "{broken}")?,
    }
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Walks the whole trail.
///
/// # Errors
/// When the store cannot be read; what is wrong with the trail is the answer.
async fn verify(
    store: &dyn Store,
    kept: Option<AuditHead>,
) -> anyhow::Result<Result<AuditHead, Broken>> {
    // Read first: what is written meanwhile lies behind it.
    let own_head = store.audit_head().await?;
    let mut walk = Walk::default();
    loop {
        let page = store.audit_after(walk.head().sequence, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in &page {
            if let Err(broken) = walk.step(entry) {
                return Ok(Err(broken));
            }
            for head in kept.iter().chain([&own_head]) {
                if head.sequence == entry.sequence
                    && let Err(broken) = walk.reaches(*head)
                {
                    return Ok(Err(broken));
                }
            }
        }
    }
    let reaches = kept.iter().chain([&own_head]).try_for_each(|head| {
        if walk.head().sequence < head.sequence { walk.reaches(*head) } else { Ok(()) }
    });
    Ok(reaches.map(|()| walk.head()))
}
