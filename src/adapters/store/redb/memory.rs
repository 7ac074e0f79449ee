//! What the writer remembers between commits, beside the heads that it shares with readers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::heads::{Head, Heads};
use super::natural_keys::Crowds;

use super::seal::BLOCK_ENTRIES;
use super::series::{BlockCaches, Entry, SeriesKey};
use crate::codec::record::PriceRow;
use crate::model::{Mean, Position};

/// The writer's own notes. All of it can be told from the file.
#[derive(Default)]
pub(super) struct Memory {
    /// The last sealed position of a series; none when it has no block. Missing when not looked up.
    pub(super) ends: HashMap<SeriesKey, Option<Position>>,
    pub(super) caches: BlockCaches,
    pub(super) crowds: Crowds,
    /// Heads by their oldest change.
    pub(super) by_age: BTreeSet<(u64, SeriesKey)>,
    /// Heads with enough entries for a block.
    pub(super) full: BTreeSet<SeriesKey>,
    /// The last runs of the log, as first sequence and number of changes.
    pub(super) recent_runs: VecDeque<(u64, u64)>,
    pub(super) n_recent: u64,
}

impl Memory {
    /// Notes a run of the log, and forgets those more than `keep` changes back.
    pub(super) fn note_run(&mut self, first: u64, n_changes: u64, keep: u64) {
        self.recent_runs.push_back((first, n_changes));
        self.n_recent += n_changes;
        while self.n_recent > keep
            && let Some((_, n_changes)) = self.recent_runs.pop_front()
        {
            self.n_recent -= n_changes;
        }
    }

    /// Puts an entry into its head and notes what that means for sealing.
    pub(super) fn put<E: Entry>(
        &mut self,
        heads: &mut Heads,
        key: SeriesKey,
        at: Position,
        sequence: u64,
        entry: E,
    ) {
        let put = heads.put(key, at, sequence, entry);
        if put.oldest_before != Some(put.oldest) {
            if let Some(before) = put.oldest_before {
                self.by_age.remove(&(before, key));
            }
            self.by_age.insert((put.oldest, key));
        }
        if put.n_entries >= BLOCK_ENTRIES {
            self.full.insert(key);
        }
    }

    fn replace<E: Entry>(&mut self, heads: &mut Heads, key: SeriesKey, rest: Option<Head<E>>) {
        if let Some(head) = heads.head::<E>(key) {
            self.by_age.remove(&(head.oldest, key));
        }
        self.full.remove(&key);
        if let Some(rest) = &rest {
            self.by_age.insert((rest.oldest, key));
        }
        heads.replace(key, rest);
    }

    /// Makes the changes of a committed transaction visible.
    pub(super) fn publish(&mut self, heads: &mut Heads, staged: Staged) {
        for (key, rest) in staged.sealed_prices {
            self.replace(heads, key, rest);
        }
        for (key, rest) in staged.sealed_averages {
            self.replace(heads, key, rest);
        }
        for (key, entries) in staged.prices {
            for (at, (sequence, entry)) in entries {
                self.put(heads, key, at, sequence, entry);
            }
        }
        for (key, entries) in staged.averages {
            for (at, (sequence, entry)) in entries {
                self.put(heads, key, at, sequence, entry);
            }
        }
    }
}

pub(super) type StagedEntries<E> = HashMap<SeriesKey, BTreeMap<Position, (u64, E)>>;

/// What one transaction does to the heads, once it is committed.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) prices: StagedEntries<PriceRow>,
    pub(super) averages: StagedEntries<Option<Mean>>,
    /// The series whose heads were sealed; what those hold lies in the blocks now.
    pub(super) sealed: HashSet<SeriesKey>,
    /// What is left of each sealed head.
    pub(super) sealed_prices: Vec<(SeriesKey, Option<Head<PriceRow>>)>,
    pub(super) sealed_averages: Vec<(SeriesKey, Option<Head<Option<Mean>>>)>,
    /// Runs added to the log, as first sequence and number of changes.
    pub(super) runs: Vec<(u64, u64)>,
    /// The first change of this transaction.
    pub(super) first: Option<u64>,
    /// Every head is sealed, however young.
    pub(super) seal_all: bool,
}
