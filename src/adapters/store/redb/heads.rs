//! What is not sealed yet: for each series the entries that so far lie in the log only, kept in
//! memory in their order. Readers put them over what the blocks hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::series::{Entry, SeriesKey};
use crate::codec::record::PriceRow;
use crate::model::{Mean, Position};

/// Entries of one series, each with the sequence of the change that made it.
#[derive(Debug, Clone)]
pub(super) struct Head<E> {
    /// No entry has a lower sequence.
    pub(super) oldest: u64,
    pub(super) entries: BTreeMap<Position, (u64, E)>,
}

impl<E: Entry> Head<E> {
    /// A head of these entries; none when there are none.
    pub(super) fn of(entries: BTreeMap<Position, (u64, E)>) -> Option<Self> {
        let oldest = entries.values().map(|(sequence, _)| *sequence).min()?;
        Some(Self { oldest, entries })
    }

    pub(super) fn get(&self, at: Position) -> Option<&E> {
        self.entries.get(&at).map(|(_, entry)| entry)
    }
}

pub(super) type SeriesHeads<E> = HashMap<SeriesKey, Arc<Head<E>>>;

/// The heads of all series as of the last commit.
///
/// A reader clones the heads it needs, which is one reference each; the writer copies a head only
/// when it changes one that a reader holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads {
    pub(super) prices: SeriesHeads<PriceRow>,
    pub(super) averages: SeriesHeads<Option<Mean>>,
}

impl Heads {
    pub(super) fn head<E: Entry>(&self, key: SeriesKey) -> Option<&Arc<Head<E>>> {
        E::heads(self).get(&key)
    }

    /// Puts an entry in its head; answers how many entries that has now and its oldest change.
    pub(super) fn put<E: Entry>(
        &mut self,
        key: SeriesKey,
        at: Position,
        sequence: u64,
        entry: E,
    ) -> (usize, u64) {
        let head = E::heads_mut(self)
            .entry(key)
            .or_insert_with(|| Arc::new(Head { oldest: sequence, entries: BTreeMap::new() }));
        let head = Arc::make_mut(head);
        head.entries.insert(at, (sequence, entry));
        (head.entries.len(), head.oldest)
    }

    /// Replaces a head by what is left of it.
    pub(super) fn replace<E: Entry>(&mut self, key: SeriesKey, rest: Option<Head<E>>) {
        match rest {
            Some(head) => E::heads_mut(self).insert(key, Arc::new(head)),
            None => E::heads_mut(self).remove(&key),
        };
    }
}
