//! Whole-store copies, read from one transaction while writes go on.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use redb::ReadableTable;

use super::averages::set_windows;
use super::cursor::{Cursor, Span};
use super::heads::SeriesHeads;
use super::reader::PriceReader;
use super::seal::seal;
use super::series::Series;
use super::tables::{Schema, Tables};
use super::{RedbStore, Result, assets, audit, corrupt, jobs, keys, ledger, storage};
use crate::codec::record::{self, PriceRow};
use crate::model::{AssetClass, Order, Position, PriceId, PriceVersion, Symbol};
use crate::ports::{Snapshot, SnapshotRecord, Snapshots};

#[async_trait]
impl Snapshots for RedbStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let (schema, heads) = self.shared.read_with(|heads| heads.prices.clone())?;
        let portions =
            Portions { schema, heads, symbols: self.shared.symbols.all(), place: Place::Counters };
        Ok(Box::new(RedbSnapshot(Arc::new(Mutex::new(portions)))))
    }

    async fn load(&self, records: Vec<SnapshotRecord>) -> Result<()> {
        self.writer
            .durable(records.len(), move |tables| {
                set_windows(tables, &[])?;
                load(tables, records)
            })
            .await
    }
}

struct RedbSnapshot(Arc<Mutex<Portions>>);

/// A view of one commit and how far it has been read.
struct Portions {
    schema: Schema,
    heads: SeriesHeads<PriceRow>,
    symbols: Vec<(u32, Symbol)>,
    place: Place,
}

/// How far a snapshot has been read: what comes next.
enum Place {
    Counters,
    /// Prices of the symbol at this index, behind a position.
    Prices {
        index: usize,
        behind: Option<Position>,
    },
    DeadLetters {
        after: u64,
    },
    /// Jobs, accounts and lists of assets: few, and read at once.
    Others(std::vec::IntoIter<SnapshotRecord>),
    Keys {
        n_read: usize,
    },
    Audit {
        after: u64,
    },
}

#[async_trait]
impl Snapshot for RedbSnapshot {
    async fn next(&mut self, limit: usize) -> Result<Vec<SnapshotRecord>> {
        let portions = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || portions.lock().next(limit))
            .await
            .map_err(|error| crate::ports::StoreErrorKind::Unavailable.because(error))?
    }
}

impl Portions {
    fn next(&mut self, limit: usize) -> Result<Vec<SnapshotRecord>> {
        let mut records = Vec::new();
        if let Place::Counters = self.place {
            let counters = self.schema.counters()?;
            records.push(SnapshotRecord::Counters {
                last_price_id: counters.last_price_id,
                last_sequence: counters.sequence(),
            });
            self.place = Place::Prices { index: 0, behind: None };
        }
        while let Place::Prices { index, behind } = self.place
            && records.len() < limit
        {
            self.read_prices(index, behind, limit, &mut records)?;
        }
        if let Place::DeadLetters { after } = self.place
            && records.len() < limit
        {
            let letters = self.schema.dead_letters()?;
            for entry in letters.range(after + 1..).map_err(storage)?.take(limit - records.len()) {
                let (id, bytes) = entry.map_err(storage)?;
                let letter =
                    record::decode_dead_letter(id.value(), bytes.value()).map_err(corrupt)?;
                self.place = Place::DeadLetters { after: letter.id };
                records.push(SnapshotRecord::DeadLetter(letter));
            }
            if records.len() < limit {
                self.place = Place::Others(others(&self.schema)?.into_iter());
            }
        }
        if let Place::Others(others) = &mut self.place {
            let room = limit - records.len();
            records.extend(others.take(room));
            if others.len() == 0 {
                self.place = Place::Keys { n_read: 0 };
            }
        }
        if let Place::Keys { n_read } = self.place {
            let mut keys = keys::all(&self.schema.0)?.split_off(n_read);
            let room = limit - records.len();
            self.place = match keys.len() > room {
                true => Place::Keys { n_read: n_read + room },
                false => Place::Audit { after: 0 },
            };
            keys.truncate(room);
            records.extend(keys.into_iter().map(SnapshotRecord::Key));
        }
        if let Place::Audit { after } = self.place
            && records.len() < limit
        {
            let entries = audit::entries_after(&self.schema.0, after, limit - records.len())?;
            let after = entries.last().map_or(after, |entry| entry.sequence);
            self.place = Place::Audit { after };
            records.extend(entries.into_iter().map(SnapshotRecord::Audit));
        }
        Ok(records)
    }

