//! The questions: newest price, lists, averages, bars. Reads the store, never writes prices.

use std::sync::Arc;
use std::time::Duration;

use crate::model::average::mean_of;
use crate::model::{
    Bar, BarInterval, Limit, MovingAverage, Order, Position, Price, ProviderName, RollingMean,
    Symbol, TimeRange, Timestamp, Window,
};
use crate::ports::{Clock, PriceQuery, QuoteCache, Store, StoreError};
use crate::telemetry::metrics;

/// Prices read at once when many are folded into few answers.
const PAGE: usize = 4_096;

/// Answers questions about what is stored.
pub struct Query {
    store: Arc<dyn Store>,
    cache: Arc<dyn QuoteCache>,
    clock: Arc<dyn Clock>,
    /// Windows whose averages the averager keeps.
    windows: Vec<Window>,
}

/// The newest price and whether it is older than asked for.
#[derive(Debug, Clone)]
pub struct LatestPrice {
    pub price: Arc<Price>,
    pub stale: bool,
}

/// The newest average of a window, or how far a symbol is from having one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LatestAverage {
    Average(MovingAverage),
    NotEnough { n_prices: usize },
}

/// A bar and whether its interval is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarInTime {
    pub bar: Bar,
    pub provisional: bool,
}

impl Query {
    pub fn new(
        store: Arc<dyn Store>,
        cache: Arc<dyn QuoteCache>,
        clock: Arc<dyn Clock>,
        windows: Vec<Window>,
    ) -> Self {
        Self { store, cache, clock, windows }
    }

