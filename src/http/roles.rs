//! The role each operation needs: the one place that says so. The document shows it, the doors
//! obey it, and an operation that is not in the table is for administrators only.

use crate::model::Role;

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone may ask, without a key and without a limit.
    Nothing,
    Role(Role),
}

const READ: Needs = Needs::Role(Role::Read);
const WRITE: Needs = Needs::Role(Role::Write);
const ADMIN: Needs = Needs::Role(Role::Admin);

/// By operation id.
pub const TABLE: &[(&str, Needs)] = &[
    ("health", Needs::Nothing),
    ("ready", Needs::Nothing),
    ("metrics", Needs::Nothing),
    ("latest_price", READ),
    ("list_prices", READ),
    ("get_price", READ),
    ("price_history", READ),
    ("list_symbols", READ),
    ("list_symbols_old", READ),
    ("store_price", WRITE),
    ("store_prices", WRITE),
    ("correct_price", WRITE),
    ("delete_price", ADMIN),
    ("poll_now", WRITE),
    ("quotes", READ),
    ("explain_quote", READ),
    ("assets", READ),
    ("providers", READ),
    ("reset_provider", ADMIN),
    ("list_jobs", READ),
    ("get_job", READ),
    ("create_job", WRITE),
    ("change_job", ADMIN),
    ("delete_job", ADMIN),
    ("delete_all_jobs", ADMIN),
    ("moving_average", READ),
    ("moving_average_by_query", READ),
    ("moving_average_history", READ),
    ("moving_average_old", READ),
    ("moving_average_short", READ),
    ("bars", READ),
    ("stream", READ),
    ("stream_ws", READ),
    ("list_dead_letters", ADMIN),
    ("get_dead_letter", ADMIN),
    ("replay_dead_letter", ADMIN),
    ("replay_dead_letters", ADMIN),
    ("drop_dead_letter", ADMIN),
    ("backup", ADMIN),
    ("list_keys", ADMIN),
    ("create_key", ADMIN),
    ("revoke_key", ADMIN),
    ("list_audit", ADMIN),
    ("system", ADMIN),
];

/// What an operation needs.
pub fn of(operation_id: &str) -> Needs {
    let found = TABLE.iter().find(|(known, _)| *known == operation_id);
    found.map_or(ADMIN, |(_, needs)| *needs)
}
