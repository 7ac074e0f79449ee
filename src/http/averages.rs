//! Moving averages, under their path and under those old clients use.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use super::error::ApiError;
use super::json::Written;
use super::params::{LimitParam, SymbolParam, TimeParam, WindowParam};
use super::values::Exact;
use super::{ApiSettings, Services, Tag};
use crate::model::{MovingAverage, Symbol, TimeRange, Timestamp, Window};
use crate::services::query::{LatestAverage, Query as Queries};

/// The mean of the last `window` prices.
#[derive(Debug, Object, Serialize)]
#[oai(read_only_all)]
pub struct AverageRecord {
    pub symbol: String,
    /// Exact where the quotient ends, else rounded at the 28th decimal.
    pub moving_average: Exact,
    /// The same as `window`.
    pub window_size: u16,
    /// How many prices were averaged.
    pub window: u16,
    /// The time of the newest of them, RFC 3339.
    pub timestamp: String,
}

impl From<&MovingAverage> for AverageRecord {
    fn from(average: &MovingAverage) -> Self {
        Self {
            symbol: average.symbol.to_string(),
            moving_average: Exact(average.mean.decimal()),
            window_size: average.window.get(),
            window: average.window.get(),
            timestamp: average.at.observed_at.to_string(),
        }
    }
}

pub struct AveragesApi {
    query: Arc<Queries>,
    default_window: Window,
}

impl AveragesApi {
    pub fn new(services: &Services, settings: &ApiSettings) -> Self {
        Self { query: Arc::clone(&services.query), default_window: settings.default_window }
    }

    async fn answer(
        &self,
        symbol: Symbol,
        window: Option<WindowParam>,
    ) -> Result<Written<AverageRecord>, ApiError> {
        let window = window.map_or(self.default_window, |window| window.0);
        match self.query.latest_average(&symbol, window).await? {
            LatestAverage::Average(average) => Ok(Written(AverageRecord::from(&average))),
            LatestAverage::NotEnough { n_prices } => Err(ApiError::not_found(
                "not-enough-data",
                format!("{symbol} has {n_prices} of the {window} prices this average needs"),
            )),
        }
    }
}

#[OpenApi(tag = "Tag::Averages")]
impl AveragesApi {
    /// The moving average of a symbol
    #[oai(path = "/prices/:symbol/moving-average", method = "get", operation_id = "moving_average")]
    async fn moving_average(
        &self,
        symbol: Path<SymbolParam>,
        window: Query<Option<WindowParam>>,
    ) -> Result<Written<AverageRecord>, ApiError> {
        self.answer(symbol.0.0, window.0).await
    }

    /// Past moving averages of a symbol, newest first
    #[oai(
        path = "/prices/:symbol/moving-average/history",
        method = "get",
        operation_id = "moving_average_history"
    )]
    async fn history(
        &self,
        symbol: Path<SymbolParam>,
        window: Query<Option<WindowParam>>,
        /// Observed at this time or later
        from: Query<Option<TimeParam>>,
        /// Observed before this time
        to: Query<Option<TimeParam>>,
        limit: Query<Option<LimitParam>>,
    ) -> Result<Written<Vec<AverageRecord>>, ApiError> {
        let window = window.0.map_or(self.default_window, |window| window.0);
        let range = TimeRange {
            from: from.0.map_or(Timestamp::MIN, |from| from.0),
            to: to.0.map_or(Timestamp::MAX, |to| to.0),
        };
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default();
        let averages = self.query.averages(&symbol.0.0, window, range, limit).await?;
        Ok(Written(averages.iter().map(AverageRecord::from).collect()))
    }

    /// The moving average of a symbol, by query
    #[oai(path = "/prices/ma", method = "get", operation_id = "moving_average_by_query")]
    async fn by_query(
        &self,
        symbol: Query<SymbolParam>,
        window: Query<Option<WindowParam>>,
    ) -> Result<Written<AverageRecord>, ApiError> {
        self.answer(symbol.0.0, window.0).await
    }

    /// The moving average of a symbol, short
    #[oai(path = "/ma/:symbol", method = "get", operation_id = "moving_average_short")]
    async fn short(
        &self,
        symbol: Path<SymbolParam>,
        window: Query<Option<WindowParam>>,
    ) -> Result<Written<AverageRecord>, ApiError> {
        self.answer(symbol.0.0, window.0).await
    }

    /// The moving average of a symbol, for old clients
    #[oai(
        path = "/moving-average/:symbol",
        method = "get",
        operation_id = "moving_average_old",
        deprecated = true
    )]
    async fn old(
        &self,
        symbol: Path<SymbolParam>,
        window: Query<Option<WindowParam>>,
    ) -> Result<Written<AverageRecord>, ApiError> {
        self.answer(symbol.0.0, window.0).await
    }
}
