//! One observed price, its identity and its versions.

use std::fmt;
use std::sync::Arc;

use super::{Amount, AmountError, Invalid, Symbol, Timestamp};

/// An opaque id below 2^53, so that every JSON reader keeps it exactly. Ids grow but are not
/// consecutive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceId(u64);

impl PriceId {
    pub const MIN: Self = Self(0);
    pub const MAX: Self = Self((1 << 53) - 1);

    pub fn new(value: u64) -> Option<Self> {
        (value <= Self::MAX.0).then_some(Self(value))
    }

    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PriceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where a price came from: `yahoo`, `kraken`, `manual` … 1 to 32 characters of `a-z 0-9 _ . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(Arc<str>);

impl ProviderName {
    /// Parses a provider name in any case.
    ///
    /// # Errors
    /// When it is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(Invalid("a source has 1 to 32 characters of a-z 0-9 _ . -".into()));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// Prices posted without a source.
    pub fn manual() -> Self {
        Self("manual".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The provider's own id of a trade: 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(Box<str>);

impl ExternalId {
    /// # Errors
    /// When it is empty, too long or has a character that is not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let printable = |byte: u8| (0x21..=0x7e).contains(&byte);
        if text.is_empty() || text.len() > 128 || !text.bytes().all(printable) {
            return Err(Invalid(
                "an external id has 1 to 128 printable ASCII characters and no blank".into(),
            ));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A currency code of 3 to 8 upper-case letters or digits: ISO 4217, or a coin such as `USDT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    bytes: [u8; 8],
    length: u8,
}

impl Currency {
    pub const USD: Self = Self { bytes: *b"USD\0\0\0\0\0", length: 3 };

    /// Parses a code in any case. Minor units (`GBp`) are not currencies: see
    /// [`Currency::parse_unit`].
    ///
    /// # Errors
    /// When it is no code of 3 to 8 letters or digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let well_formed =
            (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(Invalid("a currency has 3 to 8 letters or digits".into()));
        }
        let mut bytes = [0; 8];
        for (target, byte) in bytes.iter_mut().zip(text.bytes()) {
            *target = byte.to_ascii_uppercase();
        }
        Ok(Self { bytes, length: text.len() as u8 })
    }

    /// Parses a code or a minor unit; `true` says that amounts are in hundredths of it.
    ///
    /// `GBp` (also `GBX`), `ZAc` (also `ZAX`) and `ILA` are pence, cents and agorot, as Yahoo names
    /// them for London, Johannesburg and Tel Aviv (PROVIDERS.md section 2).
    ///
    /// # Errors
    /// As [`Currency::parse`].
    pub fn parse_unit(text: &str) -> Result<(Self, bool), Invalid> {
        let major = match text {
            "GBp" | "GBX" | "GBx" => "GBP",
            "ZAc" | "ZAC" | "ZAX" => "ZAR",
            "ILA" | "ILa" => "ILS",
            _ => return Ok((Self::parse(text)?, false)),
        };
        Ok((Self::parse(major)?, true))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)])
            .expect("a currency is built from ASCII")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// JSON text that came with a price, kept as it was sent (white space between tokens aside).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPayload(pub Arc<str>);

/// Who says when a price was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeSource {
    /// The provider sent the instant.
    #[default]
    Provider,
    /// The provider sent a date only; the instant is its midnight UTC.
    DateOnly,
    /// The provider sent no time; the instant is when we received the price.
    Received,
}

/// A price as it comes in, checked but not yet stored.
///
/// (symbol, provider, `observed_at`, `external_id` or "") is its natural key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub symbol: Symbol,
    pub provider: ProviderName,
    pub observed_at: Timestamp,
    pub external_id: Option<ExternalId>,
    pub price: Amount,
    pub volume: Option<Amount>,
    pub currency: Currency,
    pub received_at: Timestamp,
    pub time_source: TimeSource,
    pub raw: Option<RawPayload>,
}

impl Observation {
    /// Whether `other` says the same: equal price, volume and currency.
    pub fn same_value(&self, other: &Self) -> bool {
        self.price == other.price && self.volume == other.volume && self.currency == other.currency
    }
}

/// The total order of a symbol's prices: by observation time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub observed_at: Timestamp,
    pub id: PriceId,
}

impl Position {
    pub const MIN: Self = Self { observed_at: Timestamp::MIN, id: PriceId::MIN };
    pub const MAX: Self = Self { observed_at: Timestamp::MAX, id: PriceId::MAX };
}

/// A stored price: the current version of one observation.
///
/// `observation.received_at` is the time this version was learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub id: PriceId,
    /// 1 for the first, one more with each correction, deletion or new record after a deletion.
    pub version: u32,
    pub observation: Observation,
}

impl Price {
    pub fn position(&self) -> Position {
        Position { observed_at: self.observation.observed_at, id: self.id }
    }

    /// The instant from which this price ages: the earlier of what the provider says and when we
    /// had it, so that a stamp from the future does not look fresh.
    pub fn fresh_from(&self) -> Timestamp {
        self.observation.observed_at.min(self.observation.received_at)
    }

    pub fn raw_response_id(&self) -> Option<String> {
        self.observation.raw.as_ref().map(|_| raw_response_id(self.id, self.version))
    }
}

/// The id of the raw payload that came with one version of a price.
pub fn raw_response_id(id: PriceId, version: u32) -> String {
    format!("{id}.{version}")
}

/// One entry of a price's history, oldest first in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    pub price: Price,
    /// When the next version was learnt; none for the current one.
    pub superseded_at: Option<Timestamp>,
    /// This version says that the price was deleted; it keeps the last value.
    pub deleted: bool,
}

impl PriceVersion {
    /// Whether this version was what we knew at `instant`.
    pub fn known_at(&self, instant: Timestamp) -> bool {
        self.price.observation.received_at <= instant
            && self.superseded_at.is_none_or(|superseded_at| instant < superseded_at)
    }
}

/// Turns an amount in hundredths of a currency into the currency itself.
///
/// # Errors
/// [`AmountError::TooPrecise`] when two more decimals do not fit.
pub fn in_major_unit(amount: Amount, in_hundredths: bool) -> Result<Amount, AmountError> {
    if in_hundredths { amount.hundredth() } else { Ok(amount) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_read_as_hundredths_of_their_currency() {
        for (unit, currency, in_hundredths) in [
            ("GBp", "GBP", true),
            ("GBP", "GBP", false),
            ("ZAc", "ZAR", true),
            ("ILA", "ILS", true),
            ("usd", "USD", false),
            ("USDT", "USDT", false),
        ] {
            let (parsed, hundredths) = Currency::parse_unit(unit).expect("a unit");
            assert_eq!((parsed.as_str(), hundredths), (currency, in_hundredths), "{unit}");
        }
        let pence = Amount::parse("308.8").expect("an amount");
        assert_eq!(in_major_unit(pence, true).map(|p| p.to_string()), Ok("3.088".into()));
    }

    #[test]
    fn names_with_other_characters_are_refused() {
        assert!(ProviderName::parse("").is_err());
        assert!(ProviderName::parse("my source").is_err());
        assert!(ExternalId::parse("a\u{7}b").is_err());
        assert!(Currency::parse("US").is_err());
        assert!(PriceId::new(1 << 53).is_none());
        assert_eq!(ProviderName::parse("Yahoo").expect("a name").as_str(), "yahoo");
    }
}
