//! Keys, and the trail of who did what.

use std::sync::Arc;
use std::time::Duration;

use tickerd::codec::audit::{Walk, head_at, seal};
use tickerd::model::{
    Actor, ApiKey, AuditDraft, AuditEntry, AuditHead, JobConfig, KeyId, Role, Schedule,
};
use tickerd::ports::{Appended, AuditQuery, JobChange, SnapshotRecord, Store};

use super::dead_letters::letter;
use super::ledger::account;
use crate::build::{corrected, instant, observed, second, symbol};

fn key(number: u8) -> ApiKey {
    ApiKey {
        id: KeyId::from_bytes([0xa8, 0, 0, 0, 0, number]),
        name: Some(format!("key {number} “ä”")),
        role: Role::Write,
        secret_hash: [number; 32],
        created_at: second(u64::from(number)),
        expires_at: Some(second(10_000)),
        last_used_at: None,
        revoked_at: None,
    }
}

fn draft(action: &str, target: &str) -> AuditDraft {
    AuditDraft {
        address: "192.0.2.7".into(),
        request_id: "r-1".into(),
        ..AuditDraft::without_request(second(1), Actor::Local, action, target)
    }
}

/// The whole trail, oldest first, after checking that it fits.
async fn trail(store: &Arc<dyn Store>) -> Vec<AuditEntry> {
    let entries = store.audit_after(0, 100_000).await.expect("the trail");
    let mut walk = Walk::default();
    entries.iter().try_for_each(|entry| walk.step(entry)).expect("the trail fits");
    assert_eq!(store.audit_head().await.expect("the head"), walk.head());
    entries
}

/// (action, target, outcome) of each entry.
fn told(entries: &[AuditEntry]) -> Vec<(&str, &str, &str)> {
    entries
        .iter()
        .map(|entry| {
            let draft = &entry.draft;
            (draft.action.as_str(), draft.target.as_str(), draft.outcome.as_str())
        })
        .collect()
}

pub(crate) async fn a_key_is_kept_once_and_listed_by_age(store: Arc<dyn Store>) {
    assert_eq!(store.keys().await.expect("listed"), []);
    for number in [2, 1] {
        assert!(store.create_key(key(number)).await.expect("created"));
    }
    let other = ApiKey { role: Role::Admin, ..key(1) };
    assert!(!store.create_key(other).await.expect("refused"), "the id is taken");
    assert_eq!(store.keys().await.expect("listed"), [key(1), key(2)]);
    let bare = ApiKey { name: None, expires_at: None, ..key(3) };
    assert!(store.create_key(bare.clone()).await.expect("created"));
    assert_eq!(store.keys().await.expect("listed")[2], bare);
}

pub(crate) async fn a_key_is_revoked_once_and_for_good(store: Arc<dyn Store>) {
    store.create_key(key(1)).await.expect("created");
    let revoked = ApiKey { revoked_at: Some(second(50)), ..key(1) };
    for at in [50, 60] {
        let answer = store.revoke_key(key(1).id, second(at)).await.expect("revoked");
        assert_eq!(answer, Some(revoked.clone()));
    }
    assert_eq!(store.revoke_key(key(9).id, second(50)).await.expect("unknown"), None);
    assert_eq!(store.keys().await.expect("listed"), [revoked]);
}

pub(crate) async fn the_last_use_of_a_key_never_runs_backwards(store: Arc<dyn Store>) {
    store.create_key(key(1)).await.expect("created");
    let uses = |secs: &[(u8, u64)]| {
        secs.iter().map(|(number, secs)| (key(*number).id, second(*secs))).collect()
    };
    for (given, expected) in
        [(uses(&[(1, 20), (9, 20)]), 20), (uses(&[(1, 10)]), 20), (uses(&[(1, 5), (1, 30)]), 30)]
    {
        store.touch_keys(given).await.expect("noted");
        let used = store.keys().await.expect("listed")[0].last_used_at;
        assert_eq!(used, Some(second(expected)));
    }
    store.touch_keys(Vec::new()).await.expect("nothing to note");
}

