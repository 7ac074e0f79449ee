//! How fast a store grows, told from its newest prices.

use crate::ports::{PriceQuery, PriceStore, StoreError};

const NEWEST: usize = 1_000;
const DAY_SECS: f64 = 86_400.0;

/// The prices that come in a day at the pace of the newest thousand; none when there are fewer, or
/// all of one instant.
///
/// # Errors
/// When the store fails.
pub async fn prices_a_day(store: &dyn PriceStore) -> Result<Option<f64>, StoreError> {
    let newest = store.prices(PriceQuery::newest(NEWEST)).await?;
    let (Some(last), Some(first)) = (newest.first(), newest.get(NEWEST - 1)) else {
        return Ok(None);
    };
    let span = last.observation.observed_at.since(first.observation.observed_at);
    Ok((!span.is_zero()).then(|| (NEWEST - 1) as f64 / span.as_secs_f64() * DAY_SECS))
}
