//! Moving averages computed at once from all prices, with decimals and slices and no running sum:
//! written apart from the averager, to be compared with what that stored.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::author::Journal;
use crate::model::Timestamp;

/// Where an average lies: the time and the id of the newest price in its window.
pub type Place = (Timestamp, u64);

/// The prices of each symbol as a journal says they should be shown, by time and id.
pub fn prices_by_symbol(journal: &Journal) -> BTreeMap<String, BTreeMap<Place, Decimal>> {
    let mut symbols: BTreeMap<String, BTreeMap<Place, Decimal>> = BTreeMap::new();
    for (key, known) in journal {
        // A symbol whose last price was deleted has no averages, and that is to be checked too.
        let prices = symbols.entry(key.symbol.clone()).or_default();
        if let Some(price) = known.current() {
            prices.insert((key.observed_at, known.id), price);
        }
    }
    symbols
}

/// The arithmetic mean of each price and the `window - 1` before it.
pub fn averages(prices: &BTreeMap<Place, Decimal>, window: usize) -> BTreeMap<Place, Decimal> {
    let in_order: Vec<(&Place, &Decimal)> = prices.iter().collect();
    in_order
        .windows(window)
        .map(|slice| {
            let total: Decimal = slice.iter().map(|(_, price)| **price).sum();
            let (place, _) = slice[slice.len() - 1];
            (*place, (total / Decimal::from(window as u64)).normalize())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_needs_a_full_window_and_ends_at_its_newest_price() {
        let at = |secs: i64| (Timestamp::from_secs(secs).expect("a time"), secs as u64);
        let prices = [(1, 1), (2, 2), (3, 6)].map(|(secs, price)| (at(secs), Decimal::from(price)));
        let prices = BTreeMap::from(prices);
        assert_eq!(averages(&prices, 4), BTreeMap::new());
        assert_eq!(averages(&prices, 3), BTreeMap::from([(at(3), Decimal::from(3))]));
        let two = [(at(2), Decimal::new(15, 1)), (at(3), Decimal::from(4))];
        assert_eq!(averages(&prices, 2), BTreeMap::from(two));
    }
}
