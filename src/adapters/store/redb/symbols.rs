//! The number each symbol has in keys, kept in memory: there are few symbols and every call needs
//! one.

use std::collections::{BTreeMap, HashMap};

use parking_lot::RwLock;

use crate::model::Symbol;

/// Symbols and their numbers. A number that was handed out in a transaction that failed names a
/// symbol without rows until the writer reloads.
#[derive(Default)]
pub(super) struct Symbols(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    numbers: HashMap<Symbol, u32>,
    /// By number. Numbers of symbols loaded from another store may leave gaps.
    names: BTreeMap<u32, Symbol>,
}

impl Symbols {
    pub(super) fn number(&self, symbol: &Symbol) -> Option<u32> {
        self.0.read().numbers.get(symbol).copied()
    }

    pub(super) fn name(&self, number: u32) -> Option<Symbol> {
        self.0.read().names.get(&number).cloned()
    }

    /// All symbols with their numbers.
    pub(super) fn all(&self) -> Vec<(u32, Symbol)> {
        self.0.read().names.iter().map(|(number, name)| (*number, name.clone())).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().names.len()
    }

    /// Gives a new symbol the number wanted if that is free, else one that is.
    pub(super) fn add(&self, symbol: &Symbol, wanted: Option<u32>) -> u32 {
        let mut inner = self.0.write();
        let free = |number: &u32| !inner.names.contains_key(number);
        let mut number = inner.names.len() as u32;
        while !free(&number) {
            number += 1;
        }
        let number = wanted.filter(free).unwrap_or(number);
        inner.names.insert(number, symbol.clone());
        inner.numbers.insert(symbol.clone(), number);
        number
    }

    /// Starts over with these symbols.
    pub(super) fn replace(&self, names: BTreeMap<u32, Symbol>) {
        let numbers = names.iter().map(|(number, name)| (name.clone(), *number)).collect();
        *self.0.write() = Inner { numbers, names };
    }
}
