//! Backups: one JSON line a record, then one line that says how many there were.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{DecodeError, job, ledger};
use crate::model::{
    Amount, ApiKey, AssetClass, AuditDraft, AuditEntry, AuditHash, Currency, DeadLetter,
    ExternalId, JobId, KeyId, Observation, Price, PriceId, PriceVersion, ProviderName, RawPayload,
    Role, Sequence, SnapshotRecord, Symbol, TimeSource, Timestamp,
};

/// The version of the format, in its first line.
pub const FORMAT: u32 = 1;

/// One line of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "lines are looked at one at a time")]
pub enum Line {
    Record(SnapshotRecord),
    /// The last line: the records before it, and the SHA-256 of their lines in hexadecimal.
    End {
        n_records: u64,
        sha256: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Wire {
    Counters {
        format: u32,
        last_price_id: u64,
        last_sequence: u64,
    },
    Price {
        id: u64,
        symbol: String,
        timestamp: String,
        source: String,
        external_id: Option<String>,
        versions: Vec<WireVersion>,
    },
    DeadLetter {
        id: u64,
        reason: String,
        attempts: u32,
        key: String,
        payload: Vec<u8>,
        headers: Vec<(String, String)>,
        parked_at: String,
    },
    /// The row is JSON with a version of its own, and so are those below.
    Job {
        id: u64,
        row: String,
    },
    Ledger {
        provider: String,
        row: String,
    },
    Assets {
        class: String,
        provider: String,
        row: String,
    },
    Key {
        id: String,
        name: Option<String>,
        role: String,
        secret_sha256: String,
        created_at: String,
        expires_at: Option<String>,
        last_used_at: Option<String>,
        revoked_at: Option<String>,
    },
    Audit {
        sequence: u64,
        at: String,
        actor: String,
        address: String,
        request_id: String,
        action: String,
        target: String,
        outcome: String,
        previous_hash: String,
        hash: String,
    },
    End {
        records: u64,
        sha256: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireVersion {
    version: u32,
    price: Number,
    volume: Option<Number>,
    currency: String,
    received_at: String,
    superseded_at: Option<String>,
    deleted: bool,
    time_source: u8,
    raw: Option<String>,
}

/// Encodes a line, without its end of line.
pub fn encode(line: &Line) -> Vec<u8> {
    let wire = match line {
        Line::Record(SnapshotRecord::Counters { last_price_id, last_sequence }) => Wire::Counters {
            format: FORMAT,
            last_price_id: *last_price_id,
            last_sequence: last_sequence.0,
        },
        Line::Record(SnapshotRecord::History(versions)) => history_to_wire(versions),
        Line::Record(SnapshotRecord::DeadLetter(letter)) => Wire::DeadLetter {
            id: letter.id,
            reason: letter.reason.clone(),
            attempts: letter.attempts,
            key: letter.key.clone(),
            payload: letter.payload.clone(),
            headers: letter.headers.clone(),
            parked_at: letter.parked_at.to_string(),
        },
        Line::Record(SnapshotRecord::Job(job)) => {
            Wire::Job { id: job.id.0, row: text(job::encode(job)) }
        }
        Line::Record(SnapshotRecord::Ledger(ledger)) => Wire::Ledger {
            provider: ledger.provider.to_string(),
            row: text(ledger::encode_ledger(ledger)),
        },
        Line::Record(SnapshotRecord::Assets(list)) => Wire::Assets {
            class: list.class.name().to_owned(),
            provider: list.provider.to_string(),
            row: text(ledger::encode_assets(list)),
        },
        Line::Record(SnapshotRecord::Key(key)) => key_to_wire(key),
        Line::Record(SnapshotRecord::Audit(entry)) => entry_to_wire(entry),
        Line::End { n_records, sha256 } => {
            Wire::End { records: *n_records, sha256: sha256.clone() }
        }
    };
    serde_json::to_vec(&wire).expect("strings and numbers always serialise")
}

/// # Errors
/// When the line is none of a backup of a known format.
pub fn decode(bytes: &[u8]) -> Result<Line, DecodeError> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(DecodeError::invalid)?;
    let record = match wire {
        Wire::Counters { format, .. } if format != FORMAT => {
            return Err(DecodeError::UnknownVersion(u64::from(format)));
        }
        Wire::Counters { last_price_id, last_sequence, .. } => {
            SnapshotRecord::Counters { last_price_id, last_sequence: Sequence(last_sequence) }
        }
        Wire::Price { id, symbol, timestamp, source, external_id, versions } => {
            let base = Base {
                id: PriceId::new(id)
                    .ok_or_else(|| DecodeError::invalid(format!("no price id: {id}")))?,
                symbol: Symbol::parse(&symbol).map_err(DecodeError::invalid)?,
                observed_at: Timestamp::parse(&timestamp).map_err(DecodeError::invalid)?,
                provider: name(&source)?,
                external_id: external_id
                    .map(|id| ExternalId::parse(&id))
                    .transpose()
                    .map_err(DecodeError::invalid)?,
            };
            let versions = versions.into_iter().map(|version| base.version(version));
            SnapshotRecord::History(versions.collect::<Result<_, _>>()?)
        }
        Wire::DeadLetter { id, reason, attempts, key, payload, headers, parked_at } => {
            let parked_at = Timestamp::parse(&parked_at).map_err(DecodeError::invalid)?;
            SnapshotRecord::DeadLetter(DeadLetter {
                id,
                reason,
                attempts,
                key,
                payload,
                headers,
                parked_at,
            })
        }
        Wire::Job { id, row } => SnapshotRecord::Job(job::decode(JobId(id), row.as_bytes())?),
        Wire::Ledger { provider, row } => {
            SnapshotRecord::Ledger(ledger::decode_ledger(name(&provider)?, row.as_bytes())?)
        }
        Wire::Assets { class, provider, row } => {
            let class = AssetClass::parse(&class)
                .ok_or_else(|| DecodeError::invalid(format!("no asset class: {class}")))?;
            let list = ledger::decode_assets(class, name(&provider)?, row.as_bytes())?;
            SnapshotRecord::Assets(list)
        }
        Wire::Key {
            id,
            name,
            role,
            secret_sha256,
            created_at,
            expires_at,
            last_used_at,
            revoked_at,
        } => SnapshotRecord::Key(ApiKey {
            id: KeyId::parse(&id).map_err(DecodeError::invalid)?,
            name,
            role: Role::parse(&role).map_err(DecodeError::invalid)?,
            secret_hash: hash(&secret_sha256)?.0,
            created_at: time(&created_at)?,
            expires_at: expires_at.as_deref().map(time).transpose()?,
            last_used_at: last_used_at.as_deref().map(time).transpose()?,
            revoked_at: revoked_at.as_deref().map(time).transpose()?,
        }),
        Wire::Audit {
            sequence,
            at,
            actor,
            address,
            request_id,
            action,
            target,
            outcome,
            previous_hash,
            hash: own_hash,
        } => {
            let at = time(&at)?;
            SnapshotRecord::Audit(AuditEntry {
                sequence,
                draft: AuditDraft { at, actor, address, request_id, action, target, outcome },
                previous_hash: hash(&previous_hash)?,
                hash: hash(&own_hash)?,
            })
        }
        Wire::End { records, sha256 } => return Ok(Line::End { n_records: records, sha256 }),
    };
    Ok(Line::Record(record))
}

fn name(text: &str) -> Result<ProviderName, DecodeError> {
    ProviderName::parse(text).map_err(DecodeError::invalid)
}

fn text(row: Vec<u8>) -> String {
    String::from_utf8(row).expect("JSON is text")
}

fn time(text: &str) -> Result<Timestamp, DecodeError> {
    Timestamp::parse(text).map_err(DecodeError::invalid)
}

fn hash(text: &str) -> Result<AuditHash, DecodeError> {
    AuditHash::parse(text).map_err(DecodeError::invalid)
}

fn key_to_wire(key: &ApiKey) -> Wire {
    let text = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string());
    Wire::Key {
        id: key.id.to_string(),
        name: key.name.clone(),
        role: key.role.name().to_owned(),
        secret_sha256: AuditHash(key.secret_hash).to_string(),
        created_at: key.created_at.to_string(),
        expires_at: text(key.expires_at),
        last_used_at: text(key.last_used_at),
        revoked_at: text(key.revoked_at),
    }
}

fn entry_to_wire(entry: &AuditEntry) -> Wire {
    let AuditDraft { at, actor, address, request_id, action, target, outcome } =
        entry.draft.clone();
    Wire::Audit {
        sequence: entry.sequence,
        at: at.to_string(),
        actor,
        address,
        request_id,
        action,
        target,
        outcome,
        previous_hash: entry.previous_hash.to_string(),
        hash: entry.hash.to_string(),
    }
}

/// What all versions of a price share.
struct Base {
    id: PriceId,
    symbol: Symbol,
    observed_at: Timestamp,
    provider: ProviderName,
    external_id: Option<ExternalId>,
}

impl Base {
    fn version(&self, wire: WireVersion) -> Result<PriceVersion, DecodeError> {
        let amount = |number: &Number| Amount::parse(number.as_str()).map_err(DecodeError::invalid);
        let time = |text: &str| Timestamp::parse(text).map_err(DecodeError::invalid);
        let observation = Observation {
            symbol: self.symbol.clone(),
            provider: self.provider.clone(),
            observed_at: self.observed_at,
            external_id: self.external_id.clone(),
            price: amount(&wire.price)?,
            volume: wire.volume.as_ref().map(amount).transpose()?,
            currency: Currency::parse(&wire.currency).map_err(DecodeError::invalid)?,
            received_at: time(&wire.received_at)?,
            time_source: match wire.time_source {
                0 => TimeSource::Provider,
                1 => TimeSource::DateOnly,
                2 => TimeSource::Received,
                other => return Err(DecodeError::invalid(format!("no time source: {other}"))),
            },
            raw: wire.raw.map(|raw| RawPayload(raw.into())),
        };
        Ok(PriceVersion {
            price: Price { id: self.id, version: wire.version, observation },
            superseded_at: wire.superseded_at.as_deref().map(time).transpose()?,
            deleted: wire.deleted,
        })
    }
}

fn history_to_wire(versions: &[PriceVersion]) -> Wire {
    let current = &versions.last().expect("a price has at least one version").price;
    let observation = &current.observation;
    Wire::Price {
        id: current.id.get(),
        symbol: observation.symbol.to_string(),
        timestamp: observation.observed_at.to_string(),
        source: observation.provider.to_string(),
        external_id: observation.external_id.as_ref().map(|id| id.as_str().to_owned()),
        versions: versions.iter().map(version_to_wire).collect(),
    }
}

fn version_to_wire(version: &PriceVersion) -> WireVersion {
    let number = |amount: Amount| {
        Number::from_str(&amount.to_string()).expect("a plain decimal is a JSON number")
    };
    let observation = &version.price.observation;
    WireVersion {
        version: version.price.version,
        price: number(observation.price),
        volume: observation.volume.map(number),
        currency: observation.currency.to_string(),
        received_at: observation.received_at.to_string(),
        superseded_at: version.superseded_at.map(|instant| instant.to_string()),
        deleted: version.deleted,
        time_source: match observation.time_source {
            TimeSource::Provider => 0,
            TimeSource::DateOnly => 1,
            TimeSource::Received => 2,
        },
        raw: observation.raw.as_ref().map(|raw| raw.0.to_string()),
    }
}
