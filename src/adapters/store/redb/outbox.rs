//! The log of changes and which of them still have to be published.

use async_trait::async_trait;
use redb::{ReadableTable, ReadableTableMetadata};
use tokio::sync::watch;

use super::{RedbStore, Result, corrupt, storage};
use crate::codec::record::{self, LogRecord};
use crate::model::{PriceEvent, Sequence};
use crate::ports::{LogEntry, Outbox, StoreErrorKind};

#[async_trait]
impl Outbox for RedbStore {
    async fn pending(&self, limit: usize) -> Result<Vec<PriceEvent>> {
        self.read(|schema, _| {
            let log = schema.log()?;
            let mut events = Vec::new();
            for entry in schema.outbox()?.iter().map_err(storage)?.take(limit) {
                let sequence = entry.map_err(storage)?.0.value();
                let bytes = log.get(sequence).map_err(storage)?.ok_or_else(|| {
                    StoreErrorKind::Corrupt.because(format!("event {sequence} is not in the log"))
                })?;
                if let LogRecord::Price(event) =
                    record::decode_log(Sequence(sequence), bytes.value()).map_err(corrupt)?
                {
                    events.push(event);
                }
            }
            Ok(events)
        })
    }

    async fn confirm(&self, events: &[Sequence]) -> Result<()> {
        let events = events.to_vec();
        self.writer
            .derived(events.len(), move |tables| {
                for sequence in events {
                    tables.outbox.remove(sequence.0).map_err(storage)?;
                }
                Ok(())
            })
            .await
    }

    async fn depth(&self) -> Result<u64> {
        self.read(|schema, _| schema.outbox()?.len().map_err(storage))
    }

    async fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        self.read(|schema, _| {
            let mut entries = Vec::new();
            let Some(first) = after.0.checked_add(1) else { return Ok(entries) };
            for entry in schema.log()?.range(first..).map_err(storage)?.take(limit) {
                let (sequence, bytes) = entry.map_err(storage)?;
                let sequence = Sequence(sequence.value());
                entries.push(
                    match record::decode_log(sequence, bytes.value()).map_err(corrupt)? {
                        LogRecord::Price(event) => LogEntry::Price(event),
                        LogRecord::Average(average) => LogEntry::Average { sequence, average },
                    },
                );
            }
            Ok(entries)
        })
    }

    async fn log_start(&self) -> Result<Sequence> {
        let last = *self.shared.committed.borrow();
        self.read(|schema, _| {
            let oldest = schema.log()?.first().map_err(storage)?.map(|(key, _)| key.value());
            Ok(oldest.map_or(last, |oldest| Sequence(oldest.saturating_sub(1))))
        })
    }

    fn committed(&self) -> watch::Receiver<Sequence> {
        self.shared.committed.subscribe()
    }
}