pub(crate) async fn the_signing_secret_stays_what_it_was_first(store: Arc<dyn Store>) {
    assert_eq!(store.signing_secret([1; 32]).await.expect("made"), [1; 32]);
    assert_eq!(store.signing_secret([2; 32]).await.expect("kept"), [1; 32]);
}

pub(crate) async fn a_change_through_the_view_carries_its_entry(store: Arc<dyn Store>) {
    let by = |action| store.audited(draft(action, ""));
    let stored = by("price.create").append(vec![observed("AAPL", 1, "1")]).await.expect("stored");
    let id = stored[0].price().id;
    by("price.create").append(vec![observed("AAPL", 1, "1")]).await.expect("a duplicate");
    by("price.create").append(vec![observed("AAPL", 1, "2")]).await.expect("a conflict");
    let batch = vec![observed("AAPL", 1, "1"), observed("AAPL", 2, "1"), observed("AAPL", 1, "3")];
    let batch = by("price.batch").append(batch).await.expect("stored");
    by("price.correct").correct(id, corrected("5")).await.expect("corrected");
    by("price.delete").delete(id, second(9)).await.expect("deleted");
    by("price.delete").delete(id, second(9)).await.expect("deleted already");
    let config = JobConfig {
        name: None,
        symbols: vec![symbol("AAPL")],
        schedule: Schedule::Interval(Duration::from_secs(60)),
        provider: None,
    };
    let job = by("job.create").create_job(config.clone(), second(1), None).await.expect("created");
    let change = JobChange { config, paused: true, next_run: None };
    by("job.change").update_job(job.id, change).await.expect("changed");
    store.audited(draft("job.delete", "poll_9")).delete_job(job.id).await.expect("deleted");
    by("job.delete").delete_jobs().await.expect("none left");
    by("key.create").create_key(key(1)).await.expect("created");
    by("key.revoke").revoke_key(key(1).id, second(2)).await.expect("revoked");
    by("provider.reset").reset_provider(account("yahoo", 0, 0)).await.expect("reset");
    by("provider.reset").reset_provider(account("yahoo", 0, 0)).await.expect("too late");
    let parked = by("never").park(letter("parked")).await.expect("parked");
    by("dead-letter.drop").remove_dead_letter(parked).await.expect("removed");

    let entries = trail(&store).await;
    let (price, job) = (format!("prices/{id}"), job.id.to_string());
    let ids = format!("prices/{id}..{id}");
    assert!(matches!(batch[1], Appended::New(_)));
    assert_eq!(
        told(&entries),
        [
            ("price.create", price.as_str(), "done"),
            ("price.create", &price, "unchanged"),
            ("price.create", &price, "conflict"),
            ("price.batch", &ids, "1 stored, 1 duplicates, 1 conflicts"),
            ("price.correct", &price, "done"),
            ("price.delete", &price, "done"),
            ("price.delete", "", "unchanged"),
            ("job.create", &job, "done"),
            ("job.change", &job, "done"),
            ("job.delete", "poll_9", "done"),
            ("job.delete", "", "0 done"),
            ("key.create", "", "done"),
            ("key.revoke", "a80000000001", "done"),
            ("provider.reset", "", "done"),
            ("dead-letter.drop", "", "done"),
        ]
    );
    let expected = AuditDraft { target: price, ..draft("price.create", "") };
    assert_eq!(entries[0].draft, expected);
    assert_eq!(entries[0], seal(AuditHead::default(), expected));
}

pub(crate) async fn a_change_without_the_view_carries_none(store: Arc<dyn Store>) {
    store.append(vec![observed("AAPL", 1, "1")]).await.expect("stored");
    let view = store.audited(draft("price.create", ""));
    view.append(vec![observed("AAPL", 2, "1")]).await.expect("stored");
    store.append(vec![observed("AAPL", 3, "1")]).await.expect("stored");
    view.append(Vec::new()).await.expect("nothing to store");
    assert_eq!(trail(&store).await.len(), 1);
}

