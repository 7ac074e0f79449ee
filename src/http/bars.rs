//! `/v1/bars`: open, high, low, close and volume from stored prices.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use super::error::ApiError;
use super::json::Written;
use super::params::{IntervalParam, LimitParam, SymbolParam, TimeParam};
use super::values::Exact;
use super::{Services, Tag};
use crate::model::Timestamp;
use crate::services::query::{BarInTime, Query as Queries};

/// The prices of one interval in short.
#[derive(Debug, Object, Serialize)]
#[oai(read_only_all)]
pub struct BarRecord {
    /// The start of the interval, RFC 3339; its end is not part of it.
    pub timestamp: String,
    pub open: Exact,
    pub high: Exact,
    pub low: Exact,
    pub close: Exact,
    /// The sum of the volumes; null when no price had one.
    pub volume: Option<Exact>,
    /// How many prices the bar was made of.
    pub count: u64,
    /// The interval is still open: the bar may change.
    pub provisional: bool,
}

impl From<&BarInTime> for BarRecord {
    fn from(BarInTime { bar, provisional }: &BarInTime) -> Self {
        Self {
            timestamp: bar.start.to_string(),
            open: Exact(bar.open.decimal()),
            high: Exact(bar.high.decimal()),
            low: Exact(bar.low.decimal()),
            close: Exact(bar.close.decimal()),
            volume: bar.volume.map(Exact),
            count: bar.n_prices,
            provisional: *provisional,
        }
    }
}

/// Bars of one symbol.
#[derive(Debug, Object, Serialize)]
#[oai(read_only_all)]
pub struct BarList {
    pub symbol: String,
    pub interval: String,
    /// Oldest first; intervals without a price are left out.
    pub bars: Vec<BarRecord>,
}

pub struct BarsApi {
    query: Arc<Queries>,
}

impl BarsApi {
    pub fn new(services: &Services) -> Self {
        Self { query: Arc::clone(&services.query) }
    }
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Bars")]
impl BarsApi {
    /// Bars of a symbol
    ///
    /// Made of the prices observed in `[from, to)`: the first `limit` bars when `from` is given,
    /// else the last.
    #[oai(path = "/bars/:symbol", method = "get", operation_id = "bars")]
    async fn bars(
        &self,
        symbol: Path<SymbolParam>,
        /// 1m when absent
        interval: Query<Option<IntervalParam>>,
        from: Query<Option<TimeParam>>,
        to: Query<Option<TimeParam>>,
        limit: Query<Option<LimitParam>>,
    ) -> Result<Written<BarList>, ApiError> {
        let interval = match interval.0 {
            Some(interval) => interval.0,
            None => crate::model::BarInterval::ALL[0],
        };
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default();
        let to = to.0.map_or(Timestamp::MAX, |to| to.0);
        let from = from.0.map(|from| from.0);
        let bars = self.query.bars(&symbol.0.0, interval, from, to, limit).await?;
        Ok(Written(BarList {
            symbol: symbol.0.0.to_string(),
            interval: interval.to_string(),
            bars: bars.iter().map(BarRecord::from).collect(),
        }))
    }
}