    /// The newest price of a symbol; stale when it is older than `max_age`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn latest(
        &self,
        symbol: &Symbol,
        max_age: Duration,
    ) -> Result<Option<LatestPrice>, StoreError> {
        let price = match self.cache.get(symbol).await {
            Ok(price) => {
                metrics::cache_lookup(true);
                Some(price)
            }
            Err(ticket) => {
                metrics::cache_lookup(false);
                let newest = self.store.latest(symbol, None, None);
                let price = metrics::store_call("latest", newest).await?.map(Arc::new);
                if let Some(price) = &price {
                    self.cache.fill(ticket, Arc::clone(price)).await;
                }
                price
            }
        };
        Ok(price.map(|price| self.dated(price, max_age)))
    }

    /// The newest price of one provider, or as known at a past moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn latest_of(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        as_of: Option<Timestamp>,
        max_age: Duration,
    ) -> Result<Option<LatestPrice>, StoreError> {
        let newest = self.store.latest(symbol, provider, as_of);
        let price = metrics::store_call("latest", newest).await?;
        Ok(price.map(|price| {
            let asked_at = as_of.unwrap_or_else(|| self.clock.now());
            let stale = asked_at.since(price.fresh_from()) > max_age;
            LatestPrice { price: Arc::new(price), stale }
        }))
    }

    fn dated(&self, price: Arc<Price>, max_age: Duration) -> LatestPrice {
        let stale = self.clock.now().since(price.fresh_from()) > max_age;
        LatestPrice { price, stale }
    }

    /// The average of the last `window` prices.
    ///
    /// The stored average answers when it belongs to the newest price; otherwise (another window,
    /// or the averager is a moment behind) it is computed from the stored prices, so that the
    /// answer never trails the list of prices.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn latest_average(
        &self,
        symbol: &Symbol,
        window: Window,
    ) -> Result<LatestAverage, StoreError> {
        if self.windows.contains(&window)
            && let Some(average) = self.store.latest_average(symbol, window).await?
            && let Some(newest) = self.store.latest(symbol, None, None).await?
            && newest.position() == average.at
            && self.store.depth().await? == 0
        {
            return Ok(LatestAverage::Average(average));
        }
        let values = self.store.values_around(symbol, Position::MAX, window.len(), 1).await?;
        let mean = mean_of(values.iter().map(|(_, price)| *price), window);
        Ok(match (mean, values.last()) {
            (Some(mean), Some((at, _))) => LatestAverage::Average(MovingAverage {
                symbol: symbol.clone(),
                window,
                at: *at,
                mean,
            }),
            _ => LatestAverage::NotEnough { n_prices: values.len() },
        })
    }

    /// Averages with `from <= observed_at < to`, newest first: stored ones where the window is
    /// kept, computed ones otherwise.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn averages(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        limit: Limit,
    ) -> Result<Vec<MovingAverage>, StoreError> {
        if self.windows.contains(&window) && self.store.depth().await? == 0 {
            return self.store.averages(symbol, window, range, limit.get()).await;
        }
        let query =
            PriceQuery { symbol: Some(symbol.clone()), range, ..PriceQuery::newest(limit.get()) };
        let newest = metrics::store_call("range", self.store.prices(query)).await?;
        let Some(oldest) = newest.last() else { return Ok(Vec::new()) };
        let values = self
            .store
            .values_around(symbol, oldest.position(), window.len() - 1, newest.len())
            .await?;
        let mut rolling = RollingMean::new(window);
        let mut averages: Vec<MovingAverage> = values
            .into_iter()
            .filter_map(|(at, price)| {
                let mean = rolling.push(price)?;
                Some(MovingAverage { symbol: symbol.clone(), window, at, mean })
            })
            .filter(|average| range.contains(average.at.observed_at))
            .collect();
        averages.reverse();
        Ok(averages)
    }

    /// The bars of a symbol with at least one price and a start in `[from, to)`, oldest first: the
    /// first `limit` when `from` is given, else the last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn bars(
        &self,
        symbol: &Symbol,
        interval: BarInterval,
        from: Option<Timestamp>,
        to: Timestamp,
        limit: Limit,
    ) -> Result<Vec<BarInTime>, StoreError> {
        let order = if from.is_some() { Order::OldestFirst } else { Order::NewestFirst };
        let range = TimeRange { from: from.unwrap_or(Timestamp::MIN), to };
        let mut query =
            PriceQuery { symbol: Some(symbol.clone()), range, order, ..PriceQuery::newest(PAGE) };
        let mut groups: Vec<Vec<Price>> = Vec::new();
        let mut bars: Vec<Bar> = Vec::new();
        loop {
            let page = metrics::store_call("range", self.store.prices(query.clone())).await?;
            let n_page = page.len();
            query.after = page.last().map(Price::position);
            let mut full = false;
            for price in page {
                let start = interval.start_of(price.observation.observed_at);
                let same = |group: &Vec<Price>| {
                    group.first().is_some_and(|first| {
                        interval.start_of(first.observation.observed_at) == start
                    })
                };
                match groups.last_mut() {
                    Some(group) if same(group) => group.push(price),
                    _ => {
                        // A finished group becomes a bar, so that only one is held as prices.
                        if let Some(group) = groups.pop() {
                            bars.push(fold(group, interval, order));
                        }
                        full = bars.len() == limit.get();
                        if full {
                            break;
                        }
                        groups.push(vec![price]);
                    }
                }
            }
            if full || n_page < PAGE {
                break;
            }
        }
        if bars.len() < limit.get() {
            bars.extend(groups.pop().map(|group| fold(group, interval, order)));
        }
        if order == Order::NewestFirst {
            bars.reverse();
        }
        let now = self.clock.now();
        Ok(bars
            .into_iter()
            .map(|bar| BarInTime { provisional: bar.start.plus(interval.duration()) > now, bar })
            .collect())
    }
}

fn fold(mut group: Vec<Price>, interval: BarInterval, order: Order) -> Bar {
    if order == Order::NewestFirst {
        group.reverse();
    }
    let mut prices = group.iter().map(|price| &price.observation);
    let first = prices.next().expect("a group has at least one price");
    let mut bar = Bar::open(interval.start_of(first.observed_at), first.price, first.volume);
    for price in prices {
        bar.add(price.price, price.volume);
    }
    bar
}
