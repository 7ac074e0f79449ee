//! A disk in memory that sticks or runs full when it is told to.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

/// redb's header fills the first page.
const PAGE_BYTES: u64 = 4_096;

#[derive(Debug, Default)]
struct State {
    bytes: InMemoryBackend,
    /// Syncs wait while it is true.
    stuck: Mutex<bool>,
    released: Condvar,
    /// The disk does not grow beyond this; 0 is no limit.
    max_bytes: AtomicU64,
    /// Nothing but the header can be written: a file may have grown into room that is not there.
    is_full: AtomicBool,
    n_refused: AtomicU64,
}

/// Shared by the store and the test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<State>);

impl Disk {
    /// From now on nothing becomes durable.
    pub(crate) fn stick(&self) {
        *self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(crate) fn release(&self) {
        *self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.released.notify_all();
    }

    /// Leaves this much room from now on.
    pub(crate) fn leave_room(&self, n_bytes: u64) {
        let length = self.0.bytes.len().expect("a length");
        self.0.max_bytes.store(length + n_bytes, Ordering::SeqCst);
    }

    /// Leaves not even room for what replaces something else.
    pub(crate) fn leave_none(&self) {
        self.0.is_full.store(true, Ordering::SeqCst);
    }

    pub(crate) fn leave_all_room(&self) {
        self.0.max_bytes.store(0, Ordering::SeqCst);
        self.0.is_full.store(false, Ordering::SeqCst);
    }

    pub(crate) fn n_refused(&self) -> u64 {
        self.0.n_refused.load(Ordering::SeqCst)
    }

    fn refuse(&self) -> io::Result<()> {
        self.0.n_refused.fetch_add(1, Ordering::SeqCst);
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let max_bytes = self.0.max_bytes.load(Ordering::SeqCst);
        if max_bytes > 0 && len > max_bytes {
            return self.refuse();
        }
        self.0.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let stuck = self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = self.0.released.wait_while(stuck, |stuck| *stuck);
        drop(stuck.unwrap_or_else(PoisonError::into_inner));
        self.0.bytes.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset >= PAGE_BYTES && self.0.is_full.load(Ordering::SeqCst) {
            return self.refuse();
        }
        self.0.bytes.write(offset, data)
    }
}
