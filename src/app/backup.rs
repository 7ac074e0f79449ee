//! Backups: a store's snapshot as gzipped JSON lines with a count and a checksum at the end.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::codec::snapshot::{Line, decode, encode};
use crate::http::backup::OpenBackup;
use crate::model::{PriceId, Sequence, SnapshotRecord};
use crate::ports::{Snapshot, Store, StoreError};

/// Records moved at once.
const PORTION: usize = 2_000;
/// How far counters leap at a restore: a week of 100,000 changes a second, and 130,000 restores fit
/// below 2^53.
const LEAP: u64 = 1 << 36;
/// The longest line of a backup that is believed, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub n_records: u64,
    pub n_prices: u64,
    pub sha256: String,
}

/// The bytes of a backup, made as they are asked for.
pub struct Packer {
    snapshot: Box<dyn Snapshot>,
    /// None once the last bytes were made.
    target: Option<GzEncoder<Vec<u8>>>,
    counter: Counter,
}

impl Packer {
    /// Takes a view of everything that is committed now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(store: &dyn Store) -> Result<Self, StoreError> {
        let snapshot = store.snapshot().await?;
        let target = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        Ok(Self { snapshot, target, counter: Counter::default() })
    }

    /// The next bytes, which may be empty; none at the end.
    ///
    /// # Errors
    /// When the store fails; what was made so far is no whole backup, and shows it.
    pub async fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(mut target) = self.target.take() else { return Ok(None) };
        let records = self.snapshot.next(PORTION).await?;
        if records.is_empty() {
            let Summary { n_records, sha256, .. } = self.counter.finish();
            target.write_all(&encode(&Line::End { n_records, sha256 }))?;
            target.write_all(b"\n")?;
            return Ok(Some(target.finish()?));
        }
        for record in records {
            let line = encode(&Line::Record(record.clone()));
            self.counter.add(&record, &line);
            target.write_all(&line)?;
            target.write_all(b"\n")?;
        }
        let made = std::mem::take(target.get_mut());
        self.target = Some(target);
        Ok(Some(made))
    }

    /// What was put in so far.
    pub fn summary(&self) -> Summary {
        self.counter.finish()
    }
}

/// Opens backups of a store for whoever asks over HTTP.
pub fn opener(store: &Arc<dyn Store>) -> OpenBackup {
    let store = Arc::clone(store);
    Arc::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move {
            let packer = Packer::open(store.as_ref()).await?;
            let parts = futures_util::stream::try_unfold(packer, |mut packer| async move {
                match packer.next().await {
                    Ok(made) => Ok(made.map(|made| (Bytes::from(made), packer))),
                    Err(error) => {
                        tracing::error!(%error, "a backup broke off");
                        Err(std::io::Error::other(error))
                    }
                }
            });
            Ok(parts.boxed())
        })
    })
}

/// A file that gets its name only when it is complete and on disk.
pub struct NewFile<'a> {
    path: &'a Path,
    unfinished: PathBuf,
    target: BufWriter<File>,
}

impl<'a> NewFile<'a> {
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &'a Path) -> anyhow::Result<Self> {
        if path.exists() {
            bail!("{} exists already", path.display());
        }
        let unfinished = path.with_extension("unfinished");
        let target = File::create(&unfinished)
            .with_context(|| format!("{} cannot be written", unfinished.display()))?;
        Ok(Self { path, unfinished, target: BufWriter::new(target) })
    }

    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.target.write_all(bytes)
    }

    /// Verifies what was written and gives it its name.
    ///
    /// # Errors
    /// When the disk does not take it, or it is no whole backup.
    pub fn finish(mut self) -> anyhow::Result<Summary> {
        self.target.flush()?;
        self.target.get_ref().sync_all()?;
        let summary = verify(&self.unfinished)?;
        std::fs::rename(&self.unfinished, self.path)?;
        Ok(summary)
    }
}

/// Writes a backup of the store to a new file. Others may write to the store meanwhile.
///
/// # Errors
/// When the store cannot be read, or the file exists or cannot be written.
pub async fn backup(
    store: &dyn Store,
    file: &Path,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Summary> {
    let mut target = NewFile::create(file)?;
    let mut packer = Packer::open(store).await?;
    while let Some(made) = packer.next().await? {
        target.write(&made)?;
        progress(packer.summary().n_records);
    }
    target.finish()
}

/// Reads a backup from end to end and compares count and checksum; changes nothing.
///
/// # Errors
/// When the file is no complete backup, with what is wrong.
pub fn verify(file: &Path) -> anyhow::Result<Summary> {
    read(file, |_| Ok(()))
}

/// Fills an empty store from a backup.
///
/// The lost store may have gone on after the backup was made, and its clients know ids of prices and
/// places in the stream that the backup does not. Neither is given out a second time: both counters
/// leap ahead, so that such an id stays unknown, and such a place is answered with `reset`.
///
/// # Errors
/// When the store is not empty, or a record cannot be stored.
pub async fn restore(
    store: &dyn Store,
    file: &Path,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Summary> {
    if !is_empty(store).await? {
        bail!("the data directory is not empty: restore into a new one");
    }
    // Nothing is written before the whole file has proven right.
    verify(file)?;
    let mut portion = Vec::new();
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<SnapshotRecord>>(2);
    let path = file.to_owned();
    let reader = tokio::task::spawn_blocking(move || {
        let summary = read(&path, |record| {
            portion.push(leap(record));
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

async fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.status().await?.n_symbols == 0
        && store.jobs(None, 1).await?.is_empty()
        && store.dead_letters(0, 1).await?.is_empty())
}

/// Leaves room for what the lost store may have given out after the backup.
fn leap(record: SnapshotRecord) -> SnapshotRecord {
    let ahead = |last: u64| (last / LEAP + 1).saturating_mul(LEAP);
    match record {
        SnapshotRecord::Counters { last_price_id, last_sequence } => SnapshotRecord::Counters {
            last_price_id: ahead(last_price_id).min(PriceId::MAX.get()),
            last_sequence: Sequence(ahead(last_sequence.0)),
        },
        other => other,
    }
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

    fn finish(&self) -> Summary {
        let digest = self.hash.clone().finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Summary { n_records: self.n_records, n_prices: self.n_prices, sha256 }
    }
}
