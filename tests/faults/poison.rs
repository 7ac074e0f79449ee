//! Deliveries that nobody can work on are parked with all that is needed to look into them, and
//! nothing waits behind them. A store that is away is no reason to park anything.

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tickerd::app::backends::Parts;
use tickerd::app::run::App;
use tickerd::ports::SystemClock;
use tickerd::ports::bus::RawMessage;

use crate::build::{amount, observed, symbol, window};
use crate::faulty::Faults;
use crate::service::{Service, config, eventually};

async fn calm() -> Service {
    Service::start(Faults::seeded(0, 0)).await
}

fn message(key: &str, payload: &[u8]) -> RawMessage {
    let headers = vec![("traceparent".into(), "00-1".into())];
    RawMessage { key: key.into(), payload: payload.to_vec(), headers }
}

/// The bytes of an event of a price that is stored.
async fn event_bytes(service: &Service) -> String {
    let appended = service.parts.store.append(vec![observed("AAPL", 1, "10")]).await;
    let sequence = *service.parts.store.committed().borrow();
    assert_eq!(appended.expect("stored").len(), 1);
    service.settle().await;
    let before = tickerd::model::Sequence(sequence.0 - 1);
    let log = service.parts.store.log_after(before, 1).await.expect("the log");
    let [tickerd::ports::LogEntry::Price(event)] = log.as_slice() else { panic!("{log:?}") };
    String::from_utf8(service.parts.bus.encode(event).payload).expect("text")
}

