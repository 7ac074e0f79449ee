//! Keys as stored: JSON with a version, the id being the key.

use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::json::{self, optional_timestamp, timestamp};
use crate::model::{ApiKey, KeyId, Role, Timestamp};

const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct KeyV1 {
    name: Option<String>,
    role: String,
    secret_hash: [u8; 32],
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

/// Encodes a key without its id.
pub fn encode(key: &ApiKey) -> Vec<u8> {
    let micros = |instant: Option<Timestamp>| instant.map(Timestamp::as_micros);
    let row = KeyV1 {
        name: key.name.clone(),
        role: key.role.name().to_owned(),
        secret_hash: key.secret_hash,
        created_at: key.created_at.as_micros(),
        expires_at: micros(key.expires_at),
        last_used_at: micros(key.last_used_at),
        revoked_at: micros(key.revoked_at),
    };
    json::encode(VERSION, &row)
}

/// # Errors
/// When the bytes are no key of a known version.
pub fn decode(id: KeyId, bytes: &[u8]) -> Result<ApiKey, DecodeError> {
    let row: KeyV1 = json::decode(VERSION, bytes)?;
    Ok(ApiKey {
        id,
        name: row.name,
        role: Role::parse(&row.role).map_err(DecodeError::invalid)?,
        secret_hash: row.secret_hash,
        created_at: timestamp(row.created_at)?,
        expires_at: optional_timestamp(row.expires_at)?,
        last_used_at: optional_timestamp(row.last_used_at)?,
        revoked_at: optional_timestamp(row.revoked_at)?,
    })
}
