//! Power loss at every sync point: a storage backend that can be cut off keeps what was synced and
//! any part of what was written since, and the store must open with all it had acknowledged.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;
use tickerd::adapters::store::redb::{RedbOptions, RedbStore};
use tickerd::model::{Amount, Currency, Observation, ProviderName, Symbol, TimeSource, Timestamp};
use tickerd::ports::{Appended, Outbox, PriceQuery, PriceStore};

#[derive(Debug, Default)]
struct Disk {
    /// What a crash leaves.
    durable: Vec<u8>,
    /// What the process sees.
    current: Vec<u8>,
    /// Writes since the last sync.
    unsynced: Vec<(u64, Vec<u8>)>,
    n_syncs: u64,
    /// The disk stops here: this sync and everything behind it fails.
    dies_at: Option<u64>,
}

/// A disk in memory, shared by the store and the test.
#[derive(Debug, Clone, Default)]
struct CrashDisk(Arc<Mutex<Disk>>);

impl CrashDisk {
    fn with<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The disk after power loss: what was synced, and every `keep`-th write since.
    fn after_crash(&self, keep: usize) -> Self {
        self.with(|disk| {
            let mut image = disk.durable.clone();
            for (index, (offset, bytes)) in disk.unsynced.iter().enumerate() {
                let end = *offset as usize + bytes.len();
                if keep > 0 && index % keep == 0 {
                    image.resize(image.len().max(end), 0);
                    image[*offset as usize..end].copy_from_slice(bytes);
                }
            }
            let disk = Disk { durable: image.clone(), current: image, ..Disk::default() };
            Self(Arc::new(Mutex::new(disk)))
        })
    }
}

fn dead() -> io::Error {
    io::Error::other("the power is gone")
}

impl StorageBackend for CrashDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|disk| disk.current.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|disk| {
            let end = offset as usize + out.len();
            out.copy_from_slice(disk.current.get(offset as usize..end).ok_or_else(dead)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|disk| {
            disk.current.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|disk| {
            disk.n_syncs += 1;
            if disk.dies_at.is_some_and(|dies_at| disk.n_syncs >= dies_at) {
                return Err(dead());
            }
            disk.durable = disk.current.clone();
            disk.unsynced.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|disk| {
            if disk.dies_at.is_some_and(|dies_at| disk.n_syncs >= dies_at) {
                return Err(dead());
            }
            let end = offset as usize + data.len();
            let length = disk.current.len().max(end);
            disk.current.resize(length, 0);
            disk.current[offset as usize..end].copy_from_slice(data);
            disk.unsynced.push((offset, data.to_vec()));
            Ok(())
        })
    }
}

fn options() -> RedbOptions {
    RedbOptions { cache_bytes: 1 << 20, ..RedbOptions::default() }
}

fn open(disk: &CrashDisk) -> RedbStore {
    let disk = disk.clone();
    RedbStore::open_on(move || disk.clone(), &options()).expect("the store opens")
}

fn observation(n: i64) -> Observation {
    Observation {
        symbol: Symbol::parse("A").expect("a symbol"),
        provider: ProviderName::manual(),
        observed_at: Timestamp::from_secs(n).expect("a time"),
        external_id: None,
        price: Amount::parse(&(n + 1).to_string()).expect("an amount"),
        volume: None,
        currency: Currency::USD,
        received_at: Timestamp::from_secs(2_000_000_000).expect("a time"),
        time_source: TimeSource::Provider,
        raw: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_loss_at_any_sync_loses_nothing_acknowledged_and_doubles_nothing() {
    const N_WRITES: i64 = 12;
    let mut n_images = 0;
    for dies_at in 1..60 {
        let disk = CrashDisk::default();
        let store = open(&disk);
        let n_before = disk.with(|disk| {
            disk.dies_at = Some(disk.n_syncs + dies_at);
            disk.n_syncs
        });
        let mut n_acknowledged = 0;
        for n in 0..N_WRITES {
            match store.append(vec![observation(n)]).await {
                Ok(_) => n_acknowledged = n + 1,
                Err(_) => break,
            }
        }
        let died = disk.with(|disk| disk.n_syncs >= n_before + dies_at);
        for keep in [0, 1, 2, 3] {
            let image = disk.after_crash(keep);
            let reopened = open(&image);
            let kept = reopened.prices(PriceQuery::newest(1_000)).await.expect("read");
            let n_kept = kept.len() as i64;
            let label = format!("dies at sync {dies_at}, keeping every {keep}th write");
            assert!((n_acknowledged..=n_acknowledged + 1).contains(&n_kept), "{label}: {n_kept}");
            assert_eq!(reopened.depth().await.expect("read"), kept.len() as u64, "{label}");
            let again = (0..N_WRITES).map(observation).collect();
            let outcomes = reopened.append(again).await.expect("stored");
            let n_new = outcomes.iter().filter(|o| matches!(o, Appended::New(_))).count();
            assert_eq!(n_new as i64, N_WRITES - n_kept, "{label}");
            n_images += 1;
        }
        if !died {
            break;
        }
    }
    assert!(n_images > 40, "only {n_images} crashes happened");
}

#[test]
fn a_death_while_the_file_is_made_leaves_one_that_opens() {
    for dies_at in 1.. {
        let disk = CrashDisk::default();
        disk.with(|disk| disk.dies_at = Some(dies_at));
        let dying = disk.clone();
        let is_made = RedbStore::open_on(move || dying.clone(), &options()).is_ok();
        let left = |disk: &CrashDisk| disk.with(|disk| disk.current.clone());
        for (label, image) in [("kill -9", left(&disk)), ("power loss", left(&disk.after_crash(0)))]
        {
            let directory = tempfile::tempdir().expect("a directory");
            let file = directory.path().join("tickerd.redb");
            std::fs::write(&file, image).expect("written");
            let opened = RedbStore::open(&file, &options());
            assert!(opened.is_ok(), "{label} at sync {dies_at}: {:?}", opened.err());
        }
        if is_made {
            assert!(dies_at > 2, "it was never dead");
            return;
        }
    }
}

#[test]
fn a_file_that_holds_something_is_never_made_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("tickerd.redb");
    for at in [0, 4_096, 100_000] {
        let mut bytes = vec![0; 1 << 20];
        bytes[at] = 1;
        std::fs::write(&file, &bytes).expect("written");
        assert!(RedbStore::open(&file, &options()).is_err(), "a byte at {at}");
        assert_eq!(std::fs::read(&file).expect("read"), bytes, "a byte at {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_acknowledged_until_the_disk_is_back() {
    let disk = CrashDisk::default();
    let store = open(&disk);
    store.append(vec![observation(0)]).await.expect("stored");
    disk.with(|disk| disk.dies_at = Some(disk.n_syncs + 1));
    assert!(store.append(vec![observation(1)]).await.is_err());
    assert!(tickerd::ports::Store::check(&store).await.is_err());
    disk.with(|disk| disk.dies_at = None);
    let mut recovered = false;
    for _ in 0..200 {
        if store.append(vec![observation(2)]).await.is_ok() {
            recovered = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(recovered, "the store did not come back");
    let kept = store.prices(PriceQuery::newest(10)).await.expect("read");
    assert!(kept.iter().any(|price| price.observation == observation(0)));
    assert!(kept.iter().any(|price| price.observation == observation(2)));
}
