//! Slow, broken, oversized and misleading upstreams: always a typed failure, never a key in it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::provider::{ProviderSettings, QuoteResults, REGISTRY, Secret, build};
use tickerd::model::{Symbol, Timestamp};
use tickerd::ports::clock::ManualClock;
use tickerd::ports::provider::{FailureClass, PriceProvider, ProviderError, QuotaWindow};

use super::upstream::{Behaviour, Canned, Upstream};

const KEY: &str = "K3Y-0F-N0-0NE";

fn provider(name: &str, upstream: &Upstream, timeout: Duration) -> Arc<dyn PriceProvider> {
    let settings = ProviderSettings {
        enabled: true,
        api_key: Some(Secret::new(KEY)),
        base_url: Some(upstream.url()),
        timeout,
    };
    let now = Timestamp::parse("2026-11-21T12:00:00Z").expect("an instant");
    build(name, &settings, Arc::new(ManualClock::at(now))).expect("a provider")
}

/// Asks with all the time that a busy machine may need.
async fn ask(
    name: &str,
    upstream: &Upstream,
    symbols: &[&str],
) -> Result<QuoteResults, ProviderError> {
    ask_within(Duration::from_secs(120), name, upstream, symbols).await
}

async fn ask_within(
    timeout: Duration,
    name: &str,
    upstream: &Upstream,
    symbols: &[&str],
) -> Result<QuoteResults, ProviderError> {
    let symbols: Vec<Symbol> =
        symbols.iter().map(|symbol| Symbol::parse(symbol).expect("a symbol")).collect();
    provider(name, upstream, timeout).quotes(&symbols).await
}

/// The one failure of a call for one symbol, wherever it stands.
fn failure(results: Result<QuoteResults, ProviderError>) -> ProviderError {
    match results {
        Err(error) => error,
        Ok(mut results) => results.remove(0).1.expect_err("a failure"),
    }
}

fn json(body: &str) -> Canned {
    Canned::new(200, "application/json", body)
}

#[tokio::test]
async fn provider_trouble_on_the_wire_is_a_typed_failure_for_everyone() {
    let data = json(r#"{"c": 1.5, "padding": "so that half of it is no JSON"}"#);
    let behaviours = [
        (Behaviour::Hangs, FailureClass::UpstreamError),
        (Behaviour::Slow(Duration::from_secs(5), data.clone()), FailureClass::UpstreamError),
        (Behaviour::BreaksOff(data), FailureClass::BadPayload),
        (Behaviour::Answer(json("")), FailureClass::BadPayload),
        (Behaviour::Answer(json("{}")), FailureClass::BadPayload),
        (Behaviour::Answer(json("<html></html>")), FailureClass::BadPayload),
        (Behaviour::Answer(Canned::new(500, "text/html", "<html>")), FailureClass::UpstreamError),
        (
            Behaviour::Answer(Canned::new(429, "text/plain", "slow down")),
            FailureClass::RateLimited(QuotaWindow::Minute),
        ),
    ];
    // Side by side, because the first two wait for the time-out; the others must not meet it.
    let trials = REGISTRY.iter().flat_map(|registration| {
        behaviours.iter().map(move |(behaviour, class)| async move {
            let upstream = Upstream::start().await;
            upstream.on("/", behaviour.clone());
            let waits = matches!(behaviour, Behaviour::Hangs | Behaviour::Slow(..));
            let timeout = Duration::from_secs(if waits { 2 } else { 120 });
            let asked = ask_within(timeout, registration.name, &upstream, &["BTC-USD"]);
            let error = failure(asked.await);
            assert_eq!(error.class, *class, "{} {behaviour:?}: {error}", registration.name);
        })
    });
    futures_util::future::join_all(trials).await;
}

#[tokio::test]
async fn provider_hosts_that_nobody_listens_on_are_an_upstream_failure() {
    let upstream = Upstream::start().await;
    let provider = provider("finnhub", &upstream, Duration::from_secs(1));
    drop(upstream);
    tokio::task::yield_now().await;
    let symbols = [Symbol::parse("AAPL").expect("a symbol")];
    let error = failure(provider.quotes(&symbols).await);
    assert_eq!(error.class, FailureClass::UpstreamError, "{error}");
}

#[tokio::test]
async fn provider_bodies_are_capped_after_decompression() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        gzip.write_all(&[b' '; 1 << 20]).expect("memory takes it");
    }
    let bomb = gzip.finish().expect("memory takes it");
    assert!(bomb.len() < 1 << 20);
    let upstream = Upstream::start().await;
    let canned = Canned::new(200, "application/json", bomb).with_header("Content-Encoding", "gzip");
    upstream.on("/", Behaviour::Answer(canned));
    let timely = provider("finnhub", &upstream, Duration::from_secs(120));
    let symbols = [Symbol::parse("AAPL").expect("a symbol")];
    let error = failure(timely.quotes(&symbols).await);
    assert_eq!(error.class, FailureClass::BadPayload, "{error}");
    assert!(error.detail.contains("8 MiB"), "{error}");
}

