//! Making a file as small as its contents allow, while no service has it open.

use std::path::Path;

use redb::Database;

use super::{RedbOptions, RedbStore, Result, open_error, storage};
use crate::ports::{Store, StoreErrorKind, StoreStatus};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub status: StoreStatus,
}

impl RedbStore {
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

fn size(path: &Path) -> Result<u64> {
    std::fs::metadata(path)
        .map(|metadata| metadata.len())
        .map_err(|error| StoreErrorKind::Unavailable.because(error))
}
