//! Which adapter and parser a case belongs to, and the symbols its request asks for.

use serde_json::Value;
use tickerd::adapters::provider::{
    QuoteResults, Reply, alphavantage, coingecko, coinmarketcap, finnhub, kraken, yahoo,
};
use tickerd::model::{AssetClass, Symbol, Timestamp};
use tickerd::ports::provider::{Asset, ProviderError};

use super::case::Case;

/// What a reply gave.
pub(super) enum Outcome {
    Quotes(Result<QuoteResults, ProviderError>),
    Assets(Result<Vec<Asset>, ProviderError>),
    /// From endpoints that hold neither: only failures are read.
    Failure(Option<ProviderError>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    YahooChart,
    YahooQuote,
    YahooSearch,
    FinnhubQuote,
    FinnhubRates,
    FinnhubSymbols(AssetClass),
    GeckoMarkets,
    GeckoSimple,
    GeckoList,
    CmcQuotes,
    CmcMap,
    AlphaQuote,
    AlphaRate,
    AlphaListing,
    KrakenTicker,
    /// Any other of a provider we have.
    Other,
}

/// Why a case is left out; none when an adapter reads it.
pub(super) fn out_of_scope(case: &Case) -> Option<&'static str> {
    let known = ["yahoo", "finnhub", "coingecko", "coinmarketcap", "alphavantage", "kraken"];
    if case.canned.status == 101 || case.canned.content_type.starts_with("websocket") {
        Some("sockets are not read")
    } else if !known.contains(&case.provider.as_str()) {
        Some("no adapter for this provider")
    } else {
        None
    }
}

pub(super) fn endpoint_of(case: &Case) -> Endpoint {
    let path = case.path();
    let ends = |end: &str| path.ends_with(end);
    match case.provider.as_str() {
        "yahoo" if path.contains("/finance/chart/") => Endpoint::YahooChart,
        "yahoo" if ends("/finance/quote") => Endpoint::YahooQuote,
        "yahoo" if ends("/finance/search") => Endpoint::YahooSearch,
        "finnhub" if ends("/forex/rates") => Endpoint::FinnhubRates,
        "finnhub" if ends("/quote") => Endpoint::FinnhubQuote,
        "finnhub" if ends("/stock/symbol") => Endpoint::FinnhubSymbols(AssetClass::Stock),
        "finnhub" if ends("/crypto/symbol") => Endpoint::FinnhubSymbols(AssetClass::Crypto),
        "finnhub" if ends("/forex/symbol") => Endpoint::FinnhubSymbols(AssetClass::Forex),
        "coingecko" if ends("/coins/markets") => Endpoint::GeckoMarkets,
        "coingecko" if ends("/simple/price") => Endpoint::GeckoSimple,
        "coingecko" if ends("/coins/list") => Endpoint::GeckoList,
        "coinmarketcap" if ends("/quotes/latest") => Endpoint::CmcQuotes,
        "coinmarketcap" if ends("/cryptocurrency/map") => Endpoint::CmcMap,
        "alphavantage" => match case.parameter("function").as_deref() {
            Some("GLOBAL_QUOTE") => Endpoint::AlphaQuote,
            Some("CURRENCY_EXCHANGE_RATE") => Endpoint::AlphaRate,
            Some("LISTING_STATUS") => Endpoint::AlphaListing,
            _ => Endpoint::Other,
        },
        "kraken" if ends("/Ticker") => Endpoint::KrakenTicker,
        _ => Endpoint::Other,
    }
}

/// The symbols that the request asks for; where it names none, those of the expectation, and for
/// a failure that names none either, one that the provider would be asked for.
pub(super) fn asked(case: &Case, endpoint: Endpoint) -> Vec<Symbol> {
    let from_request: Vec<Option<Symbol>> = match endpoint {
        Endpoint::YahooChart => {
            let url = case.url.as_ref();
            let last = url.and_then(|url| url.path_segments()?.next_back().map(decoded));
            vec![last.and_then(|name| yahoo::canonical(&name))]
        }
        Endpoint::YahooQuote => {
            case.list("symbols").iter().map(|name| yahoo::canonical(name)).collect()
        }
        Endpoint::FinnhubQuote => {
            case.list("symbol").iter().map(|name| finnhub::canonical(name)).collect()
        }
        Endpoint::AlphaQuote => {
            case.list("symbol").iter().map(|name| alphavantage::canonical(name)).collect()
        }
        Endpoint::AlphaRate => {
            let sides = (case.parameter("from_currency"), case.parameter("to_currency"));
            vec![sides.0.zip(sides.1).and_then(|(base, quote)| pair(&base, &quote))]
        }
        Endpoint::KrakenTicker => {
            case.list("pair").iter().map(|name| kraken::canonical(name)).collect()
        }
        Endpoint::GeckoMarkets | Endpoint::GeckoSimple => {
            wanted_coins(case).into_iter().map(|wanted| Some(wanted.symbol)).collect()
        }
        Endpoint::CmcQuotes => {
            wanted_cmc(case).into_iter().map(|wanted| Some(wanted.symbol)).collect()
        }
        _ => Vec::new(),
    };
    let from_request: Vec<Symbol> = from_request.into_iter().flatten().collect();
    if !from_request.is_empty() {
        return from_request;
    }
    let expected = case.expected_symbols();
    if !expected.is_empty() || !case.quotes().is_empty() {
        return expected;
    }
    let usual = match (case.provider.as_str(), endpoint) {
        (_, Endpoint::FinnhubRates) => "USD/EUR",
        ("coingecko" | "coinmarketcap" | "kraken", _) => "BTC-USD",
        _ => "AAPL",
    };
    vec![Symbol::parse(usual).expect("a symbol")]
}

