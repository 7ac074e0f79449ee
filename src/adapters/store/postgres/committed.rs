//! Following what other processes commit.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::model::Sequence;

use super::error::{Result, translate};
use super::rows::unsigned;
use super::store::Database;

/// The last committed sequence. The log's newest entry may be missing only where it was loaded or
/// cut up to there. The sequence object itself already counts what is not committed yet.
pub(super) const LAST_COMMITTED: &str =
    "select greatest(log_start, (select max(sequence) from log)) from log_bounds";

/// A notification can be lost with its connection; after so long without one, the log is read.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Keeps the committed sequence up to date until it is aborted.
///
/// Everything up to the sequence of a notification is committed: writers hold their lock
/// until they are, and PostgreSQL delivers a notification only after its commit.
pub(super) async fn follow_commits(db: Arc<Database>) {
    loop {
        if let Err(error) = listen(&db).await {
            if db.pool.is_closed() {
                return;
            }
            tracing::warn!(%error, "no notifications from PostgreSQL; trying again");
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

async fn listen(db: &Database) -> Result<()> {
    let mut listener = PgListener::connect_with(&db.pool).await.map_err(translate)?;
    listener.listen(&db.options.channel()).await.map_err(translate)?;
    loop {
        // Read first: commits before `listen` were not notified.
        db.within(read_last(db)).await?;
        while let Ok(notified) = tokio::time::timeout(POLL_EVERY, listener.try_recv()).await {
            match notified.map_err(translate)? {
                Some(notification) => {
                    if let Ok(sequence) = notification.payload().parse() {
                        db.tell_committed(Sequence(sequence));
                    }
                }
                // The connection was lost and made anew; what was notified meanwhile is lost.
                None => break,
            }
        }
    }
}

async fn read_last(db: &Database) -> Result<()> {
    let last: i64 =
        sqlx::query_scalar(LAST_COMMITTED).fetch_one(&db.pool).await.map_err(translate)?;
    db.tell_committed(Sequence(unsigned(last)?));
    Ok(())
}
