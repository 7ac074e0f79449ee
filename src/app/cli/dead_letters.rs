//! `dead-letters`: deliveries that were given up, of a running service or of a data directory that
//! nobody has open.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use poem_openapi::types::ToJSON;
use serde_json::{Value, json};

use super::Common;
use super::client::{Client, Remote, problem};
use super::out::out;
use crate::app::backends::{Parts, require_store};
use crate::app::run::App;
use crate::http::dead_letters::DeadLetterRecord;
use crate::model::{Actor, AuditDraft};
use crate::ports::SystemClock;

/// Letters asked for at once.
const PAGE: usize = 500;

#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show deliveries that were given up, oldest first
    List,
    /// Try them again
    Replay {
        #[command(flatten)]
        which: Which,
    },
    /// Forget them
    Drop {
        #[command(flatten)]
        which: Which,
        /// Why, for those who ask later
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    remote: Remote,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Letters by id
    ids: Vec<u64>,
    /// All there are now
    #[arg(long)]
    all: bool,
}

/// What is done to letters.
enum Act {
    Replay,
    Drop { reason: String },
}

impl Act {
    fn done(&self) -> &'static str {
        match self {
            Self::Replay => "replayed",
            Self::Drop { .. } => "dropped",
        }
    }
}

pub(super) async fn dead_letters(args: DeadLettersArgs) -> anyhow::Result<ExitCode> {
    let place = &args.place;
    match args.what {
        What::List => list(place).await,
        What::Replay { which } => act(place, &which, &Act::Replay).await,
        What::Drop { which, reason } => act(place, &which, &Act::Drop { reason }).await,
    }
}

async fn list(place: &Place) -> anyhow::Result<ExitCode> {
    let letters = match &place.remote.url {
        Some(url) => letters_of_service(&Client::new(url, place.remote.key.as_deref())?).await?,
        None => letters_of_store(place).await?,
    };
    if place.json {
        writeln!(out(), "{}", Value::Array(letters))?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out(), "{:>8}  {:<24}  {:<12}  {:>8}  reason", "id", "parked", "key", "attempts")?;
    for letter in &letters {
        let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
        writeln!(
            out(),
            "{:>8}  {:<24}  {:<12}  {:>8}  {}",
            letter["id"],
            text("parked_at"),
            text("key"),
            letter["attempts"],
            text("reason")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn letters_of_service(client: &Client) -> anyhow::Result<Vec<Value>> {
    client.list(&format!("/v1/dead-letters?limit={PAGE}")).await
}

async fn letters_of_store(place: &Place) -> anyhow::Result<Vec<Value>> {
    let app = open(place).await?;
    app.work(async |services| {
        let mut letters = Vec::new();
        let mut after = 0;
        loop {
            let page = services.dead_letters.list(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(letters) };
            after = last.id;
            letters
                .extend(page.iter().filter_map(|letter| DeadLetterRecord::from(letter).to_json()));
        }
    })
    .await?
}

async fn act(place: &Place, which: &Which, act: &Act) -> anyhow::Result<ExitCode> {
    let n_done = match &place.remote.url {
        Some(url) => {
            act_on_service(&Client::new(url, place.remote.key.as_deref())?, which, act).await?
        }
        None => act_on_store(place, which, act).await?,
    };
    if place.json {
        writeln!(out(), "{}", json!({ act.done(): n_done }))?;
    } else {
        writeln!(out(), "{n_done} dead letters {}", act.done())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn act_on_service(client: &Client, which: &Which, act: &Act) -> anyhow::Result<u64> {
    let ids = if which.all {
        let letters = letters_of_service(client).await?;
        letters.iter().filter_map(|letter| letter["id"].as_u64()).collect()
    } else {
        which.ids.clone()
    };
    let mut n_done = 0;
    for id in ids {
        let (status, body) = match act {
            Act::Replay => {
                let path = format!("/v1/dead-letters/{id}/replay");
                client.post(&path, "application/json", Vec::new()).await?
            }
            Act::Drop { reason } => {
                client.delete(&format!("/v1/dead-letters/{id}"), &[("reason", reason)]).await?
            }
        };
        match status {
            200 => n_done += 1,
            // Somebody else was faster.
            404 if which.all => {}
            _ => return Err(problem(status, &body)),
        }
    }
    Ok(n_done)
}

async fn act_on_store(place: &Place, which: &Which, act: &Act) -> anyhow::Result<u64> {
    let app = open(place).await?;
    app.work(async |services| {
        let action = match act {
            Act::Replay => "dead-letter.replay",
            Act::Drop { .. } => "dead-letter.drop",
        };
        let now = services.clock.now();
        let draft = AuditDraft::without_request(now, Actor::Operator, action, "");
        let letters = services.dead_letters.audited(draft);
        if which.all {
            return Ok(match act {
                Act::Replay => letters.replay_all().await?,
                Act::Drop { reason } => letters.drop_all(reason).await?,
            });
        }
        for id in &which.ids {
            match act {
                Act::Replay => letters.replay(*id).await?,
                Act::Drop { reason } => letters.drop_letter(*id, reason).await?,
            }
        }
        Ok(which.ids.len() as u64)
    })
    .await?
}

async fn open(place: &Place) -> anyhow::Result<App> {
    let config = place.common.load(Vec::new())?.config;
    require_store(&config)?;
    let parts = Parts::open(&config, Arc::new(SystemClock)).await?;
    App::build(&config, parts, false).await
}
