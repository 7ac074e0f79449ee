//! What a file takes, and making it as small as its contents allow, while no service has it open.

use std::path::Path;

use redb::{Database, ReadTransaction, ReadableTableMetadata};

use super::{RedbOptions, RedbStore, Result, open_error, storage};
use crate::ports::{Store, StoreErrorKind, StoreStatus};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub status: StoreStatus,
}

/// What a file would become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub bytes: u64,
    /// In pages that hold something: about what [`RedbStore::compact`] would leave.
    pub bytes_in_use: u64,
}

impl RedbStore {
    /// Tells how large the file is and how much of it is in use, without changing it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn measure(&self) -> Result<Measured> {
        let bytes = self.shared.path.as_deref().map_or(Ok(0), size)?;
        let bytes_in_use = self.read_many(|schema, _| bytes_in_use(&schema.0)).await?;
        Ok(Measured { bytes, bytes_in_use })
    }

    /// Seals what is unsealed and gives the free pages of the file back to the file system.
    ///
    /// # Errors
    /// As [`RedbStore::open`]; then the file is as it was.
    pub async fn compact(path: &Path, options: &RedbOptions) -> Result<Compacted> {
        let bytes_before = size(path)?;
        let store = Self::open(path, options)?;
        store
            .writer
            .durable(1, |tables| {
                tables.staged.seal_all = true;
                Ok(())
            })
            .await?;
        let status = store.status().await?;
        store.close().await?;
        drop(store);

        let file = path.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut database = Database::open(file).map_err(open_error)?;
            // Each round moves some pages forward; the last one finds nothing to move.
            while database.compact().map_err(storage)? {}
            Ok(())
        })
        .await
        .map_err(|error| StoreErrorKind::Unavailable.because(error))??;
        Ok(Compacted { bytes_before, bytes_after: size(path)?, status })
    }
}

/// What all tables take in pages.
fn bytes_in_use(transaction: &ReadTransaction) -> Result<u64> {
    let mut sum = 0;
    for table in transaction.list_tables().map_err(storage)? {
        let table = transaction.open_untyped_table(table).map_err(storage)?;
        sum += stored_bytes(&table)?;
    }
    Ok(sum)
}

/// What a table takes in pages.
pub(super) fn stored_bytes(table: &impl ReadableTableMetadata) -> Result<u64> {
    let stats = table.stats().map_err(storage)?;
    Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
}

fn size(path: &Path) -> Result<u64> {
    std::fs::metadata(path)
        .map(|metadata| metadata.len())
        .map_err(|error| StoreErrorKind::Unavailable.because(error))
}