#[tokio::test]
async fn provider_redirects_off_the_host_are_not_followed() {
    let elsewhere = Upstream::start().await;
    elsewhere.on("/", Behaviour::Answer(json(r#"{"c": 1.5}"#)));
    let upstream = Upstream::start().await;
    let away = Canned::new(302, "text/html", "").with_header("Location", &elsewhere.url());
    upstream.on("/", Behaviour::Answer(away));
    let error = failure(ask("finnhub", &upstream, &["AAPL"]).await);
    assert_eq!(error.class, FailureClass::UpstreamError, "{error}");
    assert!(elsewhere.requests().is_empty(), "the key went to another host");

    let near = Canned::new(302, "text/html", "").with_header("Location", "/api/v1/moved");
    upstream.on("/", Behaviour::Answer(near));
    upstream.on("/api/v1/moved", Behaviour::Answer(json(r#"{"c": 1.5}"#)));
    let results = ask("finnhub", &upstream, &["AAPL"]).await.expect("an answer");
    assert!(results[0].1.is_ok());
}

#[tokio::test]
async fn provider_keys_travel_as_documented_and_never_into_an_error() {
    let echo = format!(
        r#"{{"error":"bad key {KEY}","Information":"API key as {KEY}, 25 requests per day","status":{{"error_code":1001,"error_message":"key {KEY}"}}}}"#
    );
    for (name, header) in [
        ("finnhub", Some("x-finnhub-token")),
        ("coingecko", Some("x-cg-demo-api-key")),
        ("coinmarketcap", Some("x-cmc_pro_api_key")),
        ("alphavantage", None),
    ] {
        for status in [200, 401] {
            let upstream = Upstream::start().await;
            upstream
                .on("/", Behaviour::Answer(Canned::new(status, "application/json", echo.clone())));
            let error = failure(ask(name, &upstream, &["BTC-USD"]).await);
            assert!(!format!("{error} {error:?}").contains(KEY), "{name}: {error}");
            let requests = upstream.requests();
            let in_url = requests[0].target.contains(KEY);
            let in_header = header.and_then(|header| requests[0].header(header)) == Some(KEY);
            assert_eq!((in_url, in_header), (header.is_none(), header.is_some()), "{name}");
        }
    }
    let upstream = Upstream::start().await;
    upstream.on("/", Behaviour::Hangs);
    let asked = ask_within(Duration::from_secs(1), "alphavantage", &upstream, &["AAPL"]);
    let error = failure(asked.await);
    assert!(!format!("{error:?}").contains(KEY), "{error}");
}

#[tokio::test]
async fn provider_retry_after_is_passed_on_with_a_limit() {
    let upstream = Upstream::start().await;
    let date = "Sat, 21 Nov 2026 12:01:30 GMT";
    for (text, secs) in [("53", 53), (date, 90)] {
        let limited = Canned::new(429, "text/plain", "").with_header("Retry-After", text);
        upstream.on("/", Behaviour::Answer(limited));
        let error = failure(ask("kraken", &upstream, &["BTC-USD"]).await);
        assert_eq!(error.retry_after, Some(Duration::from_secs(secs)), "{text}");
    }
}

const CRUMB: &str = "/v1/test/getcrumb";

fn yahoo_upstream_script(upstream: &Upstream, quote: Behaviour) {
    let page = Canned::new(404, "text/html", "").with_header("Set-Cookie", "A3=abc; Path=/");
    upstream.on("/", Behaviour::Answer(page));
    upstream.on(CRUMB, Behaviour::Answer(Canned::new(200, "text/plain", "aB3/d.e0F1g")));
    upstream.on("/v7/finance/quote", quote);
}

#[tokio::test]
async fn provider_yahoo_opens_one_session_for_many_batches() {
    let upstream = Upstream::start().await;
    let body = r#"{"quoteResponse":{"result":[
        {"symbol":"BRK-B","currency":"USD","regularMarketPrice":400.5},
        {"symbol":"EURUSD=X","currency":"USD","regularMarketPrice":1.05}],"error":null}}"#;
    yahoo_upstream_script(&upstream, Behaviour::Answer(json(body)));
    let yahoo = provider("yahoo", &upstream, Duration::from_secs(5));
    let symbols = ["BRK.B", "EUR/USD"].map(|symbol| Symbol::parse(symbol).expect("a symbol"));
    for _ in 0..2 {
        let results = yahoo.quotes(&symbols).await.expect("an answer");
        assert!(results.iter().all(|(_, result)| result.is_ok()), "{results:?}");
    }
    let requests = upstream.requests();
    let paths: Vec<&str> = requests.iter().map(|request| request.path()).collect();
    assert_eq!(paths, ["/", CRUMB, "/v7/finance/quote", "/v7/finance/quote"]);
    assert_eq!(requests[1].header("cookie"), Some("A3=abc"));
    assert_eq!(requests[2].header("cookie"), Some("A3=abc"));
    assert!(requests[2].target.contains("symbols=BRK-B%2CEURUSD%3DX&crumb=aB3%2Fd.e0F1g"));
    assert!(requests[2].header("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/")));
}

#[tokio::test]
async fn provider_yahoo_renews_a_refused_session_once() {
    let upstream = Upstream::start().await;
    let refusal = r#"{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}"#;
    let refusal = Canned::new(401, "application/json", refusal);
    yahoo_upstream_script(&upstream, Behaviour::Answer(refusal));
    let error = ask("yahoo", &upstream, &["AAPL", "MSFT"]).await.expect_err("a refusal");
    assert_eq!(error.class, FailureClass::Auth, "{error}");
    let requests = upstream.requests();
    let n_asked = |path: &str| requests.iter().filter(|request| request.path() == path).count();
    assert_eq!((n_asked("/"), n_asked(CRUMB), n_asked("/v7/finance/quote")), (2, 2, 2));
}

#[tokio::test]
async fn provider_coingecko_asks_all_coins_of_an_ambiguous_symbol_at_once() {
    let upstream = Upstream::start().await;
    upstream.on(
        "/api/v3/coins/list",
        Behaviour::Answer(json(
            r#"[{"id":"small","symbol":"xyz","name":"S"},{"id":"large","symbol":"xyz","name":"L"}]"#,
        )),
    );
    upstream.on(
        "/api/v3/coins/markets",
        Behaviour::Answer(json(
            r#"[{"id":"large","current_price":7,"market_cap":9},
                {"id":"small","current_price":1,"market_cap":2}]"#,
        )),
    );
    let results = ask("coingecko", &upstream, &["XYZ-USD"]).await.expect("an answer");
    assert_eq!(results[0].1.as_ref().map(|quote| quote.price.to_string()), Ok("7".into()));
    let requests = upstream.requests();
    assert!(requests[1].target.contains("ids=small%2Clarge"), "{}", requests[1].target);
}
