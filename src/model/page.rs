//! How much of a list is asked for, and in which order.

use super::Invalid;

/// How many rows a page has: 1 to 1,000, 100 when not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u16);

impl Limit {
    pub const MAX: u16 = 1_000;

    /// # Errors
    /// When the count is not within 1 to 1,000.
    pub fn new(count: u64) -> Result<Self, Invalid> {
        match u16::try_from(count) {
            Ok(count @ 1..=Self::MAX) => Ok(Self(count)),
            _ => Err(Invalid(format!("a limit is 1 to {}", Self::MAX))),
        }
    }

    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

/// The order of a list of prices by (`observed_at`, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}
