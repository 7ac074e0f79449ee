//! What is remembered about providers: accounts, unknown symbols, receipts and lists of assets.

use std::slice::from_ref;
use std::sync::Arc;

use tickerd::model::{
    Asset, AssetClass, AssetList, BreakerState, CallStatistics, ProviderLedger, Receipt,
};
use tickerd::ports::{LedgerSaved, Store};

use crate::build::{currency, provider, second, symbol};

pub(super) fn account(name: &str, revision: u64, n_calls: u64) -> ProviderLedger {
    ProviderLedger {
        provider: provider(name),
        revision,
        used: Vec::new(),
        breaker: BreakerState::default(),
        calls: CallStatistics { n_calls, ..CallStatistics::default() },
    }
}

pub(crate) async fn accounts_are_written_over_and_read_by_name(store: Arc<dyn Store>) {
    let ledger = |name, revision, n_failures, n_calls| ProviderLedger {
        breaker: BreakerState::Closed { n_failures },
        ..account(name, revision, n_calls)
    };
    for (name, revision, n_failures, n_calls) in
        [("kraken", 0, 0, 1), ("alpha", 0, 1, 2), ("kraken", 1, 3, 4)]
    {
        let saved = store.save_ledger(ledger(name, revision, n_failures, n_calls)).await;
        assert_eq!(saved.expect("saved"), LedgerSaved::Saved, "{name} {revision}");
    }
    let expected = [ledger("alpha", 1, 1, 2), ledger("kraken", 2, 3, 4)];
    assert_eq!(store.ledgers().await.expect("accounts"), expected);
}

pub(crate) async fn an_account_that_another_wrote_since_is_told_and_kept(store: Arc<dyn Store>) {
    // Many count one call each, starting from the same account: none may be lost.
    let counting = (0..8).map(|_| async {
        let mut mine = account("kraken", 0, 0);
        loop {
            mine.calls.n_calls += 1;
            match store.save_ledger(mine).await.expect("answered") {
                LedgerSaved::Saved => return,
                LedgerSaved::Stale(stored) => mine = stored,
            }
        }
    });
    futures_util::future::join_all(counting).await;
    assert_eq!(store.ledgers().await.expect("accounts"), [account("kraken", 8, 8)]);
}

pub(crate) async fn unknown_symbols_are_forgotten_in_time(store: Arc<dyn Store>) {
    let (kraken, alpha) = (provider("kraken"), provider("alpha"));
    let (x, y, z) = (symbol("X"), symbol("Y"), symbol("Z"));
    let given = [y.clone(), x.clone(), y.clone()];
    store.remember_unknown(&kraken, &given, second(1), second(9)).await.expect("remembered");
    store.remember_unknown(&kraken, from_ref(&y), second(2), second(20)).await.expect("remembered");
    store.remember_unknown(&alpha, from_ref(&z), second(1), second(20)).await.expect("remembered");
    let asked = [z.clone(), y.clone(), x.clone()];
    let unknown = store.unknown_symbols(&kraken, &asked, second(8)).await.expect("symbols");
    assert_eq!(unknown, [(y.clone(), second(20)), (x, second(9))]);
    let unknown = store.unknown_symbols(&kraken, &asked, second(9)).await.expect("symbols");
    assert_eq!(unknown, [(y, second(20))]);
}

pub(crate) async fn a_reset_forgets_unknown_symbols_with_the_account_or_not(store: Arc<dyn Store>) {
    let (kraken, alpha, x) = (provider("kraken"), provider("alpha"), symbol("X"));
    for provider in [&kraken, &alpha] {
        let remembered = store.remember_unknown(provider, from_ref(&x), second(1), second(9)).await;
        remembered.expect("remembered");
    }
    store.save_ledger(account("kraken", 0, 1)).await.expect("saved");
    let known = async |provider| {
        let unknown = store.unknown_symbols(provider, from_ref(&x), second(2)).await;
        unknown.expect("symbols").is_empty()
    };

    // Somebody booked a call since this account was read.
    let late = store.reset_provider(account("kraken", 0, 0)).await.expect("answered");
    assert_eq!(late, LedgerSaved::Stale(account("kraken", 1, 1)));
    assert!(!known(&kraken).await);

    let reset = store.reset_provider(account("kraken", 1, 2)).await.expect("answered");
    assert_eq!(reset, LedgerSaved::Saved);
    assert_eq!(store.ledgers().await.expect("accounts"), [account("kraken", 2, 2)]);
    assert!(known(&kraken).await);
    assert!(!known(&alpha).await, "of another provider");
}

pub(crate) async fn the_newest_receipt_of_a_symbol_is_kept(store: Arc<dyn Store>) {
    let receipt = |text, secs| Receipt {
        symbol: symbol(text),
        asked_at: second(secs),
        tried: Vec::new(),
        answer: None,
    };
    store.save_receipts(Vec::new()).await.expect("saved");
    store.save_receipts(vec![receipt("X", 1), receipt("X", 2)]).await.expect("saved");
    assert_eq!(store.receipt(&symbol("X")).await.expect("read"), Some(receipt("X", 2)));
    store.save_receipts(vec![receipt("Y", 3), receipt("X", 4)]).await.expect("saved");
    for (text, expected) in
        [("X", Some(receipt("X", 4))), ("Y", Some(receipt("Y", 3))), ("Z", None)]
    {
        assert_eq!(store.receipt(&symbol(text)).await.expect("read"), expected, "{text}");
    }
}

pub(crate) async fn a_list_of_assets_replaces_the_one_before(store: Arc<dyn Store>) {
    let list = |name, class, symbols: &[&str]| AssetList {
        class,
        provider: provider(name),
        updated_at: second(1),
        assets: symbols
            .iter()
            .map(|text| Asset {
                symbol: symbol(text),
                name: "a \"name\" ₿".to_owned(),
                exchange: None,
                currency: currency("USD"),
            })
            .collect(),
    };
    let (crypto, stock) = (AssetClass::Crypto, AssetClass::Stock);
    let kept = [list("alpha", crypto, &[]), list("kraken", crypto, &["BTC-USD", "ETH-USD"])];
    store.save_assets(list("kraken", crypto, &["BTC-USD"])).await.expect("saved");
    store.save_assets(list("kraken", stock, &["AAPL"])).await.expect("saved");
    for list in &kept {
        store.save_assets(list.clone()).await.expect("saved");
    }
    assert_eq!(store.asset_lists(crypto).await.expect("lists"), kept);
    assert_eq!(store.asset_lists(stock).await.expect("lists"), [list("kraken", stock, &["AAPL"])]);
}
