//! The edge store: one redb file.
//!
//! All writes go through one thread that commits what many callers ask for together
//! ([`writer`]); reads open a snapshot of their own and never wait for it.
//!
//! A commit adds its changes to the log as one value, which is outbox, stream history and recovery
//! record in one ([`log`]). Until they are sealed they are served from memory ([`heads`]), which a
//! start rebuilds from the log ([`open`]). Sealing ([`seal`]) moves them into blocks of some
//! hundred entries of one symbol, whose columns compress to a few bytes a price. The writer seals
//! little by little, within its commits: what fills a block, and what has become old in the log.
//!
//! Commits are two-phase: providers choose the bytes we store, and redb's single-phase commit only
//! holds against data that is not hostile. They also save the allocator state (quick repair), so
//! that a store of any size opens in milliseconds after a crash; with grouped commits that costs
//! little (MEASURED figures: docs/benchmarks.md).

mod series;

mod heads;
mod memory;
mod symbols;
mod tables;

mod ids;
mod lookup;
mod natural_keys;
mod prices;

mod averages;
mod log;
mod retention;
mod seal;

mod cursor;
mod list;
mod reader;

mod outbox;
mod snapshot;

mod compact;
mod convert;
mod open;
mod unfinished;
mod writer;

mod assets;
mod audit;
mod dead_letters;
mod jobs;
mod keys;
mod leases;
mod ledger;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, StorageBackend};
use tokio::sync::watch;

use crate::model::{AuditDraft, Sequence};
use crate::ports::{Effect, Store, StoreError, StoreErrorKind, StoreStatus};
pub use compact::{Compacted, Measured};
use heads::Heads;
use symbols::Symbols;
use tables::{SCHEMA_VERSION, Schema, Tables};
use writer::Writer;

type Result<T> = std::result::Result<T, StoreError>;

/// How a [`RedbStore`] is opened.
#[derive(Debug, Clone)]
pub struct RedbOptions {
    /// Bytes of pages kept in memory; redb's own default of 1 GiB is no size for a small host.
    pub cache_bytes: usize,
    /// Log entries kept for streams to resume from, besides those not yet published.
    pub log_history: u64,
    /// Changes that may lie in the log only, and in memory. A start reads so many, and what a
    /// symbol with few prices gathers meanwhile is sealed together.
    pub unsealed_entries: u64,
    /// How long a write may wait for room in the queue before it fails as overloaded.
    pub write_timeout: Duration,
    /// Rows that may wait for the next commit.
    pub queue_rows: u32,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            log_history: 100_000,
            unsealed_entries: 32_768,
            write_timeout: Duration::from_secs(5),
            queue_rows: 32_768,
        }
    }
}

/// Opens the database anew after an I/O error, which redb does not forgive an open one.
type Opener = Box<dyn Fn() -> std::result::Result<Database, redb::DatabaseError> + Send + Sync>;

/// What readers and the writer share.
struct Shared {
    database: RwLock<Option<Database>>,
    symbols: Symbols,
    /// What the blocks do not hold yet, as of the last commit.
    heads: RwLock<Heads>,
    committed: watch::Sender<Sequence>,
    path: Option<PathBuf>,
}

/// The store of edge mode.
#[derive(Clone)]
pub struct RedbStore {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    /// Goes into the trail with each change, in views made by `audited`.
    draft: Option<AuditDraft>,
    /// Held by whoever computes averages.
    turns: Arc<tokio::sync::Mutex<()>>,
    leases: Arc<leases::Leases>,
}

impl RedbStore {
    /// Opens the file at `path`, or creates it.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`] when the file cannot be opened or another process has it,
    /// [`StoreErrorKind::Corrupt`] when it is no store or of a newer schema.
    pub fn open(path: &Path, options: &RedbOptions) -> Result<Self> {
        let (file, cache_bytes) = (path.to_owned(), options.cache_bytes);
        let opener: Opener = Box::new(move || {
            unfinished::empty_if_unfinished(&file).map_err(redb::StorageError::from)?;
            Database::builder().set_cache_size(cache_bytes).create(&file)
        });
        Self::start(opener, Some(path.to_owned()), options)
    }

