//! Parameters of paths and queries: parsed once, with a message a caller can act on.

use std::borrow::Cow;

use poem::http::Uri;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};

use super::cursor::MAX_CURSOR_LENGTH;
use crate::model::{
    AssetClass, BarInterval, Invalid, JobId, Limit, Order, PriceId, ProviderName, Sequence, Symbol,
    Timestamp, Window,
};

/// Symbols that one parameter may name.
const MAX_SYMBOLS: usize = 1_000;

macro_rules! parameter {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $schema:expr, $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub $inner);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                let parse: fn(&str) -> Result<$inner, Invalid> = $parse;
                parse(value).map(Self).map_err(ParseError::custom)
            }
        }
    };
}

parameter! {
    /// A symbol in any case.
    SymbolParam(Symbol) = MetaSchema {
        min_length: Some(1),
        max_length: Some(crate::model::symbol::MAX_SYMBOL_LENGTH),
        pattern: Some("^[A-Za-z0-9./^=-]+$".into()),
        ..MetaSchema::new("string")
    }, Symbol::parse
}

parameter! {
    /// The id of a polling job.
    JobParam(JobId) = MetaSchema {
        pattern: Some("^(poll_)?[0-9]+$".into()),
        ..MetaSchema::new("string")
    }, JobId::parse
}

parameter! {
    /// The name of a provider.
    ProviderParam(ProviderName) = MetaSchema {
        min_length: Some(1),
        max_length: Some(32),
        pattern: Some("^[A-Za-z0-9_.-]+$".into()),
        ..MetaSchema::new("string")
    }, ProviderName::parse
}

parameter! {
    /// A time, RFC 3339.
    TimeParam(Timestamp) = MetaSchema::new_with_format("string", "date-time"), Timestamp::parse
}

parameter! {
    /// How many rows.
    LimitParam(Limit) = integer(1.0, Some(1_000.0)), |text| Limit::new(whole(text)?)
}

parameter! {
    /// How many rows to leave out.
    SkipParam(usize) = integer(0.0, Some(1_000_000.0)), |text| match whole(text)? {
        skip @ 0..=1_000_000 => Ok(skip as usize),
        _ => Err(Invalid("at most 1000000 rows can be left out; use `cursor`".into())),
    }
}

parameter! {
    /// A count of prices.
    WindowParam(Window) = integer(1.0, Some(1_000.0)), |text| Window::new(whole(text)?)
}

parameter! {
    /// A time span in whole seconds.
    SecondsParam(std::time::Duration) = integer(0.0, None),
    |text| whole(text).map(std::time::Duration::from_secs)
}

parameter! {
    /// The id of a price.
    IdParam(Option<PriceId>) = integer(0.0, Some(9_007_199_254_740_991.0)),
    |text| whole(text).map(PriceId::new)
}

parameter! {
    /// The order of a list by time.
    OrderParam(Order) = MetaSchema {
        enum_items: vec!["desc".into(), "asc".into()],
        ..MetaSchema::new("string")
    }, |text| match text {
        "desc" => Ok(Order::NewestFirst),
        "asc" => Ok(Order::OldestFirst),
        _ => Err(Invalid("an order is `desc` (newest first) or `asc`".into())),
    }
}

parameter! {
    /// Symbols in any case, with commas between them.
    SymbolsParam(Vec<Symbol>) = MetaSchema {
        min_length: Some(1),
        pattern: Some("^[A-Za-z0-9./^=-]{1,32}(,[A-Za-z0-9./^=-]{1,32})*$".into()),
        example: Some("AAPL,BTC-USD,EUR/USD".into()),
        ..MetaSchema::new("string")
    }, |text| {
        let symbols = text.split(',').map(Symbol::parse).collect::<Result<Vec<_>, _>>()?;
        if symbols.len() > MAX_SYMBOLS {
            return Err(Invalid(format!("at most {MAX_SYMBOLS} symbols; leave them out for all")));
        }
        Ok(symbols)
    }
}

parameter! {
    /// Kinds of messages, with commas between them.
    TypesParam(StreamTypes) = MetaSchema {
        example: Some("price,average".into()),
        ..MetaSchema::new("string")
    }, StreamTypes::parse
}

