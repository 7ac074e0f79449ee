//! Real HTTP to a stand-in that breaks in the middle.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tickerd::adapters::provider::{ProviderSettings, build};
use tickerd::model::ProviderName;
use tickerd::ports::{PriceProvider, SystemClock};

use super::support::{House, Told, name, options, symbol};
use super::upstream::{Behaviour, Canned, Upstream};

const TICKER: &str = include_str!("../fixtures/providers/kraken/ticker.json");

fn kraken(upstream: &Upstream) -> Arc<dyn PriceProvider> {
    let settings = ProviderSettings {
        enabled: true,
        api_key: None,
        base_url: Some(upstream.url()),
        timeout: Duration::from_secs(2),
    };
    build("kraken", &settings, Arc::new(SystemClock)).expect("kraken")
}

fn ticker() -> Canned {
    Canned::new(200, "application/json", TICKER)
}

#[tokio::test]
async fn a_hundred_concurrent_questions_make_one_upstream_call() {
    let upstream = Upstream::start().await;
    upstream.on("/", Behaviour::Slow(Duration::from_millis(100), ticker()));
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(SystemClock);
    let providers = vec![kraken(&upstream)];
    let house = House::open(directory.path(), providers, options(&["kraken"]), clock).await;
    let bitcoin = symbol("BTC-USD");
    let questions = (0..100).map(|_| house.router.quote(&bitcoin, None));
    // The first who asked goes away: the others are answered all the same.
    let gone = tokio::time::timeout(Duration::from_millis(20), house.router.quote(&bitcoin, None));
    let (gone, answers) = tokio::join!(gone, futures_util::future::join_all(questions));
    assert!(gone.is_err());
    for answer in answers {
        let quoted = answer.expect("a price");
        assert_eq!(quoted.price.observation.price.to_string(), "88000");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn every_request_is_answered_while_a_provider_goes_down() {
    for (label, breaks) in [
        ("500", Behaviour::Answer(Canned::new(500, "text/plain", "no"))),
        ("html", Behaviour::Answer(Canned::new(200, "text/html", "<html>busy</html>"))),
        ("empty", Behaviour::Answer(Canned::new(200, "application/json", "{}"))),
        (
            "429",
            Behaviour::Answer(Canned::new(429, "text/plain", "").with_header("Retry-After", "60")),
        ),
        ("truncated", Behaviour::BreaksOff(ticker())),
        ("hangs", Behaviour::Hangs),
    ] {
        let upstream = Upstream::start().await;
        upstream.on("/", Behaviour::Answer(ticker()));
        let directory = tempfile::tempdir().expect("a directory");
        let fallback = Told::new("yahoo", &[], 100, Arc::new(SystemClock));
        let mut options = options(&["kraken", "yahoo"]);
        options.budgets.insert(name("kraken"), Vec::new());
        options.guard.timeout = Duration::from_millis(300);
        let providers: Vec<Arc<dyn PriceProvider>> = vec![kraken(&upstream), fallback];
        let house = House::open(directory.path(), providers, options, Arc::new(SystemClock)).await;
        let symbols = ["BTC-USD", "EUR/USD", "AAPL"].map(symbol);
        let n_requests = 1_000;
        let requests = futures_util::stream::iter(0..n_requests).map(|index| {
            if index == n_requests / 2 {
                upstream.on("/", breaks.clone());
            }
            let symbol = symbols[index % symbols.len()].clone();
            let router = house.router.clone();
            async move { router.quote(&symbol, None).await }
        });
        let answers: Vec<_> = requests.buffered(16).collect().await;
        let mut by_provider = std::collections::BTreeMap::<ProviderName, usize>::new();
        for answer in answers {
            let quoted = answer.unwrap_or_else(|failure| panic!("{label}: {failure:?}"));
            *by_provider.entry(quoted.price.observation.provider).or_default() += 1;
        }
        assert!(by_provider[&name("kraken")] > 300, "{label}: {by_provider:?}");
        assert!(by_provider[&name("yahoo")] > 600, "{label}: {by_provider:?}");
    }
}
