//! Deliveries that were given up.

use async_trait::async_trait;

use super::{RedbStore, Result, corrupt, storage};
use crate::codec::record;
use crate::model::DeadLetter;
use crate::ports::DeadLetterStore;

#[async_trait]
impl DeadLetterStore for RedbStore {
    async fn park(&self, letter: DeadLetter) -> Result<u64> {
        self.writer
            .durable(1, move |tables| {
                tables.counters.last_dead_letter += 1;
                let id = tables.counters.last_dead_letter;
                let bytes = record::encode_dead_letter(&letter);
                tables.dead_letters.insert(id, bytes.as_slice()).map_err(storage)?;
                Ok(id)
            })
            .await
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.read(|schema, _| {
            let mut letters = Vec::new();
            let Some(first) = after.checked_add(1) else { return Ok(letters) };
            for entry in schema.dead_letters()?.range(first..).map_err(storage)?.take(limit) {
                let (id, bytes) = entry.map_err(storage)?;
                let letter = record::decode_dead_letter(id.value(), bytes.value());
                letters.push(letter.map_err(corrupt)?);
            }
            Ok(letters)
        })
    }

    async fn dead_letter(&self, id: u64) -> Result<Option<DeadLetter>> {
        self.read(|schema, _| {
            let bytes = schema.dead_letters()?.get(id).map_err(storage)?;
            bytes
                .map(|bytes| record::decode_dead_letter(id, bytes.value()))
                .transpose()
                .map_err(corrupt)
        })
    }

    async fn remove_dead_letter(&self, id: u64) -> Result<bool> {
        self.change(1, move |tables| Ok(tables.dead_letters.remove(id).map_err(storage)?.is_some()))
            .await
    }
}
