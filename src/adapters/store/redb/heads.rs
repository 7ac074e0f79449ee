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

/// What putting an entry made of a head.
pub(super) struct Put {
    pub(super) n_entries: usize,
    pub(super) oldest_before: Option<u64>,
    pub(super) oldest: u64,
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

    /// Puts an entry in its head.
    pub(super) fn put<E: Entry>(
        &mut self,
        key: SeriesKey,
        at: Position,
        sequence: u64,
        entry: E,
    ) -> Put {
        let heads = E::heads_mut(self);
        let oldest_before = heads.get(&key).map(|head| head.oldest);
        let head = heads
            .entry(key)
            .or_insert_with(|| Arc::new(Head { oldest: sequence, entries: BTreeMap::new() }));
        let head = Arc::make_mut(head);
        // Entries come in the order of their positions, which is not that of their changes.
        head.oldest = head.oldest.min(sequence);
        head.entries.insert(at, (sequence, entry));
        Put { n_entries: head.entries.len(), oldest_before, oldest: head.oldest }
    }

    /// Replaces a head by what is left of it.
    pub(super) fn replace<E: Entry>(&mut self, key: SeriesKey, rest: Option<Head<E>>) {
        match rest {
            Some(head) => E::heads_mut(self).insert(key, Arc::new(head)),
            None => E::heads_mut(self).remove(&key),
        };
    }
}
