//! The number each symbol has in keys, kept in memory: there are few symbols and every call needs
//! one.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::model::Symbol;

/// Symbols and their numbers. A number that was handed out in a transaction that failed names a
/// symbol without rows until the writer reloads.
#[derive(Default)]
pub(super) struct Symbols(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    numbers: HashMap<Symbol, u32>,
    names: Vec<Symbol>,
}

impl Symbols {
    pub(super) fn number(&self, symbol: &Symbol) -> Option<u32> {
        self.0.read().numbers.get(symbol).copied()
    }

    pub(super) fn name(&self, number: u32) -> Option<Symbol> {
        self.0.read().names.get(number as usize).cloned()
    }

    /// All symbols with their numbers.
    pub(super) fn all(&self) -> Vec<(u32, Symbol)> {
        let inner = self.0.read();
        inner.names.iter().enumerate().map(|(number, name)| (number as u32, name.clone())).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().names.len()
    }

    /// Gives a new symbol the next number.
    pub(super) fn add(&self, symbol: &Symbol) -> u32 {
        let mut inner = self.0.write();
        let number = inner.names.len() as u32;
        inner.names.push(symbol.clone());
        inner.numbers.insert(symbol.clone(), number);
        number
    }

    /// Starts over with symbols in the order of their numbers.
    pub(super) fn replace(&self, names: Vec<Symbol>) {
        let numbers =
            names.iter().enumerate().map(|(number, name)| (name.clone(), number as u32)).collect();
        *self.0.write() = Inner { numbers, names };
    }
}
