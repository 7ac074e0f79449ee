//! Walks sets of replies: every case goes through its parser and, where the adapter makes that
//! very request, through the adapter and a local server too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::provider::yahoo::Yahoo;
use tickerd::adapters::provider::{ProviderSettings, Secret, build};
use tickerd::model::{AssetClass, Symbol, Timestamp};
use tickerd::ports::clock::ManualClock;

use super::case::Case;
use super::check::differences;
use super::endpoint::{self, Endpoint, Outcome};
use super::upstream::{Behaviour, Canned, Upstream};

const KEY: &str = "a-key-of-no-one";

#[tokio::test]
async fn provider_fixtures_give_exactly_what_is_expected() {
    let mut wrong = Vec::new();
    for directory in directories() {
        wrong.extend(walk(&directory).await);
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// The set that the environment names, else our own and the recorded one beside the crate.
fn directories() -> Vec<PathBuf> {
    if let Ok(named) = std::env::var("TICKERD_PROVIDER_FIXTURES") {
        return vec![PathBuf::from(named)];
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = vec![root.join("tests/fixtures/providers")];
    let recorded = root.join("../shared/providers/fixtures");
    if recorded.join("expected.json").exists() {
        directories.push(recorded);
    } else {
        let required = std::env::var("TICKERD_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.contains("fixtures"), "{} is required", recorded.display());
        println!("skipped: no recorded replies in {}", recorded.display());
    }
    directories
}

async fn walk(directory: &Path) -> Vec<String> {
    let received_at = Timestamp::parse("2026-11-21T12:00:00Z").expect("an instant");
    let (mut n_read, mut n_driven, mut wrong) = (0, 0, Vec::new());
    for case in Case::read_all(directory) {
        if let Some(why) = endpoint::out_of_scope(&case) {
            println!("out of scope: {} ({why})", case.name);
            continue;
        }
        let endpoint = endpoint::endpoint_of(&case);
        let outcome = endpoint::parse(&case, endpoint, received_at);
        let parsed = differences(&case, outcome, received_at);
        wrong.extend(parsed.into_iter().map(|what| format!("{} parsed: {what}", case.name)));
        n_read += 1;
        if let Some((outcome, asked_path)) = drive(&case, endpoint, received_at).await {
            let driven = differences(&case, outcome, received_at);
            wrong.extend(driven.into_iter().map(|what| format!("{} driven: {what}", case.name)));
            if endpoint != Endpoint::Other && asked_path != unversioned(case.path()) {
                wrong.push(format!("{} driven: asked for {asked_path}", case.name));
            }
            n_driven += 1;
        }
    }
    println!("{}: {n_read} read, {n_driven} of them driven", directory.display());
    assert!(n_read > 0, "{} has no case that an adapter reads", directory.display());
    wrong
}

/// Makes the adapter ask a server that gives the case's reply; also tells the path it asked last.
async fn drive(
    case: &Case,
    endpoint: Endpoint,
    received_at: Timestamp,
) -> Option<(Outcome, String)> {
    let upstream = Upstream::start().await;
    upstream.on("/", Behaviour::Answer(case.canned.clone()));
    let settings = ProviderSettings {
        enabled: true,
        api_key: Some(Secret::new(KEY)),
        base_url: Some(upstream.url()),
        timeout: Duration::from_secs(5),
    };
    let clock = Arc::new(ManualClock::at(received_at));
    let provider = build(&case.provider, &settings, Arc::clone(&clock) as _).expect("a provider");
    let asked = endpoint::asked(case, endpoint);
    let outcome = match endpoint {
        Endpoint::YahooSearch => {
            let text = case.parameter("q")?;
            let yahoo = Yahoo::new(&settings, clock).expect("a provider");
            Outcome::Assets(yahoo.search(&text).await)
        }
        Endpoint::FinnhubSymbols(class) => Outcome::Assets(provider.assets(class).await),
        Endpoint::GeckoList | Endpoint::CmcMap => {
            Outcome::Assets(provider.assets(AssetClass::Crypto).await)
        }
        Endpoint::AlphaListing => Outcome::Assets(provider.assets(AssetClass::Stock).await),
        Endpoint::FinnhubQuote if asked[0].asset_class() == AssetClass::Forex => return None,
        Endpoint::YahooQuote => {
            upstream.on("/v1/test/getcrumb", Behaviour::Answer(crumb()));
            upstream.on("/?", Behaviour::Answer(Canned::new(404, "text/html", "")));
            quotes_beside(&*provider, &asked, "ZZZZ.ZZ").await
        }
        // A second currency makes the adapter choose this call.
        Endpoint::GeckoSimple => {
            upstream.on("/api/v3/coins/list", Behaviour::Answer(coin_list(case)));
            quotes_beside(&*provider, &asked, "BTC-NOK").await
        }
        Endpoint::GeckoMarkets => {
            upstream.on("/api/v3/coins/list", Behaviour::Answer(coin_list(case)));
            Outcome::Quotes(provider.quotes(&asked).await)
        }
        // Without an expected failure there is nothing that a call for quotes should give.
        Endpoint::Other if case.errors().is_empty() => return None,
        _ => Outcome::Quotes(provider.quotes(&asked).await),
    };
    let requests = upstream.requests();
    let last = requests.last().unwrap_or_else(|| panic!("{}: nothing was asked", case.name));
    Some((outcome, unversioned(last.path())))
}

/// Asks for one symbol more, which makes the adapter choose another call, and leaves that out.
async fn quotes_beside(
    provider: &dyn tickerd::ports::provider::PriceProvider,
    asked: &[Symbol],
    other: &str,
) -> Outcome {
    let other = Symbol::parse(other).expect("a symbol");
    let mut more = asked.to_vec();
    more.push(other);
    let results = provider.quotes(&more).await;
    Outcome::Quotes(results.map(|mut results| {
        results.pop();
        results
    }))
}

/// The coin list that tells the adapter the ids of the case's coins.
fn coin_list(case: &Case) -> Canned {
    let rows = endpoint::wanted_coins(case).into_iter().flat_map(|wanted| {
        let base = wanted.symbol.pair().map_or("", |(base, _)| base).to_ascii_lowercase();
        wanted.ids.into_iter().map(move |id| serde_json::json!({"id": id, "symbol": base}))
    });
    let list: Vec<serde_json::Value> = rows.collect();
    Canned::new(200, "application/json", serde_json::to_vec(&list).expect("JSON"))
}

fn crumb() -> Canned {
    Canned::new(200, "text/plain", "aB3.d.e0F1g")
}

/// A path without the version of the API, which has changed where the shape has not.
fn unversioned(path: &str) -> String {
    let path = path.trim_end_matches('/').replace("%3D", "=").replace("%5E", "^");
    let segments = path.split('/').filter(|segment| !matches!(*segment, "v1" | "v2" | "v3"));
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn arbitrary_replies_never_panic_a_parser() {
    let received_at = Timestamp::parse("2026-11-21T12:00:00Z").expect("an instant");
    let cases = directories().into_iter().flat_map(|directory| Case::read_all(&directory));
    let mut cases: Vec<Case> =
        cases.filter(|case| endpoint::out_of_scope(case).is_none()).collect();
    // As many for each provider as for any other reader of bytes.
    let mut n_samples = std::collections::BTreeMap::<String, u64>::new();
    for case in &cases {
        *n_samples.entry(case.provider.clone()).or_default() += 1;
    }
    for case in &mut cases {
        let n_inputs = crate::arbitrary::n_cases().div_ceil(n_samples[&case.provider]);
        let endpoint = endpoint::endpoint_of(case);
        let right = [case.canned.body.clone()];
        let name = case.name.clone();
        crate::arbitrary::feed(&name, &right, n_inputs, |bytes| {
            case.canned.body = bytes.to_vec();
            let _ = endpoint::parse(case, endpoint, received_at);
        });
    }
}
