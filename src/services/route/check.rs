//! What every quote must hold before it is believed, whoever sent it.

use crate::model::{FailureClass, Symbol, Timestamp};
use crate::ports::provider::{ProviderError, Quote};

/// Refuses a quote that no market would print.
///
/// # Errors
/// [`FailureClass::BadPayload`] for another symbol, a price of zero, another currency than the
/// pair's, or a time after `latest`.
pub(super) fn believable(
    symbol: &Symbol,
    quote: Quote,
    latest: Timestamp,
) -> Result<Quote, ProviderError> {
    let refuse = |why: String| Err(ProviderError::new(FailureClass::BadPayload, why));
    if quote.symbol != *symbol {
        return refuse(format!("a quote of {} came for {symbol}", quote.symbol));
    }
    if quote.price.is_zero() {
        return refuse("the price is zero".into());
    }
    if let Some((_, currency)) = symbol.pair()
        && currency != quote.currency.as_str()
    {
        return refuse(format!("the price of {symbol} came in {}", quote.currency));
    }
    if quote.observed_at > latest {
        return refuse(format!("the price is of {}, which is yet to come", quote.observed_at));
    }
    Ok(quote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Amount, Currency, TimeSource};

    #[test]
    fn quotes_that_cannot_be_are_refused() {
        let at = |secs| Timestamp::from_secs(secs).expect("a time");
        let symbol = |text| Symbol::parse(text).expect("a symbol");
        for (asked, symbol_given, price, currency, secs, fine) in [
            ("BTC-USD", "BTC-USD", "1", "USD", 10, true),
            ("AAPL", "AAPL", "1", "EUR", 10, true),
            ("BTC-USD", "BTC-USD", "1", "EUR", 10, false),
            ("BTC-USD", "BTC-USD", "0", "USD", 10, false),
            ("BTC-USD", "ETH-USD", "1", "USD", 10, false),
            ("BTC-USD", "BTC-USD", "1", "USD", 11, false),
        ] {
            let quote = Quote {
                symbol: symbol(symbol_given),
                price: Amount::parse(price).expect("an amount"),
                change: None,
                percent_change: None,
                volume: None,
                currency: Currency::parse(currency).expect("a currency"),
                observed_at: at(secs),
                time_source: TimeSource::Provider,
                raw: None,
            };
            let believed = believable(&symbol(asked), quote, at(10));
            assert_eq!(believed.is_ok(), fine, "{asked} {symbol_given} {price} {currency} {secs}");
        }
    }
}
