//! The backends: each function answers a fresh, empty store, or none when its server is absent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::ports::Store;

/// An empty store of a test's own, and how to take it away.
pub(crate) struct Fresh {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tear_down: Pin<Box<dyn Future<Output = ()> + Send>>,
}

pub(crate) async fn redb() -> Option<Fresh> {
    open_redb(&RedbOptions::default())
}

/// A store that seals at each commit what the one before left in memory.
pub(crate) async fn redb_sealed() -> Option<Fresh> {
    open_redb(&RedbOptions { unsealed_entries: 0, ..RedbOptions::default() })
}

fn open_redb(options: &RedbOptions) -> Option<Fresh> {
    let directory = tempfile::tempdir().expect("a directory");
    let store = RedbStore::open(&directory.path().join("test.redb"), options);
    let tear_down = async move { drop(directory) };
    Some(Fresh { store: Arc::new(store.expect("a store")), tear_down: Box::pin(tear_down) })
}

#[cfg(feature = "postgres")]
pub(crate) async fn postgres() -> Option<Fresh> {
    use tickerd::adapters::store::postgres::PostgresStore;

    let options = crate::postgres::fresh_options()?;
    let store = Arc::new(PostgresStore::open(options.clone()).await.expect("a store"));
    let tear_down = Box::pin({
        let store = Arc::clone(&store);
        async move {
            store.close().await.expect("closed");
            crate::postgres::drop_schema(&options).await;
        }
    });
    Some(Fresh { store, tear_down })
}
