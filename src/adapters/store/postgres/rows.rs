//! Rows to values and back.
//!
//! Decimals travel as text in both directions. The client's binary decimals come in groups of four
//! digits, and padding to a group can need more than the 96 bits that a value itself fits into.

use rust_decimal::Decimal;
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;

use crate::model::{
    Amount, Currency, ExternalId, Mean, Observation, Price, PriceId, ProviderName, RawPayload,
    Symbol, TimeSource, Timestamp, Window,
};

use super::error::{Result, corrupt, translate};

/// The columns of a price, for [`price`] to read.
macro_rules! price_columns {
    () => {
        "id, version, symbol, provider, observed_at, external_id, price::text as price, \
         volume::text as volume, currency, received_at, time_source, raw"
    };
}
pub(super) use price_columns;

/// How many columns [`price_columns`] names: the index of what is selected behind them.
pub(super) const N_PRICE_COLUMNS: usize = 12;

pub(super) fn price(row: &PgRow) -> Result<Price> {
    let external_id: &str = get(row, 5)?;
    let volume: Option<&str> = get(row, 7)?;
    let raw: Option<&str> = get(row, 11)?;
    Ok(Price {
        id: price_id(get(row, 0)?)?,
        version: u32::try_from(get::<i32>(row, 1)?).map_err(corrupt)?,
        observation: Observation {
            symbol: symbol(get(row, 2)?)?,
            provider: ProviderName::parse(get(row, 3)?).map_err(corrupt)?,
            observed_at: timestamp(get(row, 4)?)?,
            external_id: match external_id {
                "" => None,
                text => Some(ExternalId::parse(text).map_err(corrupt)?),
            },
            price: amount(get(row, 6)?)?,
            volume: volume.map(amount).transpose()?,
            currency: Currency::parse(get(row, 8)?).map_err(corrupt)?,
            received_at: timestamp(get(row, 9)?)?,
            time_source: time_source(get(row, 10)?)?,
            raw: raw.map(|text| RawPayload(text.into())),
        },
    })
}

pub(super) fn prices(rows: &[PgRow]) -> Result<Vec<Price>> {
    rows.iter().map(price).collect()
}

/// One column of a row.
pub(super) fn get<'r, T>(row: &'r PgRow, index: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(index).map_err(translate)
}

pub(super) fn symbol(text: &str) -> Result<Symbol> {
    Symbol::parse(text).map_err(corrupt)
}

pub(super) fn price_id(id: i64) -> Result<PriceId> {
    u64::try_from(id)
        .ok()
        .and_then(PriceId::new)
        .ok_or_else(|| corrupt(format!("{id} is no price id")))
}

pub(super) fn amount(text: &str) -> Result<Amount> {
    Amount::parse(text).map_err(|error| corrupt(format!("the amount {text} {error}")))
}

pub(super) fn mean(text: &str) -> Result<Mean> {
    Decimal::from_str_exact(text).map(Mean::from_stored).map_err(corrupt)
}

pub(super) fn window(size: i32) -> Result<Window> {
    u64::try_from(size)
        .ok()
        .and_then(|size| Window::new(size).ok())
        .ok_or_else(|| corrupt(format!("{size} is no window")))
}

pub(super) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(corrupt)
}

pub(super) fn timestamp(instant: OffsetDateTime) -> Result<Timestamp> {
    let micros = instant.unix_timestamp_nanos().div_euclid(1_000);
    let micros = i64::try_from(micros).map_err(corrupt)?;
    Timestamp::from_micros(micros).map_err(corrupt)
}

/// A number that PostgreSQL's bigint holds; what is larger stands for "no bound" everywhere here.
pub(super) fn bigint(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// A count for `limit` and `offset`. Their sum is computed by the server, so neither may be near
/// the end of a bigint.
pub(super) fn count(value: usize) -> i64 {
    bigint(value).min(1 << 53)
}

pub(super) fn time_source_code(source: TimeSource) -> i16 {
    match source {
        TimeSource::Provider => 0,
        TimeSource::DateOnly => 1,
        TimeSource::Received => 2,
    }
}

fn time_source(code: i16) -> Result<TimeSource> {
    Ok(match code {
        0 => TimeSource::Provider,
        1 => TimeSource::DateOnly,
        2 => TimeSource::Received,
        other => return Err(corrupt(format!("{other} is no time source"))),
    })
}

/// The columns of many prices, each an array for `unnest`.
#[derive(Default)]
pub(super) struct PriceColumns {
    pub(super) ids: Vec<i64>,
    pub(super) versions: Vec<i32>,
    pub(super) symbols: Vec<String>,
    pub(super) providers: Vec<String>,
    pub(super) observed_at: Vec<OffsetDateTime>,
    pub(super) external_ids: Vec<String>,
    pub(super) prices: Vec<String>,
    pub(super) volumes: Vec<Option<String>>,
    pub(super) currencies: Vec<String>,
    pub(super) received_at: Vec<OffsetDateTime>,
    pub(super) time_sources: Vec<i16>,
    pub(super) raws: Vec<Option<String>>,
    pub(super) deleted: Vec<bool>,
    pub(super) superseded_at: Vec<Option<OffsetDateTime>>,
}

impl PriceColumns {
    pub(super) fn push(&mut self, price: &Price, deleted: bool, superseded: Option<Timestamp>) {
        let observation = &price.observation;
        self.ids.push(bigint(price.id.get()));
        self.versions.push(i32::try_from(price.version).unwrap_or(i32::MAX));
        self.symbols.push(observation.symbol.as_str().to_owned());
        self.providers.push(observation.provider.as_str().to_owned());
        self.observed_at.push(observation.observed_at.to_utc());
        self.external_ids.push(external_id(observation).to_owned());
        self.prices.push(observation.price.to_string());
        self.volumes.push(observation.volume.map(|volume| volume.to_string()));
        self.currencies.push(observation.currency.as_str().to_owned());
        self.received_at.push(observation.received_at.to_utc());
        self.time_sources.push(time_source_code(observation.time_source));
        self.raws.push(observation.raw.as_ref().map(|raw| raw.0.as_ref().to_owned()));
        self.deleted.push(deleted);
        self.superseded_at.push(superseded.map(Timestamp::to_utc));
    }
}

/// The external id as part of the natural key: "" when there is none.
pub(super) fn external_id(observation: &Observation) -> &str {
    observation.external_id.as_ref().map_or("", ExternalId::as_str)
}
