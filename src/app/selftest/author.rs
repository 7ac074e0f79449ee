//! What one client writes, and what it was told about it.
//!
//! A step that got no answer is sent again until it gets one, as a careful client does, so in the
//! end nothing is in doubt. What was told is held against what had been told before: an
//! acknowledged price that is sent again must be a duplicate, a correction must be the next version.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rust_decimal::Decimal;

use crate::model::Timestamp;

/// `SplitMix64`: a run is repeated by its seed.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// The natural key of a price, but for its provider, which all clients share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub symbol: String,
    pub observed_at: Timestamp,
    pub external_id: String,
}

/// The provider of everything that is written.
pub const PROVIDER: &str = "selftest";

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A price that is not there: never written, or deleted.
    Record {
        key: Key,
        price: Decimal,
    },
    /// A price that is there, sent again as it is.
    Repeat {
        key: Key,
        price: Decimal,
    },
    /// Another value for a price that is there.
    Correct {
        id: u64,
        price: Decimal,
    },
    Delete {
        id: u64,
    },
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Stored {
        id: u64,
        version: u32,
    },
    Duplicate {
        id: u64,
        version: u32,
    },
    Conflict,
    Corrected {
        version: u32,
    },
    Deleted,
    /// There is no such price.
    Unknown,
}

/// One version of a price as it was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub price: Decimal,
    pub deleted: bool,
}

/// Everything that was acknowledged about one price, oldest version first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub id: u64,
    pub versions: Vec<Told>,
}

impl Acknowledged {
    /// The price as it should be shown now; none when it is deleted.
    pub fn current(&self) -> Option<Decimal> {
        self.versions.last().filter(|told| !told.deleted).map(|told| told.price)
    }
}

/// What was acknowledged, by key.
pub type Journal = BTreeMap<Key, Acknowledged>;

/// How often what was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub n_recorded: u64,
    pub n_duplicates: u64,
    pub n_corrected: u64,
    pub n_deleted: u64,
    /// Steps that were sent again because no answer had come.
    pub n_sent_again: u64,
}

impl Tally {
    pub fn n_acknowledged(&self) -> u64 {
        self.n_recorded + self.n_duplicates + self.n_corrected + self.n_deleted
    }

    pub fn add(&mut self, other: &Self) {
        self.n_recorded += other.n_recorded;
        self.n_duplicates += other.n_duplicates;
        self.n_corrected += other.n_corrected;
        self.n_deleted += other.n_deleted;
        self.n_sent_again += other.n_sent_again;
    }
}

/// One client: what it writes next, and what it knows.
#[derive(Debug)]
pub struct Author {
    name: String,
    symbols: Vec<String>,
    random: Random,
    start: Timestamp,
    n_steps: u64,
    journal: Journal,
    keys: Vec<Key>,
    key_of: HashMap<u64, Key>,
    last: Option<u64>,
    pub tally: Tally,
}

impl Author {
    /// Clients of different names never write the same key.
    pub fn new(name: String, symbols: Vec<String>, random: Random, start: Timestamp) -> Self {
        Self {
            name,
            symbols,
            random,
            start,
            n_steps: 0,
            journal: Journal::new(),
            keys: Vec::new(),
            key_of: HashMap::new(),
            last: None,
            tally: Tally::default(),
        }
    }

    /// Of ten writes about six are new, one of them late; the others repeat, correct or delete.
    pub fn next_step(&mut self) -> Step {
        self.n_steps += 1;
        let kind = self.random.below(100);
        if let Some((key, known)) = self.any_known()
            && kind >= 60
        {
            let (key, id) = (key.clone(), known.id);
            return match (known.current(), kind) {
                (Some(price), 60..75) => Step::Repeat { key, price },
                (Some(price), 75..93) => Step::Correct { id, price: self.price_other_than(price) },
                (Some(_), _) => Step::Delete { id },
                (None, _) => Step::Record { key, price: self.price() },
            };
        }
        Step::Record { key: self.new_key(kind < 10), price: self.price() }
    }

    fn any_known(&mut self) -> Option<(&Key, &Acknowledged)> {
        let n_keys = self.keys.len() as u64;
        let index = self.random.below(n_keys.max(1)) as usize;
        let key = self.keys.get(index)?;
        Some((key, self.journal.get(key)?))
    }

    /// Clients write about the same seconds, so that their prices lie between each other.
    fn new_key(&mut self, is_late: bool) -> Key {
        let index = self.random.below(self.symbols.len() as u64) as usize;
        let secs = if is_late { self.random.below(self.n_steps) } else { self.n_steps };
        Key {
            symbol: self.symbols[index].clone(),
            observed_at: self.start.plus(Duration::from_secs(secs)),
            external_id: format!("{}-{}", self.name, self.n_steps),
        }
    }

    fn price(&mut self) -> Decimal {
        Decimal::new(self.random.below(10_000_000) as i64 + 1, self.random.below(5) as u32)
            .normalize()
    }

    fn price_other_than(&mut self, other: Decimal) -> Decimal {
        loop {
            let price = self.price();
            if price != other {
                return price;
            }
        }
    }

