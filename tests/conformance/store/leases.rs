//! Work that one process at a time may do.

use std::sync::Arc;
use std::time::Duration;

use tickerd::ports::Store;

const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn a_lease_has_one_holder_at_a_time(store: Arc<dyn Store>) {
    let hold = async |name, holder| store.hold_lease(name, holder, LONG).await.expect("answered");
    assert!(hold("relay", "a").await);
    assert!(hold("relay", "a").await, "its holder prolongs it");
    assert!(!hold("relay", "b").await);
    assert!(hold("fetch", "b").await, "another lease is free");

    store.give_up_lease("relay", "b").await.expect("nothing happens");
    assert!(!hold("relay", "b").await, "who has it not cannot give it up");
    store.give_up_lease("relay", "a").await.expect("given up");
    assert!(hold("relay", "b").await);
}

pub(crate) async fn a_lease_that_runs_out_is_free(store: Arc<dyn Store>) {
    let short = Duration::from_millis(50);
    assert!(store.hold_lease("relay", "dead", short).await.expect("answered"));
    for _ in 0..6_000 {
        if store.hold_lease("relay", "heir", LONG).await.expect("answered") {
            assert!(!store.hold_lease("relay", "dead", short).await.expect("answered"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the lease never ran out");
}
