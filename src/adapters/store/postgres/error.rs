//! What PostgreSQL's errors mean to a caller of the port.

use crate::ports::{StoreError, StoreErrorKind};

pub(super) type Result<T> = std::result::Result<T, StoreError>;

/// Translates an error of the client; its text goes along, its type does not.
pub(super) fn translate(error: sqlx::Error) -> StoreError {
    kind_of(&error).because(error)
}

/// A stored value that is not what was written.
pub(super) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreErrorKind::Corrupt.because(error)
}

pub(super) fn closed() -> StoreError {
    StoreErrorKind::Unavailable.because("the store is closed")
}

fn kind_of(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::Database(database) => kind_of_code(database.code().as_deref()),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::Decode(_) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}

/// By SQLSTATE: PostgreSQL documentation, appendix A.
fn kind_of_code(code: Option<&str>) -> StoreErrorKind {
    match code {
        // disk_full
        Some("53100") => StoreErrorKind::Full,
        // data_corrupted, index_corrupted
        Some("XX001" | "XX002") => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_damaged_data_are_told_apart_from_the_rest() {
        for (code, expected) in [
            (Some("53100"), StoreErrorKind::Full),
            (Some("XX001"), StoreErrorKind::Corrupt),
            (Some("53300"), StoreErrorKind::Unavailable),
            (Some("57P01"), StoreErrorKind::Unavailable),
            (Some("25006"), StoreErrorKind::Unavailable),
            (None, StoreErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of_code(code), expected, "{code:?}");
        }
        let error = translate(sqlx::Error::PoolTimedOut);
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
    }
}