/// Reads the case's reply with the parser it belongs to.
pub(super) fn parse(case: &Case, endpoint: Endpoint, received_at: Timestamp) -> Outcome {
    let reply = case.reply();
    let asked = asked(case, endpoint);
    let one = || asked.first().cloned().unwrap_or_else(|| panic!("{}: no symbol", case.name));
    match endpoint {
        Endpoint::YahooChart => Outcome::Quotes(yahoo::parse_chart(&reply, &one(), received_at)),
        Endpoint::YahooQuote => Outcome::Quotes(yahoo::parse_quotes(&reply, &asked, received_at)),
        Endpoint::YahooSearch => Outcome::Assets(yahoo::parse_search(&reply)),
        Endpoint::FinnhubQuote => {
            Outcome::Quotes(finnhub::parse_quote(&reply, &one(), received_at))
        }
        Endpoint::FinnhubRates => {
            Outcome::Quotes(finnhub::parse_forex_rates(&reply, &asked, received_at))
        }
        Endpoint::FinnhubSymbols(class) => Outcome::Assets(finnhub::parse_symbols(&reply, class)),
        Endpoint::GeckoMarkets => {
            let wanted = wanted_coins(case);
            let currency = case.parameter("vs_currency").unwrap_or_else(|| "usd".into());
            Outcome::Quotes(coingecko::parse_markets(&reply, &wanted, &currency, received_at))
        }
        Endpoint::GeckoSimple => {
            let currencies = case.list("vs_currencies");
            let currencies: Vec<&str> = currencies.iter().map(String::as_str).collect();
            let wanted = wanted_coins(case);
            Outcome::Quotes(coingecko::parse_simple(&reply, &wanted, &currencies, received_at))
        }
        Endpoint::GeckoList => Outcome::Assets(coingecko::parse_assets(&reply)),
        Endpoint::CmcQuotes => {
            let wanted = wanted_cmc(case);
            Outcome::Quotes(coinmarketcap::parse_quotes(&reply, &wanted, received_at))
        }
        Endpoint::CmcMap => {
            let coins = coinmarketcap::parse_map(&reply);
            Outcome::Assets(coins.map(|coins| coins.into_iter().map(|(asset, _)| asset).collect()))
        }
        Endpoint::AlphaQuote => {
            Outcome::Quotes(alphavantage::parse_global_quote(&reply, &one(), received_at))
        }
        Endpoint::AlphaRate => {
            Outcome::Quotes(alphavantage::parse_exchange_rate(&reply, &one(), received_at))
        }
        Endpoint::AlphaListing => Outcome::Assets(alphavantage::parse_listing(&reply)),
        Endpoint::KrakenTicker => {
            Outcome::Quotes(kraken::parse_ticker(&reply, &asked, received_at))
        }
        Endpoint::Other => Outcome::Failure(failure_in(&case.provider, &reply)),
    }
}

fn failure_in(provider: &str, reply: &Reply) -> Option<ProviderError> {
    match provider {
        "yahoo" => yahoo::failure_in(reply),
        "finnhub" => finnhub::failure_in(reply),
        "coingecko" => coingecko::failure_in(reply),
        "coinmarketcap" => coinmarketcap::failure_in(reply),
        "alphavantage" => alphavantage::failure_in(reply),
        "kraken" => kraken::failure_in(reply),
        other => panic!("no adapter is called {other}"),
    }
}

