//! Copying everything from one store to another, and proving that it arrived.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::codec::snapshot::{Line, encode};
use crate::model::{SnapshotRecord, Symbol};
use crate::ports::Store;

/// Records moved at once.
const PORTION: usize = 1_000;
/// Differences that a report lists.
const MAX_LISTED: usize = 20;

/// What is counted and summed together: the prices of a symbol and day, or all of another kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Prices { symbol: Symbol, day: String },
    Others(&'static str),
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prices { symbol, day } => write!(f, "prices of {symbol} on {day}"),
            Self::Others(kind) => f.write_str(kind),
        }
    }
}

/// Counts and checksums of a store, by group. The sums do not depend on the order of records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    groups: BTreeMap<Group, (u64, u128)>,
}

impl Inventory {
    /// Reads a whole store as it is now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(store: &dyn Store, mut progress: impl FnMut(u64)) -> anyhow::Result<Self> {
        let mut inventory = Self::default();
        let mut snapshot = store.snapshot().await?;
        loop {
            let records = snapshot.next(PORTION).await?;
            if records.is_empty() {
                return Ok(inventory);
            }
            records.iter().for_each(|record| inventory.add(record));
            progress(inventory.n_records());
        }
    }

    pub fn n_records(&self) -> u64 {
        self.groups.values().map(|(count, _)| count).sum()
    }

    /// How many records there are of each kind.
    pub fn by_kind(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for (group, (count, _)) in &self.groups {
            let kind = match group {
                Group::Prices { .. } => "prices",
                Group::Others(kind) => kind,
            };
            *kinds.entry(kind).or_default() += count;
        }
        kinds
    }

    fn add(&mut self, record: &SnapshotRecord) {
        let group = match record {
            // The copy may be ahead: it must only not be behind.
            SnapshotRecord::Counters { .. } => return,
            SnapshotRecord::History(versions) => {
                let Some(first) = versions.first() else { return };
                let observation = &first.price.observation;
                let day = observation.observed_at.to_string().chars().take(10).collect();
                Group::Prices { symbol: observation.symbol.clone(), day }
            }
            other => Group::Others(other.kind()),
        };
        let hash = Sha256::digest(encode(&Line::Record(record.clone())));
        let half = hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        let (count, sum) = self.groups.entry(group).or_default();
        *count += 1;
        *sum = sum.wrapping_add(half);
    }

    /// Where `copy` is not as this is, in words; empty when everything is there and the same.
    pub fn differences(&self, copy: &Self) -> Vec<String> {
        let mut groups: Vec<&Group> = self.groups.keys().chain(copy.groups.keys()).collect();
        groups.sort_unstable();
        groups.dedup();
        let of = |inventory: &Self, group| inventory.groups.get(group).copied().unwrap_or_default();
        groups
            .into_iter()
            .filter(|group| of(self, group) != of(copy, group))
            .map(|group| match (of(self, group).0, of(copy, group).0) {
                (ours, theirs) if ours == theirs => {
                    format!("{group}: {ours} in both, but not the same")
                }
                (ours, theirs) => format!("{group}: {ours} here, {theirs} in the copy"),
            })
            .collect()
    }
}

/// Copies a store into another. What is there already is left as it is, so that a copy that was
/// interrupted is simply made again.
///
/// # Errors
/// When one of the stores fails.
pub async fn copy(
    source: &dyn Store,
    target: &dyn Store,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<()> {
    let mut snapshot = source.snapshot().await?;
    let mut n_records = 0;
    loop {
        let records = snapshot.next(PORTION).await?;
        if records.is_empty() {
            return Ok(());
        }
        n_records += records.len() as u64;
        target.load(records).await?;
        progress(n_records);
    }
}

/// Compares two stores.
///
/// # Errors
/// The differences, when there are any.
pub fn prove(source: &Inventory, target: &Inventory) -> anyhow::Result<()> {
    let differences = source.differences(target);
    let shown = differences.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join("\n  - ");
    let n_more = differences.len().saturating_sub(MAX_LISTED);
    let more = if n_more > 0 { format!("\n  - and {n_more} more") } else { String::new() };
    differences
        .is_empty()
        .then_some(())
        .with_context(|| format!("the copy is not what was copied:\n  - {shown}{more}"))
}