    /// Opens a store on a storage backend, for tests that inject faults. `backend` is asked for a
    /// fresh one at each opening.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_on<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
        options: &RedbOptions,
    ) -> Result<Self> {
        let cache_bytes = options.cache_bytes;
        let opener: Opener = Box::new(move || {
            Database::builder().set_cache_size(cache_bytes).create_with_backend(backend())
        });
        Self::start(opener, None, options)
    }

    fn start(opener: Opener, path: Option<PathBuf>, options: &RedbOptions) -> Result<Self> {
        let database = opener().map_err(open_error)?;
        let symbols = Symbols::default();
        let mut opened = open::prepare(&database, &symbols, options.unsealed_entries)?;
        let (committed, _) = watch::channel(opened.counters.sequence());
        let shared = Arc::new(Shared {
            database: RwLock::new(Some(database)),
            symbols,
            heads: RwLock::new(std::mem::take(&mut opened.heads)),
            committed,
            path,
        });
        let writer = Writer::start(Arc::clone(&shared), opener, opened, options)?;
        Ok(Self {
            shared,
            writer: Arc::new(writer),
            draft: None,
            turns: Arc::default(),
            leases: Arc::default(),
        })
    }

    /// Runs a change that users ask for, durably; in a view made by `audited` its entry goes with
    /// it.
    async fn change<T: Effect + Send + 'static>(
        &self,
        rows: usize,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let draft = self.draft.clone();
        self.writer
            .durable(rows, move |tables| {
                let changed = change(tables)?;
                tables.drafts.extend(draft.map(|draft| draft.concluded(changed.effect())));
                Ok(changed)
            })
            .await
    }

    /// Runs a read on a snapshot of its own, on the caller's thread: for reads of a few rows,
    /// which cost less than moving to another thread.
    fn read<T>(&self, read: impl FnOnce(&Schema, &Symbols) -> Result<T>) -> Result<T> {
        self.shared.read(read)
    }

    /// Runs a read of many rows on a thread where it may take its time.
    async fn read_many<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Schema, &Symbols) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.on_own_thread(|shared| shared.read(read)).await
    }

    async fn on_own_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || read(&shared))
            .await
            .map_err(|error| StoreErrorKind::Unavailable.because(error))?
    }
}

impl Shared {
    fn read<T>(&self, read: impl FnOnce(&Schema, &Symbols) -> Result<T>) -> Result<T> {
        let (schema, ()) = self.read_with(|_| ())?;
        read(&schema, &self.symbols)
    }

    /// The tables as of now, and what `pick` takes of the heads of the same commit.
    ///
    /// The heads are locked while the transaction begins. At most a commit whose heads are not
    /// published yet comes between, and such a one only seals what the heads have too.
    fn read_with<T>(&self, pick: impl FnOnce(&Heads) -> T) -> Result<(Schema, T)> {
        let heads = self.heads.read();
        let transaction = {
            let database = self.database.read();
            let database = database.as_ref().ok_or_else(closed)?;
            database.begin_read().map_err(storage)?
        };
        Ok((Schema(transaction), pick(&heads)))
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn status(&self) -> Result<StoreStatus> {
        let size_bytes = match &self.shared.path {
            Some(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            None => 0,
        };
        self.read(|schema, symbols| {
            let counters = schema.counters()?;
            Ok(StoreStatus {
                backend: "redb",
                schema_version: SCHEMA_VERSION,
                n_symbols: symbols.len() as u64,
                n_prices: counters.n_prices,
                n_averages: counters.n_averages,
                n_dead_letters: schema.dead_letters()?.len().map_err(storage)?,
                size_bytes,
            })
        })
    }

    async fn check(&self) -> Result<()> {
        self.writer.check()?;
        self.read(|schema, _| schema.meta().map(|_| ()))
    }

    async fn close(&self) -> Result<()> {
        self.writer.stop().await
    }
}

fn closed() -> StoreError {
    StoreErrorKind::Unavailable.because("the store is closed")
}

/// Translates what redb says into the port's kinds.
fn storage(error: impl Into<redb::Error>) -> StoreError {
    let error = error.into();
    let kind = match &error {
        redb::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => StoreErrorKind::Full,
        redb::Error::Corrupted(_) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    kind.because(error)
}

fn open_error(error: redb::DatabaseError) -> StoreError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            StoreErrorKind::Unavailable.because("another process has the store open")
        }
        other => storage(other),
    }
}

fn corrupt(error: crate::codec::DecodeError) -> StoreError {
    StoreErrorKind::Corrupt.because(error)
}
