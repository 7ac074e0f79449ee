//! A log in memory that can be trimmed and made to fail, and the entries in it.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tickerd::model::{
    Amount, Currency, EventKind, Mean, MovingAverage, Position, PriceEvent, PriceId, ProviderName,
    Sequence, Symbol, Timestamp, Window,
};
use tickerd::ports::{LogEntry, Outbox, StoreError, StoreErrorKind};
use tokio::sync::watch;

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) struct FakeLog {
    entries: Mutex<Vec<LogEntry>>,
    start: Mutex<Sequence>,
    committed: watch::Sender<Sequence>,
    pub(crate) broken: AtomicBool,
}

impl FakeLog {
    pub(crate) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            start: Mutex::new(Sequence(0)),
            committed: watch::Sender::new(Sequence(0)),
            broken: AtomicBool::new(false),
        }
    }

    pub(crate) fn append(&self, entry: LogEntry) {
        let sequence = entry.sequence();
        self.entries.lock().push(entry);
        self.committed.send_replace(sequence);
    }

    /// Appends a price of `AAPL` for each of the sequences.
    pub(crate) fn append_prices(&self, sequences: impl Iterator<Item = u64>) {
        sequences.for_each(|sequence| self.append(price(sequence, "AAPL")));
    }

    /// Forgets everything up to and including `start`.
    pub(crate) fn trim(&self, start: u64) {
        self.entries.lock().retain(|entry| entry.sequence().0 > start);
        *self.start.lock() = Sequence(start);
    }

    fn check(&self) -> Result<()> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(StoreErrorKind::Unavailable.because("told to fail")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Outbox for FakeLog {
    async fn pending(&self, _limit: usize) -> Result<Vec<PriceEvent>> {
        Ok(Vec::new())
    }

    async fn confirm(&self, _events: &[Sequence]) -> Result<()> {
        Ok(())
    }

    async fn depth(&self) -> Result<u64> {
        Ok(0)
    }

    async fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        tokio::task::yield_now().await;
        self.check()?;
        let entries = self.entries.lock();
        Ok(entries.iter().filter(|entry| entry.sequence() > after).take(limit).cloned().collect())
    }

    async fn log_start(&self) -> Result<Sequence> {
        self.check()?;
        Ok(*self.start.lock())
    }

    fn committed(&self) -> watch::Receiver<Sequence> {
        self.committed.subscribe()
    }
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros).expect("a time")
}

/// A price whose id and time grow with its sequence.
pub(crate) fn price(sequence: u64, symbol: &str) -> LogEntry {
    price_at(sequence, symbol, sequence as i64, EventKind::Recorded)
}

pub(crate) fn price_at(sequence: u64, symbol: &str, micros: i64, kind: EventKind) -> LogEntry {
    LogEntry::Price(PriceEvent {
        message_id: u128::from(sequence),
        kind,
        sequence: Sequence(sequence),
        price_id: PriceId::new(sequence).expect("an id"),
        version: 1,
        symbol: Symbol::parse(symbol).expect("a symbol"),
        price: Amount::parse("0.1").expect("an amount"),
        currency: Currency::USD,
        volume: None,
        observed_at: at(micros),
        received_at: at(micros + 1),
        provider: ProviderName::manual(),
        raw_response_id: None,
    })
}

pub(crate) fn average(sequence: u64, symbol: &str) -> LogEntry {
    LogEntry::Average {
        sequence: Sequence(sequence),
        average: MovingAverage {
            symbol: Symbol::parse(symbol).expect("a symbol"),
            window: Window::new(5).expect("a window"),
            at: Position {
                observed_at: at(sequence as i64),
                id: PriceId::new(sequence).expect("an id"),
            },
            mean: Mean::from_stored("0.25".parse().expect("a decimal")),
        },
    }
}