    /// Takes in the answer to a step. `sent_before` says that the step had been sent before without
    /// an answer, so that it may have been done then.
    ///
    /// # Errors
    /// When the answer contradicts what was told before, in words.
    pub fn told(&mut self, step: &Step, reply: &Reply, sent_before: bool) -> Result<(), String> {
        self.tally.n_sent_again += u64::from(sent_before);
        let contradiction = || Err(format!("{step:?} was answered {reply:?}"));
        match (step, reply) {
            (Step::Record { key, price }, Reply::Stored { id, version }) => {
                self.record(key, *price, *id, *version)
            }
            (Step::Record { key, price }, Reply::Duplicate { id, version }) if sent_before => {
                self.record(key, *price, *id, *version)
            }
            (Step::Repeat { key, .. }, Reply::Duplicate { id, version }) => {
                self.tally.n_duplicates += 1;
                let known = self.journal.get(key).filter(|known| known.id == *id);
                match known {
                    Some(known) if known.versions.len() == *version as usize => Ok(()),
                    _ => contradiction(),
                }
            }
            (Step::Correct { id, price }, Reply::Corrected { version }) => {
                self.tally.n_corrected += 1;
                self.add_version(*id, Told { price: *price, deleted: false }, Some(*version))
            }
            (Step::Delete { id }, Reply::Deleted) => self.delete(*id),
            (Step::Delete { id }, Reply::Unknown) if sent_before => self.delete(*id),
            _ => contradiction(),
        }
    }

    fn record(&mut self, key: &Key, price: Decimal, id: u64, version: u32) -> Result<(), String> {
        self.tally.n_recorded += 1;
        let told = Told { price, deleted: false };
        match self.journal.get(key) {
            None if version == 1 => {
                self.keys.push(key.clone());
                self.key_of.insert(id, key.clone());
                self.last = Some(id);
                self.journal.insert(key.clone(), Acknowledged { id, versions: vec![told] });
                Ok(())
            }
            Some(known) if known.id == id => self.add_version(id, told, Some(version)),
            _ => Err(format!("{key:?} was stored as version {version} of {id}")),
        }
    }

    fn delete(&mut self, id: u64) -> Result<(), String> {
        self.tally.n_deleted += 1;
        let known = self.key_of.get(&id).and_then(|key| self.journal.get(key));
        match known.and_then(Acknowledged::current) {
            Some(price) => self.add_version(id, Told { price, deleted: true }, None),
            None => Err(format!("{id} was deleted twice")),
        }
    }

    fn add_version(&mut self, id: u64, told: Told, version: Option<u32>) -> Result<(), String> {
        let known = self.key_of.get(&id).and_then(|key| self.journal.get_mut(key));
        let Some(known) = known else { return Err(format!("{id} is nobody's price")) };
        known.versions.push(told);
        self.last = Some(id);
        match version {
            Some(version) if version as usize != known.versions.len() => Err(format!(
                "version {} of {id} was stored as version {version}",
                known.versions.len()
            )),
            _ => Ok(()),
        }
    }

    /// A price that was acknowledged, and its value now if it has one.
    pub fn any_acknowledged(&mut self) -> Option<(u64, Option<Decimal>)> {
        self.any_known().map(|(_, known)| (known.id, known.current()))
    }

    /// The price whose version was acknowledged last, and how many versions it has.
    pub fn last_told(&self) -> Option<(u64, usize)> {
        let key = self.key_of.get(&self.last?)?;
        let known = self.journal.get(key)?;
        Some((known.id, known.versions.len()))
    }

    pub fn into_journal(self) -> Journal {
        self.journal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> Author {
        let start = Timestamp::from_secs(1_700_000_000).expect("a time");
        Author::new("c1".into(), vec!["A".into(), "B".into()], Random(7), start)
    }

    #[test]
    fn an_acknowledged_price_that_is_stored_anew_is_a_contradiction() {
        let mut author = author();
        let step = author.next_step();
        author.told(&step, &Reply::Stored { id: 4, version: 1 }, false).expect("plausible");
        let Step::Record { key, price } = step else { panic!("the first step records") };
        let repeat = Step::Repeat { key, price };
        author.told(&repeat, &Reply::Duplicate { id: 4, version: 1 }, false).expect("plausible");
        for reply in [
            Reply::Stored { id: 5, version: 1 },
            Reply::Duplicate { id: 5, version: 1 },
            Reply::Duplicate { id: 4, version: 2 },
            Reply::Conflict,
        ] {
            assert!(author.told(&repeat, &reply, false).is_err(), "{reply:?}");
        }
        let correct = Step::Correct { id: 4, price: Decimal::ONE };
        assert!(author.told(&correct, &Reply::Unknown, false).is_err());
        assert!(author.told(&correct, &Reply::Corrected { version: 3 }, false).is_err());
    }

    #[test]
    fn only_what_was_sent_before_may_have_been_done_already() {
        let mut author = author();
        let step = author.next_step();
        let duplicate = Reply::Duplicate { id: 4, version: 1 };
        assert!(author.told(&step, &duplicate, false).is_err());
        author.told(&step, &duplicate, true).expect("it was done when no answer came");
        let delete = Step::Delete { id: 4 };
        assert!(author.told(&delete, &Reply::Unknown, false).is_err());
        author.told(&delete, &Reply::Unknown, true).expect("it was done when no answer came");
        let journal = author.into_journal();
        let known = journal.values().next().expect("a price");
        assert_eq!((known.versions.len(), known.current()), (2, None));
    }
}
