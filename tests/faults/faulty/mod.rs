//! Decorators that make any backend fail as backends do: it refuses, it dawdles, or it does the
//! work and the answer gets lost. Which call fails is decided by a seed and the number of the call
//! of its kind, so a run can be repeated whatever the threads do.

mod bus;
mod cache;
mod clock;
mod limiter;
mod provider;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tickerd::app::backends::Parts;
use tickerd::model::Symbol;

/// How often each kind of fault could have struck and did.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    n_asked: u64,
    n_fired: u64,
}

/// Decides which calls fail, and counts.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    /// Of 1,000 calls this many fail, of each kind.
    per_mille: AtomicU64,
    /// Kinds that fail at another rate.
    rates: Mutex<BTreeMap<&'static str, u64>>,
    unreadable: Mutex<BTreeSet<Symbol>>,
    counts: Mutex<BTreeMap<&'static str, Count>>,
}

impl Faults {
    pub(crate) fn seeded(seed: u64, per_mille: u64) -> Arc<Self> {
        Arc::new(Self {
            seed,
            per_mille: per_mille.into(),
            rates: Mutex::default(),
            unreadable: Mutex::default(),
            counts: Mutex::default(),
        })
    }

    /// From now on nothing fails.
    pub(crate) fn calm(&self) {
        self.per_mille.store(0, Ordering::SeqCst);
        lock(&self.rates).clear();
        lock(&self.unreadable).clear();
    }

    /// Of 1,000 calls this many fail in this way, whatever the others do.
    pub(crate) fn set(&self, kind: &'static str, per_mille: u64) {
        lock(&self.rates).insert(kind, per_mille);
    }

    /// Prices of this symbol cannot be read any more.
    pub(crate) fn make_unreadable(&self, symbol: &Symbol) {
        lock(&self.unreadable).insert(symbol.clone());
    }

    fn is_unreadable(&self, symbol: &Symbol) -> bool {
        lock(&self.unreadable).contains(symbol)
    }

    /// How often this kind struck.
    pub(crate) fn n_fired(&self, kind: &'static str) -> u64 {
        lock(&self.counts).get(kind).map_or(0, |count| count.n_fired)
    }

    /// Whether this call fails in this way.
    pub(crate) fn strikes(&self, kind: &'static str) -> bool {
        let rate = lock(&self.rates).get(kind).copied();
        let rate = rate.unwrap_or_else(|| self.per_mille.load(Ordering::SeqCst));
        let mut counts = lock(&self.counts);
        let count = counts.entry(kind).or_default();
        let name = kind.bytes().fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
        let draw = mix(name ^ count.n_asked) % 1_000;
        let fires = draw < rate;
        count.n_asked += 1;
        count.n_fired += u64::from(fires);
        fires
    }

    /// Dawdles at some calls.
    pub(crate) async fn dawdle(&self, kind: &'static str) {
        if self.strikes(kind) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether every one of these kinds struck.
    pub(crate) fn all_fired(&self, kinds: &[&'static str]) -> bool {
        kinds.iter().all(|kind| self.n_fired(kind) > 0)
    }

    /// A fault that never fired proves nothing.
    pub(crate) fn assert_each_fired(&self, kinds: &[&'static str]) {
        let counts = lock(&self.counts);
        let silent: Vec<_> = kinds
            .iter()
            .filter(|kind| counts.get(*kind).is_none_or(|count| count.n_fired == 0))
            .collect();
        assert!(silent.is_empty(), "never fired: {silent:?}; {counts:?}");
        let unlisted: Vec<_> = counts.keys().filter(|kind| !kinds.contains(kind)).collect();
        assert!(unlisted.is_empty(), "nobody asks whether these fired: {unlisted:?}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `SplitMix64`'s last step.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Every kind of fault that a service without keys meets on what [`wrap`] puts on.
pub(crate) const KINDS: &[&str] = &[
    "store refuses",
    "store dawdles",
    "store loses the answer",
    "bus refuses",
    "bus loses the answer",
    "bus delivers again",
    "bus loses its consumer",
    "bus loses the acknowledgement",
    "cache misses",
    "cache forgets",
    "clock is an hour slow",
    "clock is a second fast",
    "clock oversleeps",
];

/// A backend that fails now and then.
pub(crate) struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    faults: Arc<Faults>,
}

impl<T: ?Sized> Faulty<T> {
    pub(crate) fn over(inner: &Arc<T>, faults: &Arc<Faults>) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), faults: Arc::clone(faults) })
    }
}

/// The same backends, failing.
pub(crate) fn wrap(parts: &Parts, faults: &Arc<Faults>) -> Parts {
    Parts {
        store: Faulty::over(&parts.store, faults),
        cache: Faulty::over(&parts.cache, faults),
        bus: Faulty::over(&parts.bus, faults),
        limiter: Faulty::over(&parts.limiter, faults),
        clock: Faulty::over(&parts.clock, faults),
    }
}
