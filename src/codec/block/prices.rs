//! Blocks of prices: the current version of each, but for raw payloads.

use super::super::DecodeError;
use super::super::bytes::{Reader, put_str, put_unsigned};
use super::super::record::PriceRow;
use super::column::{self, Amounts, Integers, Texts};
use super::{Positions, put_header, read_header};
use crate::model::{
    Amount, Currency, ExternalId, Observation, Position, Price, PriceId, ProviderName, Symbol,
    TimeSource, Timestamp,
};

const HAS_VOLUME: i64 = 1;
const HAS_RAW: i64 = 1 << 1;
const DELETED: i64 = 1 << 2;
const DATE_ONLY: i64 = 1 << 3;
const TIME_RECEIVED: i64 = 1 << 4;

/// `received_at` as it is: an import has one for all.
const RECEIVED_AS_IS: u8 = 0;
/// `received_at` less `observed_at`: what comes live is received at once.
const RECEIVED_BEHIND: u8 = 1;

/// A block whose columns are unpacked; rows are put together one at a time.
#[derive(Debug)]
pub struct PriceBlock {
    n_entries: usize,
    positions: Positions,
    flags: Integers,
    versions: Integers,
    received: Integers,
    received_behind: bool,
    prices: Amounts,
    volumes: Amounts,
    origins: Vec<(ProviderName, Currency)>,
    origin_of: Integers,
    external_ids: Texts,
}

impl PriceBlock {
    /// Encodes rows in ascending order of position.
    pub fn encode<'a>(rows: impl Iterator<Item = &'a PriceRow> + Clone) -> Vec<u8> {
        let n_entries = rows.clone().count();
        let observations = rows.clone().map(|row| &row.price.observation);
        let mut out = Vec::with_capacity(n_entries * 4 + 64);
        put_header(&mut out, n_entries);
        Positions::put(&mut out, rows.clone().map(|row| row.price.position()));
        let flags: Vec<i64> = rows.clone().map(flags).collect();
        column::put_integers(&mut out, &flags);
        let versions: Vec<i64> = rows.map(|row| i64::from(row.price.version)).collect();
        column::put_integers(&mut out, &versions);
        put_received(&mut out, observations.clone());
        let prices: Vec<Amount> = observations.clone().map(|it| it.price).collect();
        column::put_amounts(&mut out, &prices);
        let volumes: Vec<Amount> =
            observations.clone().map(|it| it.volume.unwrap_or_default()).collect();
        column::put_amounts(&mut out, &volumes);
        put_origins(&mut out, observations.clone());
        let external_ids: Vec<Option<&str>> =
            observations.map(|it| it.external_id.as_ref().map(ExternalId::as_str)).collect();
        column::put_texts(&mut out, &external_ids);
        out
    }

    /// # Errors
    /// When the bytes are no block of a known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        let n_entries = read_header(&mut reader)?;
        let positions = Positions::read(&mut reader, n_entries)?;
        let flags = Integers::read(&mut reader, n_entries)?;
        let versions = Integers::read(&mut reader, n_entries)?;
        let received_behind = reader.byte()? == RECEIVED_BEHIND;
        let received = Integers::read(&mut reader, n_entries)?;
        let prices = Amounts::read(&mut reader, n_entries)?;
        let volumes = Amounts::read(&mut reader, n_entries)?;
        let n_origins: usize = reader.number()?;
        let mut origins = Vec::new();
        for _ in 0..n_origins {
            let provider = ProviderName::parse(reader.str()?).map_err(DecodeError::invalid)?;
            let currency = Currency::parse(reader.str()?).map_err(DecodeError::invalid)?;
            origins.push((provider, currency));
        }
        let origin_of = Integers::read(&mut reader, n_entries)?;
        let external_ids = Texts::read(&mut reader, n_entries)?;
        reader.end()?;
        Ok(Self {
            n_entries,
            positions,
            flags,
            versions,
            received,
            received_behind,
            prices,
            volumes,
            origins,
            origin_of,
            external_ids,
        })
    }

    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.n_entries
    }

    /// The position of the entry at `index`, which is below [`PriceBlock::len`].
    ///
    /// # Errors
    /// When it is none.
    pub fn position(&self, index: usize) -> Result<Position, DecodeError> {
        self.positions.get(index)
    }

    /// Where the price with this id lies.
    pub fn index_of(&self, id: PriceId) -> Option<usize> {
        (0..self.n_entries).find(|index| self.positions.id(*index).is_ok_and(|found| found == id))
    }

    /// The price at `index` alone.
    ///
    /// # Errors
    /// When it is out of its bounds.
    pub fn amount(&self, index: usize) -> Result<Amount, DecodeError> {
        self.prices.get(index)
    }

    /// Who gave the price at `index`.
    ///
    /// # Errors
    /// When the block does not say.
    pub fn provider(&self, index: usize) -> Result<&ProviderName, DecodeError> {
        self.origin(index).map(|(provider, _)| provider)
    }

    pub fn is_deleted(&self, index: usize) -> bool {
        self.has(index, DELETED)
    }

    /// Whether the price at `index` came with a payload, which is kept elsewhere.
    pub fn has_raw(&self, index: usize) -> bool {
        self.has(index, HAS_RAW)
    }

    /// Puts the row at `index` together.
    ///
    /// # Errors
    /// When a value is out of its bounds.
    pub fn row(&self, symbol: &Symbol, index: usize) -> Result<PriceRow, DecodeError> {
        let (deleted, has_raw) = (self.is_deleted(index), self.has_raw(index));
        self.price(symbol, index, |price| PriceRow { price, deleted, has_raw })
    }

    /// Puts the price at `index` together at the end of `prices`: a price is large, and most of
    /// what reading many of them costs is to hand them around.
    ///
    /// # Errors
    /// When a value is out of its bounds.
    pub fn push_price(
        &self,
        symbol: &Symbol,
        index: usize,
        prices: &mut Vec<Price>,
    ) -> Result<(), DecodeError> {
        self.price(symbol, index, |price| prices.push(price))
    }

    #[inline(always)]
    fn price<T>(
        &self,
        symbol: &Symbol,
        index: usize,
        put: impl FnOnce(Price) -> T,
    ) -> Result<T, DecodeError> {
        let position = self.position(index)?;
        let behind = if self.received_behind { position.observed_at.as_micros() } else { 0 };
        let received_at = Timestamp::from_micros(self.received.get(index).wrapping_add(behind))
            .map_err(DecodeError::invalid)?;
        let (provider, currency) = self.origin(index)?;
        let external_id = match self.external_ids.get(index) {
            Some(text) => Some(ExternalId::parse(&text).map_err(DecodeError::invalid)?),
            None => None,
        };
        let price = self.prices.get(index)?;
        let volume =
            if self.has(index, HAS_VOLUME) { Some(self.volumes.get(index)?) } else { None };
        let version = u32::try_from(self.versions.get(index)).map_err(DecodeError::invalid)?;
        let time_source = match self.flags.get(index) & (DATE_ONLY | TIME_RECEIVED) {
            0 => TimeSource::Provider,
            DATE_ONLY => TimeSource::DateOnly,
            _ => TimeSource::Received,
        };
        Ok(put(Price {
            id: position.id,
            version,
            observation: Observation {
                symbol: symbol.clone(),
                provider: provider.clone(),
                observed_at: position.observed_at,
                external_id,
                price,
                volume,
                currency: *currency,
                received_at,
                time_source,
                raw: None,
            },
        }))
    }

    fn origin(&self, index: usize) -> Result<&(ProviderName, Currency), DecodeError> {
        usize::try_from(self.origin_of.get(index))
            .ok()
            .and_then(|origin| self.origins.get(origin))
            .ok_or_else(|| DecodeError::invalid("an unknown origin"))
    }

    fn has(&self, index: usize, flag: i64) -> bool {
        self.flags.get(index) & flag != 0
    }
}