parameter! {
    /// A kind of asset.
    AssetTypeParam(AssetClass) = MetaSchema {
        enum_items: AssetClass::ALL.iter().map(|class| class.name().into()).collect(),
        ..MetaSchema::new("string")
    }, |text| AssetClass::parse(text).ok_or_else(|| {
        let choices = AssetClass::ALL.map(AssetClass::name).join(", ");
        Invalid(format!("is one of {choices}"))
    })
}

parameter! {
    /// A place in the log of changes: the `id` of a message.
    SequenceParam(Sequence) = integer(0.0, None), |text| whole(text).map(Sequence)
}

parameter! {
    /// A time span of 10 ms to 60 s: `250ms`, `1s`.
    PauseParam(std::time::Duration) = MetaSchema {
        pattern: Some("^[0-9]+(ms|s)$".into()),
        example: Some("250ms".into()),
        ..MetaSchema::new("string")
    }, |text| {
        let refuse = || Invalid("must be a time span of 10ms to 60s, such as `250ms`".into());
        let (digits, millis) = match text.strip_suffix("ms") {
            Some(digits) => (digits, 1),
            None => (text.strip_suffix('s').ok_or_else(refuse)?, 1_000),
        };
        match whole(digits).map_err(|_| refuse())?.saturating_mul(millis) {
            millis @ 10..=60_000 => Ok(std::time::Duration::from_millis(millis)),
            _ => Err(refuse()),
        }
    }
}

parameter! {
    /// The length of a bar.
    IntervalParam(BarInterval) = MetaSchema {
        enum_items: BarInterval::ALL.iter().map(|interval| interval.to_string().into()).collect(),
        ..MetaSchema::new("string")
    }, BarInterval::parse
}

parameter! {
    /// The place a page ended, from the `Link` header of its answer.
    CursorParam(String) = MetaSchema {
        max_length: Some(MAX_CURSOR_LENGTH),
        pattern: Some("^[A-Za-z0-9_-]+$".into()),
        ..MetaSchema::new("string")
    }, |text| Ok(text.to_owned())
}

parameter! {
    /// The id of a dead letter.
    LetterParam(u64) = integer(0.0, Some(9_007_199_254_740_991.0)), whole
}

parameter! {
    /// A sentence of at most 500 characters.
    ReasonParam(String) = text(500), |text| printable(text, 500)
}

parameter! {
    /// Text of at most 200 characters to look for.
    TextParam(String) = text(200), |text| printable(text, 200)
}

/// The schema of what [`printable`] takes.
fn text(max: usize) -> MetaSchema {
    MetaSchema {
        min_length: Some(1),
        max_length: Some(max),
        pattern: Some(r"^[^\u0000-\u001f\u007f-\u009f]+$".into()),
        ..MetaSchema::new("string")
    }
}

/// Text of 1 to `max` characters, none of which is for a terminal.
pub(super) fn printable(text: &str, max: usize) -> Result<String, Invalid> {
    let fits = (1..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| Invalid(format!("has 1 to {max} printable characters")))
}

/// The same list behind another cursor.
pub(super) fn next_link(uri: &Uri, cursor: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
        !pair.is_empty() && !pair.starts_with("cursor=") && !pair.starts_with("skip=")
    });
    let mut query: Vec<&str> = kept.collect();
    let cursor = format!("cursor={cursor}");
    query.push(&cursor);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

fn integer(minimum: f64, maximum: Option<f64>) -> MetaSchema {
    MetaSchema { minimum: Some(minimum), maximum, ..MetaSchema::new("integer") }
}

fn whole(text: &str) -> Result<u64, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| Invalid("must be a whole number".into()))
}

/// The kinds of messages a stream brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTypes {
    pub prices: bool,
    pub averages: bool,
}

impl StreamTypes {
    pub const ALL: Self = Self { prices: true, averages: true };

    /// # Errors
    /// When the list is empty or names something else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut types = Self { prices: false, averages: false };
        for name in text.split(',') {
            match name {
                "price" => types.prices = true,
                "average" => types.averages = true,
                _ => return Err(Invalid("the types are `price` and `average`".into())),
            }
        }
        Ok(types)
    }
}
