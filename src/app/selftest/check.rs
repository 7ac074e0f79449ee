//! Compares a store with what was acknowledged.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;

use super::author::{Acknowledged, Journal, Told};
use super::batch::{self, Place};
use crate::model::{Order, PriceId, PriceVersion, Symbol, TimeRange, Window};
use crate::ports::{PriceQuery, Store, StoreError};

/// Prices read at once.
const PAGE: usize = 4_096;
/// Faults described in words; all are counted.
const MAX_DESCRIBED: usize = 20;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub n_prices: u64,
    pub n_versions: u64,
    pub n_averages: u64,
    /// Acknowledged versions that are not there.
    pub n_lost: u64,
    /// Prices or versions that are there more often than they were acknowledged.
    pub n_double: u64,
    /// Prices with another value than acknowledged, now or as of an earlier moment.
    pub n_wrong: u64,
    pub n_wrong_averages: u64,
    /// The first faults, in words.
    pub faults: Vec<String>,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.n_lost + self.n_double + self.n_wrong + self.n_wrong_averages == 0
    }

    fn describe(&mut self, fault: impl FnOnce() -> String) {
        if self.faults.len() < MAX_DESCRIBED {
            self.faults.push(fault());
        }
    }
}

/// Compares prices, versions, what was known when, and averages with a journal in which nothing is
/// in doubt. The averager must have caught up. The store may hold symbols that the journal does
/// not know.
///
/// # Errors
/// When the store cannot be read.
pub async fn check(
    store: &dyn Store,
    journal: &Journal,
    windows: &[Window],
) -> Result<Findings, StoreError> {
    let mut findings = Findings::default();
    let by_symbol = batch::prices_by_symbol(journal);
    for (symbol, expected) in &by_symbol {
        let Ok(symbol) = Symbol::parse(symbol) else { continue };
        check_prices(store, &symbol, expected, &mut findings).await?;
        for window in windows {
            check_averages(store, &symbol, *window, expected, &mut findings).await?;
        }
    }
    for known in journal.values() {
        check_versions(store, known, &mut findings).await?;
    }
    Ok(findings)
}

async fn check_prices(
    store: &dyn Store,
    symbol: &Symbol,
    expected: &BTreeMap<Place, Decimal>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let mut query = PriceQuery {
        symbol: Some(symbol.clone()),
        order: Order::OldestFirst,
        ..PriceQuery::newest(PAGE)
    };
    let mut seen: HashMap<u64, u32> = HashMap::new();
    loop {
        let page = store.prices(query.clone()).await?;
        for price in &page {
            let (id, observation) = (price.id.get(), &price.observation);
            let n_seen = seen.entry(id).or_default();
            *n_seen += 1;
            findings.n_prices += 1;
            let shown = observation.price.decimal().normalize();
            match expected.get(&(observation.observed_at, id)) {
                Some(_) if *n_seen > 1 => {
                    findings.n_double += 1;
                    findings.describe(|| format!("{symbol}: price {id} is listed twice"));
                }
                Some(price) if *price == shown => {}
                Some(price) => {
                    findings.n_wrong += 1;
                    findings.describe(|| format!("{symbol}: {id} is {shown} instead of {price}"));
                }
                None => {
                    findings.n_double += 1;
                    findings.describe(|| format!("{symbol}: nobody was told of price {id}"));
                }
            }
        }
        query.after = page.last().map(crate::model::Price::position);
        if page.len() < PAGE {
            break;
        }
    }
    for (_, id) in expected.keys().filter(|(_, id)| !seen.contains_key(id)) {
        findings.n_lost += 1;
        findings.describe(|| format!("{symbol}: price {id} is not listed"));
    }
    Ok(())
}

async fn check_averages(
    store: &dyn Store,
    symbol: &Symbol,
    window: Window,
    prices: &BTreeMap<Place, Decimal>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let expected = batch::averages(prices, window.len());
    let stored = store.averages(symbol, window, TimeRange::ALL, usize::MAX).await?;
    findings.n_averages += stored.len() as u64;
    let n_stored = stored.len();
    let stored: BTreeMap<Place, Decimal> = stored
        .into_iter()
        .map(|average| {
            ((average.at.observed_at, average.at.id.get()), average.mean.decimal().normalize())
        })
        .collect();
    let mut wrong = |fault: String| {
        findings.n_wrong_averages += 1;
        findings.describe(|| format!("{symbol}, window {window}: {fault}"));
    };
    for _ in stored.len()..n_stored {
        wrong("an average is listed twice".into());
    }
    for (place, mean) in &expected {
        match stored.get(place) {
            Some(stored) if stored == mean => {}
            Some(stored) => wrong(format!("at {place:?} it is {stored} instead of {mean}")),
            None => wrong(format!("there is none at {place:?}")),
        }
    }
    for place in stored.keys().filter(|place| !expected.contains_key(place)) {
        wrong(format!("there is one too many at {place:?}"));
    }
    Ok(())
}

/// Every version that was acknowledged is in the history once and in order, and is what was known
/// from when it came until the next came.
async fn check_versions(
    store: &dyn Store,
    known: &Acknowledged,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let Some(id) = PriceId::new(known.id) else { return Ok(()) };
    let history = store.history(id).await?;
    findings.n_versions += history.len() as u64;
    let (n_told, n_kept) = (known.versions.len(), history.len());
    findings.n_lost += n_told.saturating_sub(n_kept) as u64;
    findings.n_double += n_kept.saturating_sub(n_told) as u64;
    if n_told != n_kept {
        findings.describe(|| format!("price {id} has {n_kept} versions instead of {n_told}"));
        return Ok(());
    }
    for (told, version) in known.versions.iter().zip(&history) {
        let kept = told_of(version);
        if kept != *told {
            findings.n_wrong += 1;
            findings.describe(|| format!("price {id} was {told:?} and is kept as {kept:?}"));
        }
    }
    if n_told > 1 {
        check_as_of(store, id, &history, findings).await?;
    }
    Ok(())
}

async fn check_as_of(
    store: &dyn Store,
    id: PriceId,
    history: &[PriceVersion],
    findings: &mut Findings,
) -> Result<(), StoreError> {
    for moment in history.iter().map(|version| version.price.observation.received_at) {
        // The last version that had come by then.
        let then = history.iter().rfind(|version| version.price.observation.received_at <= moment);
        let expected = then.filter(|version| !version.deleted).map(|version| &version.price);
        let answered = store.price(id, Some(moment)).await?;
        let shown = |price: &crate::model::Price| (price.version, price.observation.price);
        if answered.as_ref().map(shown) != expected.map(shown) {
            findings.n_wrong += 1;
            findings.describe(|| {
                format!("price {id} as of {moment} is {answered:?} instead of {expected:?}")
            });
        }
    }
    Ok(())
}

fn told_of(version: &PriceVersion) -> Told {
    Told { price: version.price.observation.price.decimal().normalize(), deleted: version.deleted }
}