fn flags(row: &PriceRow) -> i64 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(row.price.observation.volume.is_some(), HAS_VOLUME)
        | flag(row.has_raw, HAS_RAW)
        | flag(row.deleted, DELETED)
        | match row.price.observation.time_source {
            TimeSource::Provider => 0,
            TimeSource::DateOnly => DATE_ONLY,
            TimeSource::Received => TIME_RECEIVED,
        }
}

/// Writes `received_at` in the form whose values move less.
fn put_received<'a>(
    out: &mut Vec<u8>,
    observations: impl Iterator<Item = &'a Observation> + Clone,
) {
    let as_is: Vec<i64> = observations.clone().map(|it| it.received_at.as_micros()).collect();
    let behind: Vec<i64> = observations
        .map(|it| it.received_at.as_micros().wrapping_sub(it.observed_at.as_micros()))
        .collect();
    let movement = |values: &[i64]| -> u128 {
        values.windows(2).map(|pair| u128::from(pair[0].abs_diff(pair[1]))).sum()
    };
    if movement(&as_is) <= movement(&behind) {
        out.push(RECEIVED_AS_IS);
        column::put_integers(out, &as_is);
    } else {
        out.push(RECEIVED_BEHIND);
        column::put_integers(out, &behind);
    }
}

fn put_origins<'a>(out: &mut Vec<u8>, observations: impl Iterator<Item = &'a Observation>) {
    let mut origins: Vec<(&ProviderName, Currency)> = Vec::new();
    let origin_of: Vec<i64> = observations
        .map(|it| {
            let origin = (&it.provider, it.currency);
            let known = origins.iter().position(|known| *known == origin);
            known.unwrap_or_else(|| {
                origins.push(origin);
                origins.len() - 1
            }) as i64
        })
        .collect();
    put_unsigned(out, origins.len() as u128);
    for (provider, currency) in origins {
        put_str(out, provider.as_str());
        put_str(out, currency.as_str());
    }
    column::put_integers(out, &origin_of);
}
