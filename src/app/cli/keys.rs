//! `keys create|list|revoke`: in the store itself, or through a running service with `--url`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Common;
use super::client::{Client, Remote, problem};
use super::out::{out, remark};
use crate::app::backends::{open_store, require_store};
use crate::http::keys::KeyRecord;
use crate::model::{Actor, AuditDraft, KeyId, Role, Timestamp};
use crate::ports::{Clock, SystemClock};
use crate::services::access::make_key;

#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    verb: KeysVerb,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    remote: Remote,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum KeysVerb {
    /// Make a key; it is shown this once
    Create {
        /// What it may do
        #[arg(long, default_value = "read", value_parser = ["read", "write", "admin"])]
        role: String,
        /// What it is for
        #[arg(long)]
        name: Option<String>,
        /// When it expires: RFC 3339, or in how long, such as 90d
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List all keys, without their secrets
    List,
    /// Revoke a key
    Revoke {
        /// The 12 digits behind `tkd_`
        id: String,
    },
}

pub(super) async fn keys(args: KeysArgs) -> anyhow::Result<ExitCode> {
    let answer = match &args.remote.url {
        Some(url) => through(&Client::new(url, args.remote.key.as_deref())?, &args.verb).await?,
        None => in_store(&args.common, &args.verb).await?,
    };
    if args.json {
        writeln!(out(), "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    match &args.verb {
        KeysVerb::Create { .. } => {
            writeln!(out(), "{}", answer["key"].as_str().unwrap_or_default())?;
            remark("Keep it: it is shown this once, and only a hash of it is stored.");
        }
        KeysVerb::List => {
            for key in answer.as_array().into_iter().flatten() {
                let text = |field: &str| key[field].as_str().unwrap_or("-").to_owned();
                let state = match (&key["revoked_at"], &key["expires_at"]) {
                    (Value::String(at), _) => format!("revoked {at}"),
                    (_, Value::String(at)) => format!("expires {at}"),
                    _ => "does not expire".to_owned(),
                };
                let used = text("last_used_at");
                writeln!(
                    out(),
                    "{}  {:<5}  {}  last used {used}  {}",
                    text("id"),
                    text("role"),
                    state,
                    text("name")
                )?;
            }
        }
        KeysVerb::Revoke { id } => writeln!(out(), "key {id} is revoked")?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn through(client: &Client, verb: &KeysVerb) -> anyhow::Result<Value> {
    let (status, body) = match verb {
        KeysVerb::Create { role, name, expires } => {
            let expires_at = expires_at(expires.as_deref())?.map(|at| at.to_string());
            let body = json!({ "role": role, "name": name, "expires_at": expires_at });
            client.post("/v1/keys", "application/json", body.to_string().into_bytes()).await?
        }
        KeysVerb::List => client.get("/v1/keys").await?,
        KeysVerb::Revoke { id } => client.delete(&format!("/v1/keys/{id}"), &[]).await?,
    };
    if status >= 300 { Err(problem(status, &body)) } else { Ok(body) }
}

async fn in_store(common: &Common, verb: &KeysVerb) -> anyhow::Result<Value> {
    let config = common.load(Vec::new())?.config;
    // The first key may come before the first price.
    if !matches!(verb, KeysVerb::Create { .. }) {
        require_store(&config)?;
    }
    let store = open_store(&config)
        .await
        .context("is the service running? then name it with --url and --key")?;
    let now = SystemClock.now();
    let draft = |action: &str, target: &str| {
        AuditDraft::without_request(now, Actor::Operator, action, target)
    };
    let answer = match verb {
        KeysVerb::Create { role, name, expires } => {
            let role = Role::parse(role)?;
            let expires_at = expires_at(expires.as_deref())?;
            let draft = draft("key.create", "");
            let new = make_key(store.as_ref(), name.clone(), role, expires_at, now, draft).await?;
            json!({
                "id": new.key.id.to_string(),
                "key": new.text,
                "name": new.key.name,
                "role": role.name(),
                "created_at": now.to_string(),
                "expires_at": expires_at.map(|at| at.to_string()),
            })
        }
        KeysVerb::List => store.keys().await?.iter().map(listed).collect(),
        KeysVerb::Revoke { id } => {
            let key_id = KeyId::parse(id)?;
            let revoked = store.audited(draft("key.revoke", id)).revoke_key(key_id, now).await?;
            match revoked {
                Some(_) => json!({ "message": format!("key {id} is revoked") }),
                None => bail!("there is no key {id}"),
            }
        }
    };
    store.close().await?;
    Ok(answer)
}

fn listed(key: &crate::model::ApiKey) -> Value {
    let KeyRecord { id, name, role, created_at, expires_at, last_used_at, revoked_at } =
        KeyRecord::from(key);
    json!({
        "id": id, "name": name, "role": role, "created_at": created_at,
        "expires_at": expires_at, "last_used_at": last_used_at, "revoked_at": revoked_at,
    })
}

fn expires_at(text: Option<&str>) -> anyhow::Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    if let Ok(duration) = humantime::parse_duration(text) {
        return Ok(Some(SystemClock.now().plus(duration)));
    }
    let at = Timestamp::parse(text);
    Ok(Some(at.with_context(|| format!("--expires: `{text}` is no time and no duration"))?))
}
