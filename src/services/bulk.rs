//! Many prices at once: rows in, a report out. Rows count as stored only when they are durable.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::draft::TimeFormat;
use super::ingest::Ingest;
use super::rows::{Columns, Row, RowFormat, RowReader, Unreadable};
use crate::model::{ExternalId, Observation};
use crate::ports::{Appended, StoreError};
use crate::telemetry::metrics;

/// Rows stored in one transaction.
const BATCH: usize = 4_096;
/// Errors listed in a report; the rest are only counted.
pub const MAX_LISTED_ERRORS: usize = 1_000;

/// How to read a file of prices.
#[derive(Debug, Clone)]
pub struct BulkOptions {
    pub format: RowFormat,
    pub columns: Columns,
    pub time_format: TimeFormat,
    /// Give the second and further rows of one (symbol, source, time) the external ids `#2`, `#3`
    /// … in file order, so that ticks that share a time are all kept, and a second import of the
    /// file adds nothing.
    pub number_repeats: bool,
}

/// What became of the rows read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkReport {
    pub n_read: u64,
    pub n_stored: u64,
    pub n_duplicates: u64,
    pub n_rejected: u64,
    /// The first [`MAX_LISTED_ERRORS`] rejected rows: line and reason.
    pub errors: Vec<(u64, String)>,
}

/// Why reading stopped; what the report counts as stored stays stored.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One file on its way in.
pub struct Bulk {
    ingest: Arc<Ingest>,
    time_format: TimeFormat,
    reader: RowReader,
    repeats: Option<Repeats>,
    rows: Vec<Row>,
    batch: Vec<(u64, Observation)>,
    report: BulkReport,
}

impl Bulk {
    pub fn new(ingest: Arc<Ingest>, options: BulkOptions) -> Self {
        Self {
            ingest,
            time_format: options.time_format,
            reader: RowReader::new(options.format, options.columns),
            repeats: options.number_repeats.then(Repeats::default),
            rows: Vec::new(),
            batch: Vec::with_capacity(BATCH),
            report: BulkReport::default(),
        }
    }

    pub fn report(&self) -> &BulkReport {
        &self.report
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// When the file or the store cannot be read further.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), BulkError> {
        // Small portions keep the rows in memory few, however large the chunk.
        for portion in bytes.chunks(64 * 1024) {
            let fed = self.reader.feed(portion, &mut self.rows);
            self.take_rows().await?;
            fed?;
        }
        Ok(())
    }

    /// Ends the file and stores what is left.
    ///
    /// # Errors
    /// When the file ends where it may not, or the store fails.
    pub async fn finish(mut self) -> (BulkReport, Result<(), BulkError>) {
        let outcome = self.finish_rows().await;
        (self.report, outcome)
    }

    async fn finish_rows(&mut self) -> Result<(), BulkError> {
        let spent = RowReader::new(RowFormat::Ndjson, Columns::default());
        let ended = std::mem::replace(&mut self.reader, spent).finish(&mut self.rows);
        self.take_rows().await?;
        self.store().await?;
        Ok(ended?)
    }

    async fn take_rows(&mut self) -> Result<(), BulkError> {
        let checker = self.ingest.checker(self.time_format);
        for row in std::mem::take(&mut self.rows) {
            self.report.n_read += 1;
            let checked = row.draft.and_then(|draft| {
                checker.check(draft).map_err(|errors| {
                    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                })
            });
            match checked {
                Ok(mut observation) => {
                    if let Some(repeats) = &mut self.repeats {
                        repeats.number(&mut observation);
                    }
                    self.batch.push((row.line, observation));
                }
                Err(reason) => self.reject(row.line, reason),
            }
            if self.batch.len() >= BATCH {
                self.store().await?;
            }
        }
        Ok(())
    }

    async fn store(&mut self) -> Result<(), BulkError> {
        let (lines, batch): (Vec<u64>, Vec<Observation>) =
            std::mem::take(&mut self.batch).into_iter().unzip();
        for (line, outcome) in lines.into_iter().zip(self.ingest.record(batch).await?) {
            match outcome {
                Appended::New(_) => self.report.n_stored += 1,
                Appended::Duplicate(_) => self.report.n_duplicates += 1,
                Appended::Conflict(stored) => self.reject(line, conflict(&stored)),
            }
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: String) {
        metrics::prices_rejected(1);
        self.report.n_rejected += 1;
        if self.report.errors.len() < MAX_LISTED_ERRORS {
            self.report.errors.push((line, reason));
        }
    }
}

/// Why a price conflicts, for people.
pub fn conflict(stored: &crate::model::Price) -> String {
    format!(
        "price {} has the same symbol, source, time and external id and the value {}; correct it \
         with PUT if it is wrong",
        stored.id, stored.observation.price
    )
}

/// Counts rows by (symbol, source, time): 12 to 24 bytes a distinct one.
#[derive(Default)]
pub struct Repeats {
    hasher: RandomState,
    seen: HashMap<u64, u32>,
}

impl Repeats {
    pub fn number(&mut self, observation: &mut Observation) {
        if observation.external_id.is_some() {
            return;
        }
        let key = self.hasher.hash_one((
            &observation.symbol,
            &observation.provider,
            observation.observed_at,
        ));
        let count = self.seen.entry(key).or_insert(0);
        *count += 1;
        if *count > 1 {
            observation.external_id = ExternalId::parse(&format!("#{count}")).ok();
        }
    }
}
