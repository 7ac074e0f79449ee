//! Reads `/v1/finance/search`, the only way to find a listing at Yahoo.

use serde_json::Value;

use super::failure::checked;
use super::symbols::canonical;
use crate::adapters::provider::reply::{self, Reply};
use crate::ports::provider::{Asset, FailureClass, ProviderError};

/// Kinds of hits that are instruments of ours; options, indices, futures and funds are not.
const KEPT_TYPES: &[&str] = &["EQUITY", "ETF", "CRYPTOCURRENCY", "CURRENCY"];

/// Reads the hits, best first. Hits without a symbol occur and are dropped.
///
/// # Errors
/// When the call as a whole failed.
pub fn parse_search(reply: &Reply) -> Result<Vec<Asset>, ProviderError> {
    let body = reply.members(checked(reply)?)?;
    let hits = body
        .get("quotes")
        .ok_or_else(|| reply.failure(FailureClass::BadPayload, "the answer has no hits"))?;
    let hits = reply.items(hits.get())?;
    Ok(hits.iter().filter_map(|hit| read_hit(&reply::value_of(hit))).collect())
}

fn read_hit(hit: &Value) -> Option<Asset> {
    let text = |key: &str| hit.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    KEPT_TYPES.contains(&text("quoteType")?).then_some(())?;
    let symbol = canonical(text("symbol")?)?;
    let name = text("longname").or_else(|| text("shortname")).unwrap_or_default();
    Some(Asset {
        name: name.to_owned(),
        exchange: text("exchDisp").or_else(|| text("exchange")).map(str::to_owned),
        currency: symbol.default_currency(),
        symbol,
    })
}
