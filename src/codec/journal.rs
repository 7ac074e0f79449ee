//! Records of the log: runs of consecutive changes of one kind, as one commit made them.
//!
//! A record is at once what the relay publishes, what streams resume from, and what a start
//! rebuilds the unsealed prices and averages from, so it has all of a change but the raw payload.
//! The sequence of the first change is the record's key; each next change has the next sequence.

use super::DecodeError;
use super::bytes::{Reader, put_decimal, put_unsigned};
use super::record::{
    PriceRow, put_row, put_symbol_and_position, read_position, read_price, read_version,
};
use crate::model::price::raw_response_id;
use crate::model::{
    EventKind, Mean, MovingAverage, Position, PriceEvent, Sequence, Symbol, Timestamp, Window,
};

const VERSION: u8 = 1;

/// What the changes of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    Prices = 1,
    Averages = 2,
    /// Averages that no longer exist; nobody is told.
    Removals = 3,
}

/// One change as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Price { kind: EventKind, row: PriceRow },
    Average(MovingAverage),
    Removal { symbol: Symbol, window: Window, at: Position },
}

impl Change {
    /// What the bus is told of a price that changed as number `sequence`; none for the rest.
    pub fn into_event(self, sequence: Sequence) -> Option<PriceEvent> {
        let Self::Price { kind, row } = self else { return None };
        let raw_response_id = row.has_raw.then(|| raw_response_id(row.price.id, row.price.version));
        let observation = row.price.observation;
        Some(PriceEvent {
            message_id: message_id(observation.received_at, sequence),
            kind,
            sequence,
            price_id: row.price.id,
            version: row.price.version,
            symbol: observation.symbol,
            price: observation.price,
            currency: observation.currency,
            volume: observation.volume,
            observed_at: observation.observed_at,
            received_at: observation.received_at,
            provider: observation.provider,
            raw_response_id,
        })
    }
}

/// A `UUIDv7` of the time of receipt; the sequence makes it unique.
fn message_id(received_at: Timestamp, sequence: Sequence) -> u128 {
    let millis = u64::try_from(received_at.as_micros() / 1_000).unwrap_or(0);
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&sequence.0.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().as_u128()
}

/// A record under construction.
#[derive(Debug)]
pub struct Run {
    pub kind: RunKind,
    pub n_changes: u64,
    changes: Vec<u8>,
}

impl Run {
    pub fn new(kind: RunKind) -> Self {
        Self { kind, n_changes: 0, changes: Vec::new() }
    }

    pub fn push_price(&mut self, kind: EventKind, row: &PriceRow) {
        debug_assert_eq!(self.kind, RunKind::Prices);
        self.n_changes += 1;
        self.changes.push(kind as u8);
        put_symbol_and_position(
            &mut self.changes,
            &row.price.observation.symbol,
            row.price.position(),
        );
        put_row(&mut self.changes, row);
    }

    pub fn push_average(&mut self, average: &MovingAverage) {
        debug_assert_eq!(self.kind, RunKind::Averages);
        self.n_changes += 1;
        put_symbol_and_position(&mut self.changes, &average.symbol, average.at);
        put_unsigned(&mut self.changes, u128::from(average.window.get()));
        put_decimal(&mut self.changes, average.mean.decimal());
    }

    pub fn push_removal(&mut self, symbol: &Symbol, window: Window, at: Position) {
        debug_assert_eq!(self.kind, RunKind::Removals);
        self.n_changes += 1;
        put_symbol_and_position(&mut self.changes, symbol, at);
        put_unsigned(&mut self.changes, u128::from(window.get()));
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.changes.len() + 8);
        out.push(VERSION);
        out.push(self.kind as u8);
        put_unsigned(&mut out, u128::from(self.n_changes));
        out.extend_from_slice(&self.changes);
        out
    }
}

/// The kind of a record and how many changes it has, without reading them.
///
/// # Errors
/// When the bytes are no record of a known version.
pub fn header(bytes: &[u8]) -> Result<(RunKind, u64), DecodeError> {
    read_header(&mut Reader(bytes))
}

fn read_header(reader: &mut Reader<'_>) -> Result<(RunKind, u64), DecodeError> {
    read_version(reader)?;
    let kind = match reader.byte()? {
        1 => RunKind::Prices,
        2 => RunKind::Averages,
        3 => RunKind::Removals,
        other => return Err(DecodeError::invalid(format!("unknown log record {other}"))),
    };
    Ok((kind, reader.number()?))
}

/// The changes of a record in order.
///
/// # Errors
/// When the bytes are no record of a known version.
pub fn decode(bytes: &[u8]) -> Result<Vec<Change>, DecodeError> {
    let mut reader = Reader(bytes);
    let (kind, n_changes) = read_header(&mut reader)?;
    let mut changes = Vec::new();
    for _ in 0..n_changes {
        changes.push(read_change(&mut reader, kind)?);
    }
    reader.end()?;
    Ok(changes)
}

fn read_change(reader: &mut Reader<'_>, kind: RunKind) -> Result<Change, DecodeError> {
    let event_kind = match kind {
        RunKind::Prices => Some(reader.byte()?),
        RunKind::Averages | RunKind::Removals => None,
    };
    let symbol = Symbol::parse(reader.str()?).map_err(DecodeError::invalid)?;
    let at = read_position(reader)?;
    if let Some(tag) = event_kind {
        let kind = EventKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == tag)
            .ok_or_else(|| DecodeError::invalid(format!("unknown event {tag}")))?;
        return Ok(Change::Price { kind, row: read_price(reader, symbol, at)? });
    }
    let window = Window::new(reader.number()?).map_err(DecodeError::invalid)?;
    Ok(match kind {
        RunKind::Averages => {
            let mean = Mean::from_stored(reader.decimal()?);
            Change::Average(MovingAverage { symbol, window, at, mean })
        }
        RunKind::Prices | RunKind::Removals => Change::Removal { symbol, window, at },
    })
}
