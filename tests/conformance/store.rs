//! The cases of the `Store` port and the backends they run on.
//!
//! A case is a plain async function taking an empty store (or two). `cases!` is the only list: a
//! case that is written but not listed is dead code, which the build refuses. A backend is one
//! function in `backend` and one line below the list.

mod access;
mod append;
mod averages;
mod backend;
mod dead_letters;
mod extremes;
mod jobs;
mod leases;
mod ledger;
mod lists;
mod outbox;
mod retention;
mod snapshots;
mod values;
mod versions;
mod whole;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tickerd::model::{Observation, Price, PriceEvent};
use tickerd::ports::{Appended, Store};

use backend::Fresh;

/// A case that needs longer than this hangs.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);

macro_rules! cases {
    ($backend:ident) => {
        stamp! { $backend
            one {
                append::a_new_observation_is_answered_as_it_was_given,
                append::appending_twice_stores_once,
                append::another_payload_or_arrival_of_the_same_value_is_a_duplicate,
                append::another_value_of_the_same_key_is_a_conflict,
                append::duplicates_and_conflicts_within_a_batch_count_like_stored_ones,
                append::external_ids_tell_ticks_of_one_instant_apart,
                append::two_providers_may_report_one_instant,
                append::answers_come_in_the_order_of_the_batch,
                append::ids_grow,
                append::an_empty_batch_is_answered_with_nothing,
                append::every_change_makes_one_event_and_nothing_else_does,
                append::an_event_says_what_the_price_says,
                append::concurrent_appends_of_one_key_store_once,
                append::concurrent_batches_are_all_stored,
                append::two_thousand_rows_are_one_batch,
                versions::a_correction_is_the_next_version_of_the_same_price,
                versions::a_correction_to_the_same_value_makes_no_version,
                versions::a_correction_of_volume_or_currency_alone_counts,
                versions::correcting_what_is_unknown_or_deleted_answers_none,
                versions::deleting_answers_the_deleted_version_once,
                versions::a_deleted_key_is_recorded_again_as_the_next_version,
                versions::a_deleted_key_with_the_old_value_is_recorded_again_too,
                versions::a_history_tells_when_each_version_was_known,
                versions::the_history_of_an_unknown_price_is_empty,
                versions::received_at_never_runs_backwards,
                versions::a_version_replaced_at_once_was_never_known,
                versions::price_as_of_sees_what_was_known_then,
                versions::latest_as_of_sees_what_was_known_then,
                versions::a_list_as_of_sees_what_was_known_then,
                versions::a_list_as_of_pages_over_old_and_current_versions,
                versions::concurrent_corrections_are_all_kept,
                lists::latest_is_by_observation_time_then_id,
                lists::latest_of_a_provider_leaves_out_the_others,
                lists::latest_skips_deleted_prices,
                lists::an_unknown_symbol_has_no_prices,
                lists::a_range_is_half_open,
                lists::all_symbols_are_merged_in_one_order,
                lists::pages_join_without_gap_or_overlap,
                lists::skip_counts_from_the_start_or_from_after,
                lists::a_list_can_be_of_one_provider,
                lists::deleted_prices_are_not_listed,
                lists::a_position_between_prices_can_be_paged_from,
                lists::symbols_are_alphabetical_and_paged,
                values::values_around_are_the_neighbours_oldest_first,
                values::values_around_skip_deleted_and_show_corrected_prices,
                values::values_around_the_ends_of_time_reach_everything,
                values::values_around_compare_ids_at_equal_times,
                averages::averages_are_written_over,
                averages::an_unchanged_average_makes_no_log_entry,
                averages::a_removed_average_is_gone,
                averages::removing_what_is_not_there_changes_nothing,
                averages::the_latest_average_has_the_greatest_position,
                averages::a_range_of_averages_is_half_open_and_newest_first,
                averages::windows_and_symbols_do_not_mix,
                averages::positions_are_kept_by_group_and_partition,
                averages::a_turn_is_had_by_one_at_a_time,
                averages::materialised_windows_are_replaced_and_others_forgotten,
                averages::means_keep_all_their_digits,
                outbox::pending_events_wait_until_confirmed,
                outbox::confirming_twice_or_what_is_unknown_changes_nothing,
                outbox::events_can_be_confirmed_out_of_order,
                outbox::averages_are_not_pending,
                outbox::the_log_holds_confirmed_events_and_averages,
                outbox::the_log_is_read_in_portions,
                outbox::the_log_can_be_resumed_from_its_start,
                outbox::committed_wakes_its_watchers,
                outbox::nothing_appears_behind_what_was_read,
                dead_letters::a_parked_letter_is_kept_to_the_byte,
                dead_letters::letters_are_listed_oldest_first_behind_an_id,
                dead_letters::a_removed_letter_is_gone,
                extremes::the_largest_and_smallest_amounts_are_exact,
                extremes::the_first_and_last_instants_are_kept,
                extremes::long_keys_and_payloads_are_kept_to_the_byte,
                extremes::every_kind_of_symbol_and_time_source_is_kept,
                extremes::microseconds_tell_observations_apart,
                retention::what_is_young_enough_is_kept_as_it_is,
                retention::dropping_makes_no_event,
                retention::a_dropped_price_that_comes_again_is_a_new_one,
                whole::a_fresh_store_is_empty,
                whole::status_counts_what_is_there,
                whole::a_closed_store_is_unavailable,
                jobs::jobs_are_listed_and_their_ids_never_used_again,
                jobs::the_longest_due_is_claimed_first_and_once,
                jobs::concurrent_claims_share_the_jobs,
                jobs::only_the_holder_books_a_run,
                ledger::accounts_are_written_over_and_read_by_name,
                ledger::an_account_that_another_wrote_since_is_told_and_kept,
                leases::a_lease_has_one_holder_at_a_time,
                leases::a_lease_that_runs_out_is_free,
                ledger::unknown_symbols_are_forgotten_in_time,
                ledger::a_reset_forgets_unknown_symbols_with_the_account_or_not,
                ledger::the_newest_receipt_of_a_symbol_is_kept,
                ledger::a_list_of_assets_replaces_the_one_before,
                snapshots::a_snapshot_does_not_see_later_changes,
                access::a_key_is_kept_once_and_listed_by_age,
                access::a_key_is_revoked_once_and_for_good,
                access::the_last_use_of_a_key_never_runs_backwards,
                access::the_signing_secret_stays_what_it_was_first,
                access::a_change_through_the_view_carries_its_entry,
                access::a_change_without_the_view_carries_none,
                access::the_trail_is_one_chain_however_many_write,
                access::the_trail_is_listed_newest_first,
            }
            two {
                access::keys_and_trail_come_along_in_a_copy,
                snapshots::a_loaded_store_equals_its_source,
                snapshots::counters_do_not_run_backwards_in_a_copy,
                snapshots::loading_makes_no_events_and_forgets_averages,
                snapshots::loading_again_changes_nothing,
                snapshots::records_that_are_there_are_left_alone,
                snapshots::portions_of_one_record_load_everything,
            }
        }
    };
}