pub(crate) async fn the_trail_is_one_chain_however_many_write(store: Arc<dyn Store>) {
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        writing.spawn(async move {
            let view = store.audited(draft("price.create", ""));
            let stored = view.append(vec![observed("AAPL", number, "1")]).await;
            assert!(matches!(stored.expect("stored")[0], Appended::New(_)));
            store.note(draft("access.refused", &number.to_string())).await.expect("noted");
        });
    }
    writing.join_all().await;
    let entries = trail(&store).await;
    assert_eq!(entries.len(), 80);
    let targets: std::collections::BTreeSet<_> =
        entries.iter().map(|entry| entry.draft.target.as_str()).collect();
    assert_eq!(targets.len(), 80, "each its own");
}

pub(crate) async fn the_trail_is_listed_newest_first(store: Arc<dyn Store>) {
    assert_eq!(store.audit_head().await.expect("the head"), AuditHead::default());
    for number in 1..=6 {
        let action = ["job.create", "job.delete"][number % 2];
        store.note(draft(action, &number.to_string())).await.expect("noted");
    }
    let other = AuditDraft { actor: "a80000000001".into(), ..draft("job.create", "7") };
    store.note(other).await.expect("noted");
    let all = AuditQuery { limit: 100, ..AuditQuery::default() };
    let is = |text: &str| Some(text.to_owned());
    for (query, expected) in [
        (all.clone(), vec![7, 6, 5, 4, 3, 2, 1]),
        (AuditQuery { limit: 2, ..all.clone() }, vec![7, 6]),
        (AuditQuery { before: Some(3), ..all.clone() }, vec![2, 1]),
        (AuditQuery { before: Some(1), ..all.clone() }, vec![]),
        (AuditQuery { actor: is("local"), limit: 2, ..all.clone() }, vec![6, 5]),
        (AuditQuery { action: is("job.delete"), ..all.clone() }, vec![5, 3, 1]),
        (AuditQuery { action: is("job"), ..all.clone() }, vec![]),
    ] {
        let label = format!("{query:?}");
        let listed = store.audit(query).await.expect("listed");
        let listed: Vec<_> = listed.iter().map(|entry| entry.sequence).collect();
        assert_eq!(listed, expected, "{label}");
    }
    for (after, limit, expected) in [(0, 3, 1..4), (2, 3, 3..6), (6, 3, 7..8), (7, 3, 8..8)] {
        let read = store.audit_after(after, limit).await.expect("read");
        assert!(read.iter().map(|entry| entry.sequence).eq(expected), "{limit} behind {after}");
    }
}

pub(crate) async fn keys_and_trail_come_along_in_a_copy(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
) {
    for number in 1..=3 {
        source.audited(draft("key.create", "")).create_key(key(number)).await.expect("created");
    }
    source.revoke_key(key(2).id, second(7)).await.expect("revoked");
    source.touch_keys(vec![(key(3).id, instant("2024-06-01T00:00:00Z"))]).await.expect("noted");
    source.park(letter("between")).await.expect("parked");
    for portion in [1, 2, 100] {
        let mut snapshot = source.snapshot().await.expect("a snapshot");
        let mut n_entries = 0;
        loop {
            let records = snapshot.next(portion).await.expect("records");
            if records.is_empty() {
                break;
            }
            let is_entry = |record: &&SnapshotRecord| matches!(record, SnapshotRecord::Audit(_));
            n_entries += records.iter().filter(is_entry).count();
            target.load(records).await.expect("loaded");
        }
        assert_eq!(n_entries, 3, "portions of {portion}");
        let keys = source.keys().await.expect("listed");
        assert_eq!(target.keys().await.expect("listed"), keys, "portions of {portion}");
        assert_eq!(trail(&target).await, trail(&source).await, "portions of {portion}");
    }
    target.note(draft("restore", "")).await.expect("noted");
    let entries = trail(&target).await;
    assert_eq!(entries[3], seal(head_at(&entries[2]), draft("restore", "")));
}