    /// Reads on among the prices of one symbol and moves to the next at its end.
    fn read_prices(
        &mut self,
        index: usize,
        behind: Option<Position>,
        limit: usize,
        records: &mut Vec<SnapshotRecord>,
    ) -> Result<()> {
        let Some((number, symbol)) = self.symbols.get(index).cloned() else {
            self.place = Place::DeadLetters { after: 0 };
            return Ok(());
        };
        let reader = PriceReader::open(&self.schema, None)?;
        let series = Series::prices(number, symbol);
        let from = behind.map_or(Bound::Included(Position::MIN), Bound::Excluded);
        let span = Span { from, to: Bound::Included(Position::MAX) };
        let head = self.heads.get(&series.key).cloned();
        let blocks = self.schema.blocks()?;
        if let Some(mut cursor) = Cursor::open(&blocks, head, series, span, Order::OldestFirst)? {
            while records.len() < limit {
                let Some((at, row)) = cursor.next()? else { break };
                self.place = Place::Prices { index, behind: Some(at) };
                records.push(SnapshotRecord::History(reader.history(row)?));
            }
        }
        if records.len() < limit {
            self.place = Place::Prices { index: index + 1, behind: None };
        }
        Ok(())
    }
}

fn others(schema: &Schema) -> Result<Vec<SnapshotRecord>> {
    let mut records = jobs::records(schema)?;
    records.extend(ledger::all(schema)?.into_iter().map(SnapshotRecord::Ledger));
    for class in AssetClass::ALL {
        records.extend(assets::all_of(schema, class)?.into_iter().map(SnapshotRecord::Assets));
    }
    Ok(records)
}

fn load(tables: &mut Tables<'_>, records: Vec<SnapshotRecord>) -> Result<()> {
    let mut loaded = Loaded::default();
    for record in records {
        match record {
            SnapshotRecord::Counters { last_price_id, last_sequence } => {
                let counters = &mut tables.counters;
                counters.last_price_id = counters.last_price_id.max(last_price_id);
                counters.last_sequence = counters.last_sequence.max(last_sequence.0);
            }
            SnapshotRecord::History(versions) => loaded.add(tables, &versions)?,
            SnapshotRecord::Job(job) => jobs::load(tables, &job)?,
            SnapshotRecord::Ledger(ledger) => ledger::load(tables, &ledger)?,
            SnapshotRecord::Assets(list) => assets::load(tables, &list)?,
            SnapshotRecord::Key(key) => keys::add(tables, &key).map(|_| ())?,
            SnapshotRecord::Audit(entry) => audit::load(tables.transaction, &[entry])?,
            SnapshotRecord::DeadLetter(letter) => {
                if tables.dead_letters.get(letter.id).map_err(storage)?.is_some() {
                    continue;
                }
                let counters = &mut tables.counters;
                counters.last_dead_letter = counters.last_dead_letter.max(letter.id);
                let bytes = record::encode_dead_letter(&letter);
                tables.dead_letters.insert(letter.id, bytes.as_slice()).map_err(storage)?;
            }
        }
    }
    loaded.seal(tables)
}

/// Prices of one portion. They make no events, so they are in no log and are sealed at once.
#[derive(Default)]
struct Loaded {
    rows: HashMap<u32, (Symbol, Vec<(Position, PriceRow)>)>,
    ids: HashSet<PriceId>,
}

impl Loaded {
    fn add(&mut self, tables: &mut Tables<'_>, versions: &[PriceVersion]) -> Result<()> {
        let Some(current) = versions.last() else { return Ok(()) };
        let id = current.price.id;
        let symbol = &current.price.observation.symbol;
        let number = tables.symbol_number_like(symbol, id)?;
        let series = Series::prices(number, symbol.clone());
        // Its place is found at once; an id may be in any block when prices came late.
        if !self.ids.insert(id) || tables.row_at(&series, current.price.position())?.is_some() {
            return Ok(());
        }
        tables.counters.last_price_id = tables.counters.last_price_id.max(id.get());
        tables.counters.n_prices += 1;
        tables.own(id, number)?;
        for version in versions {
            if let Some(raw) = &version.price.observation.raw {
                let key = (id.get(), version.price.version);
                tables.raws.insert(key, raw.0.as_bytes()).map_err(storage)?;
            }
            let row = row(version);
            match version.superseded_at {
                Some(superseded_at) => {
                    let key = (id.get(), version.price.version);
                    let bytes = record::encode_row(&row);
                    let value = (superseded_at.as_micros(), bytes.as_slice());
                    tables.versions.insert(key, value).map_err(storage)?;
                }
                None => {
                    let (_, rows) =
                        self.rows.entry(number).or_insert_with(|| (symbol.clone(), Vec::new()));
                    rows.push((row.price.position(), row));
                }
            }
        }
        Ok(())
    }

    fn seal(self, tables: &mut Tables<'_>) -> Result<()> {
        for (number, (symbol, mut rows)) in self.rows {
            rows.sort_by_key(|(at, _)| *at);
            seal(tables, &Series::prices(number, symbol), rows, false)?;
        }
        Ok(())
    }
}

fn row(version: &PriceVersion) -> PriceRow {
    let mut price = version.price.clone();
    let has_raw = price.observation.raw.take().is_some();
    PriceRow { price, deleted: version.deleted, has_raw }
}
