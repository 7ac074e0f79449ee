//! Whole-store copies, read from one transaction while writes go on.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use redb::{ReadableDatabase, ReadableTable};

use super::averages::set_windows;
use super::reader::PriceReader;
use super::tables::{self, PriceKey, Schema, Tables, price_key};
use super::{
    RedbStore, Result, Shared, assets, audit, closed, corrupt, jobs, keys, ledger, storage,
};
use crate::codec::record;
use crate::model::{AssetClass, Position, PriceVersion, Sequence};
use crate::ports::{Snapshot, SnapshotRecord, Snapshots};

#[async_trait]
impl Snapshots for RedbStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let transaction = {
            let database = self.shared.database.read();
            database.as_ref().ok_or_else(closed)?.begin_read().map_err(storage)?
        };
        let cursor = Cursor { schema: Schema(transaction), place: Place::Counters };
        Ok(Box::new(RedbSnapshot {
            shared: Arc::clone(&self.shared),
            cursor: Arc::new(Mutex::new(cursor)),
        }))
    }

    async fn load(&self, records: Vec<SnapshotRecord>) -> Result<()> {
        self.writer
            .durable(records.len(), move |tables| {
                set_windows(tables, &[])?;
                records.into_iter().try_for_each(|record| load(tables, record))
            })
            .await
    }
}

struct RedbSnapshot {
    shared: Arc<Shared>,
    cursor: Arc<Mutex<Cursor>>,
}

struct Cursor {
    schema: Schema,
    place: Place,
}

/// How far a snapshot has been read: what comes next.
enum Place {
    Counters,
    Prices {
        behind: Option<PriceKey>,
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
        let (shared, cursor) = (Arc::clone(&self.shared), Arc::clone(&self.cursor));
        tokio::task::spawn_blocking(move || cursor.lock().next(&shared, limit))
            .await
            .map_err(|error| crate::ports::StoreErrorKind::Unavailable.because(error))?
    }
}

impl Cursor {
    fn next(&mut self, shared: &Shared, limit: usize) -> Result<Vec<SnapshotRecord>> {
        let mut records = Vec::new();
        if let Place::Counters = self.place {
            let meta = self.schema.meta()?;
            let counter =
                |name| Ok(meta.get(name).map_err(storage)?.map_or(0, |guard| guard.value()));
            records.push(SnapshotRecord::Counters {
                last_price_id: counter("last_price_id")?,
                last_sequence: Sequence(counter("last_sequence")?),
            });
            self.place = Place::Prices { behind: None };
        }
        if let Place::Prices { behind } = self.place {
            self.read_prices(shared, behind, limit, &mut records)?;
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

    fn read_prices(
        &mut self,
        shared: &Shared,
        behind: Option<PriceKey>,
        limit: usize,
        records: &mut Vec<SnapshotRecord>,
    ) -> Result<()> {
        let reader = PriceReader::open(&self.schema, None)?;
        let start = behind.map_or((0, i64::MIN, 0), |(number, observed_at, id)| {
            (number, observed_at, id.saturating_add(1))
        });
        for entry in reader.prices.range(start..).map_err(storage)? {
            if records.len() >= limit {
                return Ok(());
            }
            let (key, bytes) = entry.map_err(storage)?;
            let (number, observed_at, id) = key.value();
            self.place = Place::Prices { behind: Some((number, observed_at, id)) };
            let Some(symbol) = shared.symbols.name(number) else { continue };
            let at = tables::position(observed_at, id)?;
            let row = record::decode_price(symbol, at, bytes.value()).map_err(corrupt)?;
            records.push(SnapshotRecord::History(reader.history(row)?));
        }
        self.place = Place::DeadLetters { after: 0 };
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

fn load(tables: &mut Tables<'_>, record: SnapshotRecord) -> Result<()> {
    match record {
        SnapshotRecord::Counters { last_price_id, last_sequence } => {
            let counters = &mut tables.counters;
            counters.last_price_id = counters.last_price_id.max(last_price_id);
            counters.last_sequence = counters.last_sequence.max(last_sequence);
            Ok(())
        }
        SnapshotRecord::History(versions) => load_history(tables, &versions),
        SnapshotRecord::Job(job) => jobs::load(tables, &job),
        SnapshotRecord::Ledger(ledger) => ledger::load(tables, &ledger),
        SnapshotRecord::Assets(list) => assets::load(tables, &list),
        SnapshotRecord::Key(key) => keys::add(tables, &key).map(|_| ()),
        SnapshotRecord::Audit(entry) => audit::load(tables.transaction, &[entry]),
        SnapshotRecord::DeadLetter(letter) => {
            if tables.dead_letters.get(letter.id).map_err(storage)?.is_some() {
                return Ok(());
            }
            let counters = &mut tables.counters;
            counters.last_dead_letter = counters.last_dead_letter.max(letter.id);
            let bytes = record::encode_dead_letter(&letter);
            tables.dead_letters.insert(letter.id, bytes.as_slice()).map_err(storage)?;
            Ok(())
        }
    }
}

fn load_history(tables: &mut Tables<'_>, versions: &[PriceVersion]) -> Result<()> {
    let Some(current) = versions.last() else { return Ok(()) };
    let id = current.price.id.get();
    if tables.ids.get(id).map_err(storage)?.is_some() {
        return Ok(());
    }
    let observation = &current.price.observation;
    let number = tables.symbol_number(&observation.symbol)?;
    let at = Position { observed_at: observation.observed_at, id: current.price.id };
    tables.counters.last_price_id = tables.counters.last_price_id.max(id);
    tables.ids.insert(id, (number, at.observed_at.as_micros())).map_err(storage)?;
    let natural_key = (
        number,
        at.observed_at.as_micros(),
        observation.provider.as_str(),
        observation.external_id.as_ref().map_or("", |id| id.as_str()),
    );
    tables.natural_keys.insert(natural_key, id).map_err(storage)?;
    for version in versions {
        let row = record::encode_price(&version.price, version.deleted);
        match version.superseded_at {
            None => {
                tables.prices.insert(price_key(number, at), row.as_slice()).map_err(storage)?;
            }
            Some(superseded_at) => {
                let key = (id, version.price.version);
                let value = (superseded_at.as_micros(), row.as_slice());
                tables.versions.insert(key, value).map_err(storage)?;
            }
        }
        if let Some(raw) = &version.price.observation.raw {
            let key = (id, version.price.version);
            tables.raws.insert(key, raw.0.as_bytes()).map_err(storage)?;
        }
    }
    Ok(())
}
