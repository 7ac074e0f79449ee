//! Deliveries that were given up.

use std::sync::Arc;

use tickerd::model::DeadLetter;
use tickerd::ports::Store;

use crate::build::instant;

pub(super) fn letter(reason: &str) -> DeadLetter {
    DeadLetter {
        id: 0,
        reason: reason.to_owned(),
        attempts: 5,
        key: "AAPL".into(),
        payload: reason.as_bytes().to_vec(),
        headers: vec![("message_id".to_owned(), "1".to_owned())],
        parked_at: instant("2024-06-01T00:00:00.000001Z"),
    }
}

pub(crate) async fn a_parked_letter_is_kept_to_the_byte(store: Arc<dyn Store>) {
    let given = DeadLetter {
        id: 999,
        reason: "expected `{` at “line” 1 💥\n".to_owned(),
        attempts: u32::MAX,
        key: "AAPL".into(),
        payload: (0..=255).collect(),
        headers: vec![
            ("b".to_owned(), "two\nlines\u{0}".to_owned()),
            ("a".to_owned(), String::new()),
            ("b".to_owned(), "again".to_owned()),
        ],
        parked_at: instant("2024-06-01T00:00:00.000001Z"),
    };

    let id = store.park(given.clone()).await.expect("parked");

    assert!(id > 0, "listing behind 0 lists everything");
    let expected = DeadLetter { id, ..given };
    assert_eq!(store.dead_letter(id).await.expect("read"), Some(expected.clone()));
    assert_eq!(store.dead_letters(0, 10).await.expect("listed"), [expected]);
    let empty = DeadLetter {
        payload: Vec::new(),
        headers: Vec::new(),
        reason: String::new(),
        ..letter("")
    };
    let id = store.park(empty.clone()).await.expect("parked");
    assert_eq!(store.dead_letter(id).await.expect("read"), Some(DeadLetter { id, ..empty }));
}

pub(crate) async fn letters_are_listed_oldest_first_behind_an_id(store: Arc<dyn Store>) {
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(store.park(letter(&number.to_string())).await.expect("parked"));
    }
    assert!(ids.is_sorted_by(|one, next| one < next), "ids grow: {ids:?}");

    for (after, limit, expected) in
        [(0, 10, 0..5), (0, 2, 0..2), (ids[1], 2, 2..4), (ids[4], 10, 0..0)]
    {
        let listed = store.dead_letters(after, limit).await.expect("listed");
        let listed: Vec<_> = listed.iter().map(|letter| letter.id).collect();
        assert_eq!(listed, ids[expected], "{limit} behind {after}");
    }
}

pub(crate) async fn a_removed_letter_is_gone(store: Arc<dyn Store>) {
    let first = store.park(letter("first")).await.expect("parked");
    let second = store.park(letter("second")).await.expect("parked");

    assert!(store.remove_dead_letter(first).await.expect("removed"));
    assert!(!store.remove_dead_letter(first).await.expect("removed already"));
    assert!(!store.remove_dead_letter(1 << 40).await.expect("never there"));
    assert_eq!(store.dead_letter(first).await.expect("read"), None);
    let listed = store.dead_letters(0, 10).await.expect("listed");
    assert_eq!(listed, [DeadLetter { id: second, ..letter("second") }]);
}
