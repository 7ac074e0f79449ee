//! Finding a price by its natural key, without an index: the symbol and the instant lead to the
//! few rows it can be among.
//!
//! Only where one instant has many rows (ticks stamped with the day alone, told apart by external
//! ids) looking through them does not do. For such a crowd the writer keeps their keys in memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::Result;
use super::series::{Entry, Series, SeriesKey, index_from};
use super::tables::Tables;
use crate::codec::record::PriceRow;
use crate::model::{Observation, Position, PriceId, Timestamp};

/// An instant with more rows than this is a crowd.
const CROWD: usize = 64;
/// Keys kept in all; beyond that all are forgotten and gathered again where they are asked for.
const MAX_KEYS: usize = 500_000;

/// The keys of crowded instants, hashed.
#[derive(Default)]
pub(super) struct Crowds {
    by_instant: HashMap<(SeriesKey, Timestamp), HashMap<u64, Position>>,
    n_keys: usize,
    hasher: RandomState,
}

impl Crowds {
    fn hash(&self, observation: &Observation) -> u64 {
        self.hasher.hash_one((&observation.provider, &observation.external_id))
    }

    /// Takes a new row into the crowd it belongs to, if there is one.
    pub(super) fn note(&mut self, key: SeriesKey, row: &PriceRow) {
        if self.by_instant.is_empty() {
            return;
        }
        let observation = &row.price.observation;
        let hash = self.hash(observation);
        if let Some(crowd) = self.by_instant.get_mut(&(key, observation.observed_at)) {
            self.n_keys += usize::from(crowd.insert(hash, row.price.position()).is_none());
        }
    }

    fn keep(&mut self, key: SeriesKey, at: Timestamp, crowd: HashMap<u64, Position>) {
        if self.n_keys + crowd.len() > MAX_KEYS {
            self.by_instant.clear();
            self.n_keys = 0;
        }
        self.n_keys += crowd.len();
        let before = self.by_instant.insert((key, at), crowd);
        self.n_keys -= before.map_or(0, |crowd| crowd.len());
    }
}

fn has_key(row: &PriceRow, observation: &Observation) -> bool {
    let stored = &row.price.observation;
    stored.provider == observation.provider && stored.external_id == observation.external_id
}

impl Tables<'_> {
    /// The row with the natural key of an observation.
    pub(super) fn row_with_key(
        &mut self,
        series: &Series,
        observation: &Observation,
    ) -> Result<Option<PriceRow>> {
        let at = observation.observed_at;
        if let Some(crowd) = self.memory.crowds.by_instant.get(&(series.key, at)) {
            let Some(position) = crowd.get(&self.memory.crowds.hash(observation)).copied() else {
                return Ok(None);
            };
            let row = self.row_at(series, position)?.filter(|row| has_key(row, observation));
            if row.is_some() {
                return Ok(row);
            }
            // Two keys with one hash: looked through like any.
        }
        let mut found = None;
        let mut n_rows = 0;
        self.look_through(series, at, &mut |row| {
            n_rows += 1;
            if has_key(row, observation) {
                found = Some(row.clone());
            }
            found.is_none()
        })?;
        if n_rows > CROWD {
            let mut crowd = HashMap::new();
            let hasher = self.memory.crowds.hasher.clone();
            self.look_through(series, at, &mut |row| {
                let stored = &row.price.observation;
                let hash = hasher.hash_one((&stored.provider, &stored.external_id));
                crowd.insert(hash, row.price.position());
                true
            })?;
            self.memory.crowds.keep(series.key, at, crowd);
        }
        Ok(found)
    }

    /// Shows the rows of one instant, newer states first, for as long as `show` wants more.
    fn look_through(
        &mut self,
        series: &Series,
        at: Timestamp,
        show: &mut impl FnMut(&PriceRow) -> bool,
    ) -> Result<()> {
        let first = Position { observed_at: at, id: PriceId::MIN };
        let last = Position { observed_at: at, id: PriceId::MAX };
        let staged = self.staged.prices.get(&series.key);
        let head = self.heads.head::<PriceRow>(series.key);
        let unsealed = staged
            .into_iter()
            .flat_map(|entries| entries.range(first..=last))
            .chain(head.into_iter().flat_map(|head| head.entries.range(first..=last)));
        for (_, (_, row)) in unsealed {
            if !show(row) {
                return Ok(());
            }
        }
        let mut from = first;
        while self.end::<PriceRow>(series.key)?.is_some_and(|end| from <= end) {
            let Some((end, block)) = self.block::<PriceRow>(series, from)? else { break };
            for index in index_from::<PriceRow>(&block, from)?..block.len() {
                if PriceRow::position(&block, index)? > last
                    || !show(&PriceRow::get(&block, series, index)?)
                {
                    return Ok(());
                }
            }
            // The rows of one instant may go over several blocks.
            match PriceId::new(end.id.get() + 1) {
                Some(id) if end.observed_at == at => from = Position { id, ..end },
                _ => break,
            }
        }
        Ok(())
    }
}