/// The coins of a CoinGecko request, which names ids: the expectation or the reply tells which
/// symbol each is, else our table of large coins.
pub(super) fn wanted_coins(case: &Case) -> Vec<coingecko::Wanted> {
    let currencies = [case.list("vs_currencies"), case.list("vs_currency")].concat();
    let ids = case.list("ids");
    let rows: Value = serde_json::from_slice(&case.canned.body).unwrap_or_default();
    let base_of = |id: &str| {
        let told = case.quotes().iter().find(|quote| quote["provider_id"] == *id);
        let told = told.and_then(|quote| Some(quote["symbol"].as_str()?.rsplit_once('-')?.0));
        let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["id"] == *id));
        let row = row.and_then(|row| row["symbol"].as_str());
        told.or_else(|| coingecko::pinned_symbol(id)).or(row).map(str::to_ascii_uppercase)
    };
    if ids.is_empty() {
        let told = case.expected_symbols().into_iter().map(|symbol| {
            let is_it = |quote: &&Value| quote["symbol"] == *symbol.as_str();
            let told =
                case.quotes().iter().find(is_it).and_then(|quote| quote["provider_id"].as_str());
            let base = symbol.pair().map_or("", |(base, _)| base);
            let is_row = |row: &&Value| {
                row["symbol"].as_str().is_some_and(|text| text.eq_ignore_ascii_case(base))
            };
            let row = rows.as_array().and_then(|rows| rows.iter().find(is_row));
            let id = told.or(row.and_then(|row| row["id"].as_str())).map(str::to_owned);
            coingecko::Wanted { ids: id.into_iter().collect(), symbol }
        });
        return told.collect();
    }
    let mut left = case.expected_symbols();
    let mut wanted = Vec::new();
    for id in &ids {
        for currency in &currencies {
            let base = base_of(id);
            // An impossible currency (`ethereum`) stands under the symbol the expectation gives it.
            let position = left.iter().position(|symbol| {
                let (told_base, told_quote) = symbol.pair().unwrap_or_default();
                let same_base = base.as_deref().is_none_or(|base| base == told_base);
                same_base && (currencies.len() == 1 || told_quote.eq_ignore_ascii_case(currency))
            });
            let symbol = match (position, base) {
                (Some(position), _) => left.remove(position),
                (None, Some(base)) => match pair(&base, currency) {
                    Some(symbol) => symbol,
                    None => continue,
                },
                (None, None) => panic!("{}: which symbol is {id}?", case.name),
            };
            wanted.push(coingecko::Wanted { symbol, ids: vec![id.clone()] });
        }
    }
    wanted
}

/// The coins of a CoinMarketCap request, by id, symbol or slug.
pub(super) fn wanted_cmc(case: &Case) -> Vec<coinmarketcap::Wanted> {
    let currency = case.list("convert").first().cloned().unwrap_or_else(|| "USD".into());
    let by_symbol = case.list("symbol");
    if !by_symbol.is_empty() {
        let symbols = by_symbol.iter().filter_map(|base| pair(base, &currency));
        return symbols.map(|symbol| coinmarketcap::Wanted { symbol, id: None }).collect();
    }
    let ids: Vec<u64> = case.list("id").iter().filter_map(|id| id.parse().ok()).collect();
    if ids.is_empty() {
        let symbols = case.expected_symbols().into_iter();
        return symbols.map(|symbol| coinmarketcap::Wanted { symbol, id: None }).collect();
    }
    let mut left = case.expected_symbols();
    let wanted = ids.into_iter().filter_map(|id| {
        let told = case.quotes().iter().find(|quote| quote["provider_id"].as_u64() == Some(id));
        let told = told.and_then(|quote| Symbol::parse(quote["symbol"].as_str()?).ok());
        let pinned = || pair(coinmarketcap::pinned_symbol(id)?, &currency);
        let symbol = told.or_else(pinned).or_else(|| left.first().cloned())?;
        left.retain(|other| *other != symbol);
        Some(coinmarketcap::Wanted { symbol, id: Some(id) })
    });
    wanted.collect()
}

/// `EUR/USD` for two national currencies, else `BTC-USD`.
fn pair(base: &str, quote: &str) -> Option<Symbol> {
    let slashed = Symbol::parse(&format!("{base}/{quote}")).ok()?;
    match slashed.asset_class() {
        AssetClass::Forex => Some(slashed),
        _ => Symbol::parse(&format!("{base}-{quote}")).ok(),
    }
}

/// A path segment without percent-encoding, by way of a query.
fn decoded(segment: &str) -> String {
    let query = format!("http://upstream/?segment={}", segment.replace('+', "%2B"));
    let url = reqwest::Url::parse(&query).expect("a URL");
    let value = url.query_pairs().next().map(|(_, value)| value.into_owned());
    value.unwrap_or_default()
}