async fn letters(service: &Service) -> Vec<Value> {
    let answer = service.get("/v1/dead-letters").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_parked_with_its_bytes_and_the_flow_goes_on() {
    let service = calm().await;
    let good = event_bytes(&service).await;
    let newer = good.replace(r#""schema_version":1"#, r#""schema_version":99"#);
    let impossible = good.replace(r#""price":10"#, r#""price":-10"#);
    let nameless = good.replace("AAPL", "A B");
    assert!(![&newer, &impossible, &nameless].contains(&&good), "{good}");
    let poisons: [(&[u8], &str); 5] = [
        (b"\xFF\xFE\0", "expected value"),
        (b"", "EOF"),
        (newer.as_bytes(), "version 99"),
        (impossible.as_bytes(), "must not be negative"),
        (nameless.as_bytes(), "not ' '"),
    ];
    for (payload, _) in poisons {
        service.parts.bus.publish_raw(message("AAPL", payload)).await.expect("published");
    }

    let parked = letters(&service).await;

    assert_eq!(parked.len(), poisons.len());
    for ((payload, reason), letter) in poisons.iter().zip(&parked) {
        assert_eq!(letter["payload"], *String::from_utf8_lossy(payload), "{letter}");
        let is_text = std::str::from_utf8(payload).is_ok();
        assert_eq!(letter.get("payload_base64").is_none(), is_text, "{letter}");
        assert!(letter["reason"].as_str().expect("a reason").contains(reason), "{letter}");
        assert_eq!(letter["headers"], json!([["traceparent", "00-1"]]));
        assert_eq!((&letter["key"], &letter["topic"]), (&json!("AAPL"), &json!("price-events")));
        assert_eq!((&letter["partition"], &letter["attempts"]), (&json!(0), &json!(1)));
    }
    assert_eq!(parked[0]["payload_base64"], "//4A");
    // What came after the poison has its average.
    let later = (2..8).map(|secs| observed("AAPL", secs, "10")).collect();
    service.parts.store.append(later).await.expect("stored");
    service.settle().await;
    let average = service.parts.store.latest_average(&symbol("AAPL"), window(5)).await;
    assert_eq!(average.expect("read").expect("an average").mean.decimal(), amount("10").decimal());
    assert_eq!(letters(&service).await.len(), poisons.len());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_by_itself_is_parked_after_all_attempts_and_can_be_replayed() {
    let service = calm().await;
    let prices = |name: &str| (1..6).map(|secs| observed(name, secs, "3")).collect();
    let store = &service.parts.store;
    eventually(async || !store.materialised_windows().await.expect("read").is_empty()).await;
    service.faults.make_unreadable(&symbol("BAD"));
    service.parts.store.append(prices("BAD")).await.expect("stored");
    service.parts.store.append(prices("GOOD")).await.expect("stored");
    service.settle().await;

    let good = service.parts.store.latest_average(&symbol("GOOD"), window(5)).await;
    assert!(good.expect("read").is_some());
    let bad = service.parts.store.latest_average(&symbol("BAD"), window(5)).await;
    assert_eq!(bad.expect("read"), None);
    let parked = letters(&service).await;
    assert_eq!(parked.len(), 5);
    for letter in &parked {
        assert_eq!((&letter["key"], &letter["attempts"]), (&json!("BAD"), &json!(5)));
        assert_eq!(letter["headers"], json!([["type", "price.recorded"]]));
        assert!(letter["reason"].as_str().expect("a reason").contains("BAD cannot be read"));
        assert!(letter["payload"].as_str().expect("bytes").contains(r#""symbol":"BAD""#));
    }

    // Replayed while it is still poison, it is parked again and tells that it was there before.
    let id = parked[0]["id"].as_u64().expect("an id");
    let answer = service.post(&format!("/v1/dead-letters/{id}/replay"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(service.get(&format!("/v1/dead-letters/{id}")).await.status, 404);
    let again = letters(&service).await.pop().expect("a letter");
    assert!(again["id"].as_u64() > parked[4]["id"].as_u64());
    assert_eq!((&again["attempts"], &again["payload"]), (&json!(10), &parked[0]["payload"]));
    assert_eq!(again["headers"], parked[0]["headers"]);
    let before = &parked[0];
    let parking = |name: &str| before[name].clone();
    assert_eq!(
        again["history"],
        json!([{
            "parked_at": parking("parked_at"),
            "attempts": 5,
            "reason": parking("reason"),
        }])
    );

    // Mended, all of it is worked off.
    service.faults.calm();
    let answer = service.post("/v1/dead-letters/replay", "").await;
    assert_eq!((answer.status, &answer.body["count"]), (200, &json!(5)));
    assert_eq!(letters(&service).await, [json!(null); 0]);
    let bad = service.parts.store.latest_average(&symbol("BAD"), window(5)).await;
    assert_eq!(bad.expect("read").expect("an average").mean.decimal(), amount("3").decimal());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symbol_that_cannot_be_read_does_not_keep_the_averager_from_starting() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    for name in ["BAD", "GOOD"] {
        let batch = (1..6).map(|secs| observed(name, secs, "3")).collect();
        parts.store.append(batch).await.expect("stored");
    }
    let faults = Faults::seeded(0, 0);
    faults.make_unreadable(&symbol("BAD"));
    let service = Service::on(directory, &config, parts, faults).await;
    service.settle().await;

    let store = &service.parts.store;
    let good = store.latest_average(&symbol("GOOD"), window(5)).await;
    assert!(good.expect("read").is_some());
    assert_eq!(letters(&service).await.len(), 5);
    // Once it can be read, the next start computes what is missing.
    assert_eq!(store.materialised_windows().await.expect("read"), []);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_parks_nothing() {
    let service = calm().await;
    let batch = (1..6).map(|secs| observed("AAPL", secs, "3")).collect();
    service.faults.set("store refuses", 1_000);
    service.parts.store.append(batch).await.expect("stored");
    // Long enough for more attempts than a poisonous delivery would get.
    eventually(async || service.faults.n_fired("store refuses") > 10).await;
    assert_eq!(service.parts.store.depth().await.expect("read"), 5);

    service.faults.calm();
    service.settle().await;

    assert_eq!(service.parts.store.dead_letters(0, 10).await.expect("read"), []);
    let average = service.parts.store.latest_average(&symbol("AAPL"), window(5)).await;
    assert!(average.expect("read").is_some());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_paged_dropped_and_not_found() {
    let service = calm().await;
    for n in 0..5 {
        let poison = message("AAPL", format!("poison {n}").as_bytes());
        service.parts.bus.publish_raw(poison).await.expect("published");
    }
    let first = service.get("/v1/dead-letters?limit=2").await;
    let link = first.headers["link"].to_str().expect("text").to_owned();
    let path = link.trim_start_matches('<').split('>').next().expect("a path").to_owned();
    let second = service.get(&path).await;
    assert_eq!(
        (first.body[1]["payload"].as_str(), second.body[0]["payload"].as_str()),
        (Some("poison 1"), Some("poison 2"))
    );
    let id = first.body[0]["id"].as_u64().expect("an id");

    let path = format!("/v1/dead-letters/{id}");
    assert_eq!(service.delete(&format!("{path}?reason=a%20test")).await.status, 200);
    let gone = [
        service.delete(&path).await,
        service.get(&path).await,
        service.post(&format!("{path}/replay"), "").await,
    ];
    for answer in gone {
        let code = &answer.body["code"];
        assert_eq!((answer.status, code), (404, &json!("unknown-dead-letter")), "{answer:?}");
    }
    assert_eq!(letters(&service).await.len(), 4);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_letter_that_is_replayed_or_dropped_is_in_the_trail() {
    let service = calm().await;
    for name in ["one", "two", "three"] {
        service.parts.bus.publish_raw(message("AAPL", name.as_bytes())).await.expect("published");
    }
    let ids: Vec<_> = letters(&service).await.iter().map(|letter| letter["id"].clone()).collect();
    let [one, two, three] = ids.as_slice() else { panic!("{ids:?}") };
    service.delete(&format!("/v1/dead-letters/{one}?reason=a%20test")).await;
    service.post(&format!("/v1/dead-letters/{two}/replay"), "").await;
    // Parked again by now: a fourth letter.
    let again = letters(&service).await.pop().expect("a letter")["id"].clone();
    service.post("/v1/dead-letters/replay", "").await;
    service.delete(&format!("/v1/dead-letters/{one}?reason=again")).await;

    let trail = service.get("/v1/audit").await.body;
    let entries = trail.as_array().expect("entries").iter().rev();
    let told: Vec<_> = entries
        .filter(|entry| entry["action"].as_str().expect("text").starts_with("dead-letter."))
        .map(|entry| json!([entry["action"], entry["target"], entry["outcome"], entry["actor"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["dead-letter.drop", format!("dead-letters/{one}: a test"), "done", "local"]),
            json!(["dead-letter.replay", format!("dead-letters/{two}"), "done", "local"]),
            json!(["dead-letter.replay", format!("dead-letters/{three}"), "done", "local"]),
            json!(["dead-letter.replay", format!("dead-letters/{again}"), "done", "local"]),
        ]
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_stays_when_the_bus_does_not_take_it() {
    let service = calm().await;
    service.parts.bus.publish_raw(message("AAPL", b"poison")).await.expect("published");
    service.faults.set("bus refuses", 1_000);
    let id = letters(&service).await[0]["id"].clone();

    let answer = service.post(&format!("/v1/dead-letters/{id}/replay"), "").await;

    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("bus-unavailable")));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(letters(&service).await.len(), 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_replays_and_drops_with_and_without_a_service() {
    let service = calm().await;
    for name in ["one", "two", "three"] {
        service.parts.bus.publish_raw(message("AAPL", name.as_bytes())).await.expect("published");
    }
    let url = service.base.clone();
    let listed = dead_letters(&["list", "--json", "--url", &url]).await;
    let ids: Vec<String> =
        listed.as_array().expect("a list").iter().map(|letter| letter["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
    let dropped =
        dead_letters(&["drop", &ids[0], "--reason", "a test", "--json", "--url", &url]).await;
    assert_eq!(dropped, json!({ "dropped": 1 }));
    let replayed = dead_letters(&["replay", "--all", "--json", "--url", &url]).await;
    assert_eq!(replayed, json!({ "replayed": 2 }));

    // On the data directory, once the service is stopped.
    let directory = service.stop().await;
    let path = directory.path().to_str().expect("text");
    let listed = dead_letters(&["list", "--json", "--data-dir", path]).await;
    assert_eq!(listed.as_array().expect("a list").len(), 2, "{listed}");
    assert_eq!(listed[0]["history"].as_array().expect("a history").len(), 1, "{listed}");
    let replayed = dead_letters(&["replay", "--all", "--json", "--data-dir", path]).await;
    assert_eq!(replayed, json!({ "replayed": 2 }));
    let dropped =
        dead_letters(&["drop", "--all", "--reason", "x", "--json", "--data-dir", path]).await;
    assert_eq!(dropped, json!({ "dropped": 2 }));
    let config = config(directory.path());
    let parts = Parts::open(&config, Arc::new(SystemClock)).await.expect("the backends open");
    let app = App::build(&config, parts, false).await.expect("built");
    let left = app.work(async |services| services.dead_letters.list(0, 10).await).await;
    assert_eq!(left.expect("closed").expect("read"), []);
}

/// Runs the verb and answers what it prints.
async fn dead_letters(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
    command.arg("dead-letters").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("run"));
    let output = output.await.expect("run");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
