//! The log of changes and which of them still have to be published.

use async_trait::async_trait;
use redb::ReadableTable;
use tokio::sync::watch;

use super::tables::Schema;
use super::{RedbStore, Result, corrupt, storage};
use crate::codec::journal::{self, Change};
use crate::model::{PriceEvent, Sequence};
use crate::ports::{LogEntry, Outbox};

#[async_trait]
impl Outbox for RedbStore {
    async fn pending(&self, limit: usize) -> Result<Vec<PriceEvent>> {
        let shown = *self.shared.committed.borrow();
        self.read(|schema, _| {
            let mut events = Vec::new();
            for entry in schema.unconfirmed()?.iter().map_err(storage)? {
                let (first, last) = entry.map_err(storage)?;
                let last = Sequence(last.value()).min(shown);
                read_log(schema, Sequence(first.value()), last, &mut |sequence, change| {
                    events.extend(change.into_event(sequence));
                    events.len() < limit
                })?;
                if events.len() >= limit {
                    break;
                }
            }
            events.truncate(limit);
            Ok(events)
        })
    }

    async fn confirm(&self, events: &[Sequence]) -> Result<()> {
        let mut events = events.to_vec();
        events.sort_unstable();
        self.writer
            .derived(events.len(), move |tables| {
                for run in events.chunk_by(|one, next| one.0 + 1 == next.0) {
                    if let (Some(first), Some(last)) = (run.first(), run.last()) {
                        tables.confirm(first.0, last.0)?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn depth(&self) -> Result<u64> {
        self.read(|schema, _| {
            let mut depth = 0;
            for entry in schema.unconfirmed()?.iter().map_err(storage)? {
                let (first, last) = entry.map_err(storage)?;
                depth += last.value() + 1 - first.value();
            }
            Ok(depth)
        })
    }

    async fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        // What is committed but not published yet would be in the log before it is among the
        // prices.
        let shown = *self.shared.committed.borrow();
        self.read(|schema, _| {
            let mut entries = Vec::new();
            let Some(first) = after.0.checked_add(1) else { return Ok(entries) };
            if limit == 0 {
                return Ok(entries);
            }
            read_log(schema, Sequence(first), shown, &mut |sequence, change| {
                match change {
                    Change::Average(average) => {
                        entries.push(LogEntry::Average { sequence, average });
                    }
                    price => entries.extend(price.into_event(sequence).map(LogEntry::Price)),
                }
                entries.len() < limit
            })?;
            Ok(entries)
        })
    }

    async fn log_start(&self) -> Result<Sequence> {
        let last = *self.shared.committed.borrow();
        self.read(|schema, _| {
            let oldest = schema.journal()?.first().map_err(storage)?.map(|(key, _)| key.value());
            Ok(oldest.map_or(last, |oldest| Sequence(oldest.saturating_sub(1))))
        })
    }

    fn committed(&self) -> watch::Receiver<Sequence> {
        self.shared.committed.subscribe()
    }
}

/// Shows the changes from `first` to `last` in order, for as long as `show` wants more.
fn read_log(
    schema: &Schema,
    first: Sequence,
    last: Sequence,
    show: &mut impl FnMut(Sequence, Change) -> bool,
) -> Result<()> {
    if first > last {
        return Ok(());
    }
    let journal = schema.journal()?;
    let start = journal
        .range(..=first.0)
        .map_err(storage)?
        .next_back()
        .transpose()
        .map_err(storage)?
        .map_or(first.0, |(start, _)| start.value());
    for entry in journal.range(start..=last.0).map_err(storage)? {
        let (start, bytes) = entry.map_err(storage)?;
        let (_, n_changes) = journal::header(bytes.value()).map_err(corrupt)?;
        if start.value() + n_changes <= first.0 {
            continue;
        }
        let changes = journal::decode(bytes.value()).map_err(corrupt)?;
        for (sequence, change) in (start.value()..).map(Sequence).zip(changes) {
            if sequence < first {
                continue;
            }
            if sequence > last || !show(sequence, change) {
                return Ok(());
            }
        }
    }
    Ok(())
}
