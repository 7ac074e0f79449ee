//! Backups: a store's snapshot as gzipped JSON lines with a count and a checksum at the end.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::codec::snapshot::{Line, decode, encode};
use crate::model::SnapshotRecord;
use crate::ports::Store;

/// Records moved at once.
const PORTION: usize = 2_000;
/// The longest line of a backup that is believed, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub n_records: u64,
    pub n_prices: u64,
    pub sha256: String,
}

/// Writes a snapshot of the store to a new file. The file gets its name only when it is complete.
///
/// # Errors
/// When the store cannot be read, or the file exists or cannot be written.
pub async fn backup(
    store: &dyn Store,
    file: &Path,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Summary> {
    if file.exists() {
        bail!("{} exists already", file.display());
    }
    let unfinished = file.with_extension("unfinished");
    let target = File::create(&unfinished)
        .with_context(|| format!("{} cannot be written", unfinished.display()))?;
    let mut writer = GzEncoder::new(BufWriter::new(target), Compression::fast());
    let mut counter = Counter::default();
    let mut snapshot = store.snapshot().await?;
    loop {
        let records = snapshot.next(PORTION).await?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let line = encode(&Line::Record(record.clone()));
            counter.add(&record, &line);
            writer.write_all(&line)?;
            writer.write_all(b"\n")?;
        }
        progress(counter.n_records);
    }
    let summary = counter.finish();
    let end = Line::End { n_records: summary.n_records, sha256: summary.sha256.clone() };
    writer.write_all(&encode(&end))?;
    writer.write_all(b"\n")?;
    let target = writer.finish()?.into_inner().map_err(|error| error.into_error())?;
    target.sync_all()?;
    std::fs::rename(&unfinished, file)?;
    Ok(summary)
}

/// Reads a backup from end to end and compares count and checksum; changes nothing.
///
/// # Errors
/// When the file is no complete backup, with what is wrong.
pub fn verify(file: &Path) -> anyhow::Result<Summary> {
    read(file, |_| Ok(()))
}

/// Fills an empty store from a backup that was verified.
///
/// # Errors
/// When the store is not empty, or a record cannot be stored.
pub async fn restore(
    store: &dyn Store,
    file: &Path,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Summary> {
    if store.status().await?.n_symbols > 0 {
        bail!("the data directory is not empty: restore into a new one");
    }
    // Nothing is written before the whole file has proven right.
    verify(file)?;
    let mut portion = Vec::new();
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<SnapshotRecord>>(2);
    let path = file.to_owned();
    let reader = tokio::task::spawn_blocking(move || {
        let summary = read(&path, |record| {
            portion.push(record);
            if portion.len() >= PORTION {
                sender.blocking_send(std::mem::take(&mut portion))?;
            }
            Ok(())
        })?;
        sender.blocking_send(portion)?;
        anyhow::Ok(summary)
    });
    let mut n_records = 0;
    while let Some(records) = receiver.recv().await {
        n_records += records.len() as u64;
        store.load(records).await?;
        progress(n_records);
    }
    reader.await?
}

fn read(
    file: &Path,
    mut take: impl FnMut(SnapshotRecord) -> anyhow::Result<()>,
) -> anyhow::Result<Summary> {
    let name = file.display();
    let source = File::open(file).with_context(|| format!("{name} cannot be opened"))?;
    let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::new(source)));
    let mut counter = Counter::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        std::io::Read::take(&mut lines, MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("{name} is damaged"))?;
        if line.pop() != Some(b'\n') {
            bail!("{name} is cut off after {} records", counter.n_records);
        }
        let decoded =
            decode(&line).with_context(|| format!("{name}: record {}", counter.n_records + 1))?;
        match decoded {
            Line::Record(record) => {
                counter.add(&record, &line);
                take(record)?;
            }
            Line::End { n_records, sha256 } => {
                let summary = counter.finish();
                if (summary.n_records, &summary.sha256) != (n_records, &sha256) {
                    bail!("{name} is damaged: count or checksum differ");
                }
                return Ok(summary);
            }
        }
    }
}

#[derive(Default)]
struct Counter {
    n_records: u64,
    n_prices: u64,
    hash: Sha256,
}

impl Counter {
    fn add(&mut self, record: &SnapshotRecord, line: &[u8]) {
        self.n_records += 1;
        self.n_prices += u64::from(matches!(record, SnapshotRecord::History(_)));
        self.hash.update(line);
        self.hash.update(b"\n");
    }

    fn finish(self) -> Summary {
        let digest = self.hash.finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Summary { n_records: self.n_records, n_prices: self.n_prices, sha256 }
    }
}
