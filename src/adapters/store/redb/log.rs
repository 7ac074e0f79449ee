//! Writing the log: runs of changes, which of them wait for the bus, and what may go.

use std::collections::BTreeSet;

use redb::ReadableTable;

use super::heads::Head;
use super::memory::Staged;
use super::seal::seal;
use super::series::{Entry, PRICES, Series, SeriesKey};
use super::tables::Tables;
use super::{Result, corrupt, storage};
use crate::codec::journal::{self, Run, RunKind};
use crate::codec::record::PriceRow;
use crate::model::{EventKind, MovingAverage, Position, Symbol, Window};
use crate::ports::StoreErrorKind;

/// Changes of one run: reading a portion of the log decodes whole runs.
const RUN_CHANGES: u64 = 1_024;
/// Heads that a small commit seals at most, so that a burst of them does not hold it up.
const SEALED_AT_LEAST: usize = 64;

impl Tables<'_> {
    /// Logs a change of a price and stages the row it leaves.
    pub(super) fn log_price(
        &mut self,
        key: SeriesKey,
        kind: EventKind,
        row: PriceRow,
    ) -> Result<()> {
        let sequence = self.next_change(RunKind::Prices)?;
        self.run(|run| run.push_price(kind, &row));
        self.memory.crowds.note(key, &row);
        let staged = self.staged.prices.entry(key).or_default();
        staged.insert(row.price.position(), (sequence, row));
        Ok(())
    }

    pub(super) fn log_average(&mut self, key: SeriesKey, average: &MovingAverage) -> Result<()> {
        let sequence = self.next_change(RunKind::Averages)?;
        self.run(|run| run.push_average(average));
        let staged = self.staged.averages.entry(key).or_default();
        staged.insert(average.at, (sequence, Some(average.mean)));
        Ok(())
    }

    pub(super) fn log_removal(
        &mut self,
        key: SeriesKey,
        symbol: &Symbol,
        window: Window,
        at: Position,
    ) -> Result<()> {
        let sequence = self.next_change(RunKind::Removals)?;
        self.run(|run| run.push_removal(symbol, window, at));
        self.staged.averages.entry(key).or_default().insert(at, (sequence, None));
        Ok(())
    }

    fn run(&mut self, push: impl FnOnce(&mut Run)) {
        if let Some(run) = &mut self.run {
            push(run);
        }
    }

    /// The sequence of the next change, with a run of its kind to put it in.
    fn next_change(&mut self, kind: RunKind) -> Result<u64> {
        if self.run.as_ref().is_some_and(|run| run.kind != kind || run.n_changes >= RUN_CHANGES) {
            self.flush_run()?;
        }
        self.run.get_or_insert_with(|| Run::new(kind));
        self.counters.last_sequence += 1;
        self.staged.first.get_or_insert(self.counters.last_sequence);
        Ok(self.counters.last_sequence)
    }

    pub(super) fn flush_run(&mut self) -> Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        let last = self.counters.last_sequence;
        self.insert_run(last + 1 - run.n_changes, &run)
    }

    /// Adds a run to the log; prices wait for the bus from now on.
    pub(super) fn insert_run(&mut self, first: u64, run: &Run) -> Result<()> {
        self.journal.insert(first, run.encode().as_slice()).map_err(storage)?;
        self.counters.n_logged += run.n_changes;
        self.staged.runs.push((first, run.n_changes));
        if run.kind == RunKind::Prices {
            self.wait_for_bus(first, first + run.n_changes - 1)?;
        }
        Ok(())
    }

    fn wait_for_bus(&mut self, first: u64, last: u64) -> Result<()> {
        let newest = self
            .unconfirmed
            .last()
            .map_err(storage)?
            .map(|(start, end)| (start.value(), end.value()));
        let start = match newest {
            Some((start, end)) if end + 1 == first => start,
            _ => first,
        };
        self.unconfirmed.insert(start, last).map_err(storage)?;
        Ok(())
    }

    /// Takes sequences from `first` to `last` out of those that wait.
    pub(super) fn confirm(&mut self, first: u64, last: u64) -> Result<()> {
        loop {
            let found = self
                .unconfirmed
                .range(..=last)
                .map_err(storage)?
                .next_back()
                .transpose()
                .map_err(storage)?
                .map(|(start, end)| (start.value(), end.value()));
            let Some((start, end)) = found.filter(|(_, end)| *end >= first) else {
                return Ok(());
            };
            self.unconfirmed.remove(start).map_err(storage)?;
            if start < first {
                self.unconfirmed.insert(start, first - 1).map_err(storage)?;
            }
            if last < end {
                self.unconfirmed.insert(last + 1, end).map_err(storage)?;
            }
        }
    }

    /// Seals the heads of the last commit that make a block, and those whose oldest change lies
    /// more than `unsealed_entries` back in the log. What this transaction adds is left for the
    /// next, so that a reader sees the same before and after the heads are published.
    pub(super) fn seal_what_is_due(&mut self, unsealed_entries: u64) -> Result<()> {
        let runs = std::mem::take(&mut self.staged.runs);
        let n_changes: u64 = runs.iter().map(|(_, n_changes)| n_changes).sum();
        for (first, n_changes) in runs {
            self.memory.note_run(first, n_changes, unsealed_entries);
        }
        let due = match self.memory.recent_runs.front() {
            _ if self.staged.seal_all => u64::MAX,
            Some((first, _)) => *first,
            None => self.counters.last_sequence + 1,
        };
        let at_most = match usize::try_from(n_changes) {
            _ if self.staged.seal_all => usize::MAX,
            Ok(n_changes) => n_changes.max(SEALED_AT_LEAST),
            Err(_) => usize::MAX,
        };
        let old: BTreeSet<SeriesKey> = self
            .memory
            .by_age
            .iter()
            .take_while(|(oldest, _)| *oldest < due)
            .take(at_most)
            .map(|(_, key)| *key)
            .collect();
        for key in &old {
            self.seal_head(*key, false)?;
        }
        let full: Vec<SeriesKey> =
            self.memory.full.iter().filter(|key| !old.contains(key)).copied().collect();
        for key in full {
            self.seal_head(key, true)?;
        }
        self.counters.unsealed_from = self.unsealed_from();
        Ok(())
    }

    pub(super) fn seal_head(&mut self, key: SeriesKey, keep_rest: bool) -> Result<()> {
        if key.1 == PRICES {
            let sealed = self.seal_entries(key, keep_rest)?;
            self.staged.sealed_prices.extend(sealed);
        } else {
            let sealed = self.seal_entries(key, keep_rest)?;
            self.staged.sealed_averages.extend(sealed);
        }
        Ok(())
    }

    fn seal_entries<E: Entry>(
        &mut self,
        key: SeriesKey,
        keep_rest: bool,
    ) -> Result<Option<(SeriesKey, Option<Head<E>>)>> {
        let Some(head) = self.heads.head::<E>(key).cloned() else { return Ok(None) };
        if !self.staged.sealed.insert(key) {
            return Ok(None);
        }
        let series = Series { key, symbol: self.symbol_of(key.0)? };
        let entries = head.entries.iter().map(|(at, (_, entry))| (*at, entry.clone())).collect();
        let rest = seal(self, &series, entries, keep_rest)?;
        let rest = Head::of(
            rest.into_iter()
                .filter_map(|(at, entry)| {
                    head.entries.get(&at).map(|(sequence, _)| (at, (*sequence, entry)))
                })
                .collect(),
        );
        let through = rest.as_ref().map_or(self.committed_sequence(), |rest| rest.oldest - 1);
        self.sealed.insert(key, through).map_err(storage)?;
        Ok(Some((key, rest)))
    }

    /// The oldest change that lies in the log only, once this transaction is committed.
    fn unsealed_from(&self) -> u64 {
        let Staged { sealed_prices, sealed_averages, sealed, first, .. } = &self.staged;
        let heads = self.memory.by_age.iter().find(|(_, key)| !sealed.contains(key));
        let rests = sealed_prices
            .iter()
            .filter_map(|(_, rest)| rest.as_ref().map(|rest| rest.oldest))
            .chain(
                sealed_averages
                    .iter()
                    .filter_map(|(_, rest)| rest.as_ref().map(|rest| rest.oldest)),
            );
        heads
            .map(|(oldest, _)| *oldest)
            .into_iter()
            .chain(rests)
            .chain(*first)
            .min()
            .unwrap_or(self.counters.last_sequence + 1)
    }

    /// Drops the oldest runs of the log while `keep` changes are left; none that waits for the bus
    /// or is not sealed. At most a few at a time, so that no commit takes long.
    pub(super) fn trim_log(&mut self, keep: u64) -> Result<()> {
        const RUNS_AT_A_TIME: usize = 256;
        if self.counters.n_logged <= keep {
            return Ok(());
        }
        let waiting = self
            .unconfirmed
            .first()
            .map_err(storage)?
            .map_or(u64::MAX, |(sequence, _)| sequence.value());
        let needed = waiting.min(self.counters.unsealed_from);
        for _ in 0..RUNS_AT_A_TIME {
            let oldest = self
                .journal
                .first()
                .map_err(storage)?
                .map(|(first, bytes)| {
                    journal::header(bytes.value()).map(|(_, n_changes)| (first.value(), n_changes))
                })
                .transpose()
                .map_err(corrupt)?;
            let Some((first, n_changes)) = oldest else { return Ok(()) };
            if first + n_changes > needed || self.counters.n_logged - n_changes < keep {
                return Ok(());
            }
            self.journal.remove(first).map_err(storage)?;
            self.counters.n_logged -= n_changes;
        }
        Ok(())
    }

    pub(super) fn symbol_of(&self, number: u32) -> Result<Symbol> {
        self.names.name(number).ok_or_else(|| {
            StoreErrorKind::Corrupt.because(format!("symbol number {number} has no name"))
        })
    }
}