macro_rules! stamp {
    ($backend:ident one { $($module:ident::$case:ident,)* } two { $($module2:ident::$case2:ident,)* }) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::run_one(super::backend::$backend(), super::$module::$case).await;
                }
            )*
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case2() {
                    let (first, second) = (super::backend::$backend(), super::backend::$backend());
                    super::run_two(first, second, super::$module2::$case2).await;
                }
            )*
        }
    };
}

cases!(redb);
cases!(redb_sealed);
#[cfg(feature = "postgres")]
cases!(postgres);

async fn run_one<F>(
    fresh: impl Future<Output = Option<Fresh>>,
    case: impl FnOnce(Arc<dyn Store>) -> F,
) where
    F: Future<Output = ()>,
{
    let Some(Fresh { store, tear_down }) = fresh.await else { return };
    let outcome = AssertUnwindSafe(tokio::time::timeout(CASE_TIMEOUT, case(store))).catch_unwind();
    let outcome = outcome.await;
    tear_down.await;
    conclude(outcome);
}

async fn run_two<F>(
    first: impl Future<Output = Option<Fresh>>,
    second: impl Future<Output = Option<Fresh>>,
    case: impl FnOnce(Arc<dyn Store>, Arc<dyn Store>) -> F,
) where
    F: Future<Output = ()>,
{
    let (Some(first), Some(second)) = (first.await, second.await) else { return };
    let case = tokio::time::timeout(CASE_TIMEOUT, case(first.store, second.store));
    let outcome = AssertUnwindSafe(case).catch_unwind().await;
    first.tear_down.await;
    second.tear_down.await;
    conclude(outcome);
}

/// Fails the test as the case failed, after its store is gone.
fn conclude(
    outcome: Result<Result<(), tokio::time::error::Elapsed>, Box<dyn std::any::Any + Send>>,
) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("the case did not end within {CASE_TIMEOUT:?}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Appends one observation.
async fn append(store: &Arc<dyn Store>, observation: Observation) -> Appended {
    let mut appended = store.append(vec![observation]).await.expect("appended");
    assert_eq!(appended.len(), 1, "one observation has one answer");
    appended.remove(0)
}

/// Appends one observation that must be new.
async fn record(store: &Arc<dyn Store>, observation: Observation) -> Price {
    match append(store, observation).await {
        Appended::New(price) => price,
        other => panic!("should be new: {other:?}"),
    }
}

/// Appends observations that must all be new.
async fn record_all(store: &Arc<dyn Store>, observations: Vec<Observation>) -> Vec<Price> {
    let n_observations = observations.len();
    let appended = store.append(observations).await.expect("appended");
    assert_eq!(appended.len(), n_observations, "each observation has one answer");
    appended
        .into_iter()
        .map(|appended| match appended {
            Appended::New(price) => price,
            other => panic!("should be new: {other:?}"),
        })
        .collect()
}

/// All events that are not confirmed.
async fn pending(store: &Arc<dyn Store>) -> Vec<PriceEvent> {
    store.pending(100_000).await.expect("pending events")
}
