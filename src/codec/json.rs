//! JSON rows with their version beside the value: for what changes shape more often than it is
//! written.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::DecodeError;
use crate::model::Timestamp;

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u64,
    #[serde(flatten)]
    value: &'a T,
}

#[derive(Deserialize)]
struct AnyVersion {
    v: u64,
}

pub(super) fn encode<T: Serialize>(version: u64, value: &T) -> Vec<u8> {
    serde_json::to_vec(&Versioned { v: version, value })
        .expect("structs of strings and numbers always serialise")
}

/// # Errors
/// When the bytes are no JSON, of another version, or miss a field.
pub(super) fn decode<T: DeserializeOwned>(version: u64, bytes: &[u8]) -> Result<T, DecodeError> {
    let AnyVersion { v } = serde_json::from_slice(bytes).map_err(DecodeError::invalid)?;
    if v != version {
        return Err(DecodeError::UnknownVersion(v));
    }
    serde_json::from_slice(bytes).map_err(DecodeError::invalid)
}

pub(super) fn timestamp(micros: i64) -> Result<Timestamp, DecodeError> {
    Timestamp::from_micros(micros).map_err(DecodeError::invalid)
}

pub(super) fn optional_timestamp(micros: Option<i64>) -> Result<Option<Timestamp>, DecodeError> {
    micros.map(timestamp).transpose()
}
