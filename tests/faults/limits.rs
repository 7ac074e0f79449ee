//! A limiter that denies and dawdles: what is denied is not done, what is acknowledged is.

use std::sync::Arc;

use tickerd::adapters::provider::Secret;
use tickerd::ports::{PriceQuery, SystemClock};

use crate::faulty::Faults;
use crate::service::Service;

const KEY: &str = "a-key-of-the-storm";
const KINDS: &[&str] = &["limiter dawdles", "limiter denies"];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_limiter_denies_is_not_done_and_all_else_is() {
    let faults = Faults::seeded(3, 0);
    KINDS.iter().for_each(|kind| faults.set(kind, 200));
    let service = Service::start_with(Arc::clone(&faults), Arc::new(SystemClock), |config| {
        config.access.api_key = Secret::new(KEY);
    })
    .await;
    let mut acknowledged = Vec::new();
    for number in 1..=100 {
        let body = format!(
            r#"{{"symbol":"S","price":{number},"source":"desk","timestamp":"2024-05-01T00:00:00Z",
                 "external_id":"{number}"}}"#
        );
        let answer = service.post_with_key("/prices", &body, KEY).await;
        match answer.status {
            201 => acknowledged.push(number.to_string()),
            429 => assert!(answer.headers.contains_key("retry-after"), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    let stored = service.parts.store.prices(PriceQuery::newest(1_000)).await.expect("read");
    let stored = stored.iter().rev().map(|price| price.observation.price.to_string());
    assert_eq!(stored.collect::<Vec<_>>(), acknowledged);
    assert!(acknowledged.len() < 100);
    assert!(faults.all_fired(KINDS));
    service.stop().await;
}
