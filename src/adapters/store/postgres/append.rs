//! Appending: the appends of many callers share a transaction.
//!
//! A commit waits for the disk, so one commit an append would bound the whole service to the
//! disk's rhythm. Callers put their batch into a queue; one task takes what has gathered while the
//! commit before was under way, stores it in one transaction, and answers each caller only after
//! that has committed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::model::{AuditDraft, EventKind, Observation, Price, PriceId, Sequence};
use crate::ports::{Appended, Effect, StoreError, StoreErrorKind};

use super::audit;
use super::error::{Result, closed, corrupt, translate};
use super::log::write_events;
use super::options::PostgresOptions;
use super::rows::{N_PRICE_COLUMNS, PriceColumns, bigint, external_id, get, price, price_columns};
use super::store::Database;
use super::write::{insert_prices, lock_counters, not_before, supersede};

/// The most observations that share a transaction, unless one caller sends more.
const MAX_ROWS: usize = 5_000;

/// Batches on their way to the flusher.
pub(super) struct Queue {
    sender: Mutex<Option<mpsc::UnboundedSender<Waiting>>>,
    /// One permit an observation: this is what bounds the queue.
    room: Arc<Semaphore>,
    n_rows: usize,
    overload_after: Duration,
}

/// A caller's batch, and where its answer goes.
pub(super) struct Waiting {
    batch: Vec<Observation>,
    /// Goes into the trail with the batch.
    draft: Option<AuditDraft>,
    answer: oneshot::Sender<Result<Vec<Appended>>>,
    _room: OwnedSemaphorePermit,
}

impl Queue {
    pub(super) fn new(options: &PostgresOptions) -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let n_rows = options.queue_rows.clamp(1, 10_000_000);
        let queue = Self {
            sender: Mutex::new(Some(sender)),
            room: Arc::new(Semaphore::new(n_rows)),
            n_rows,
            overload_after: options.overload_after,
        };
        (queue, receiver)
    }

    /// Hands a batch to the flusher and waits until it is stored.
    ///
    /// When the caller goes away meanwhile the batch may still be stored; sent again it is then
    /// answered as duplicates.
    pub(super) async fn append(
        &self,
        batch: Vec<Observation>,
        draft: Option<AuditDraft>,
    ) -> Result<Vec<Appended>> {
        // A batch larger than the whole queue waits until the queue is empty.
        let n_rows = batch.len().min(self.n_rows);
        let room =
            Arc::clone(&self.room).acquire_many_owned(u32::try_from(n_rows).unwrap_or(u32::MAX));
        let room = match tokio::time::timeout(self.overload_after, room).await {
            Ok(room) => room.map_err(|_| closed())?,
            Err(_) => {
                return Err(StoreErrorKind::Overloaded
                    .because(format!("{} observations wait to be stored", self.n_rows)));
            }
        };
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { batch, draft, answer, _room: room };
        let sender = self.sender.lock().clone().ok_or_else(closed)?;
        sender.send(waiting).map_err(|_| closed())?;
        // Not held while waiting: the flusher ends when the last sender is gone.
        drop(sender);
        answered.await.map_err(|_| closed())?
    }

    /// Refuses new batches; the flusher ends after those it has.
    pub(super) fn close(&self) {
        self.sender.lock().take();
        self.room.close();
    }
}

/// Stores what is queued until the queue is closed and empty.
pub(super) async fn flush_queue(db: Arc<Database>, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    while let Some(first) = queue.recv().await {
        let mut n_rows = first.batch.len();
        let mut group = vec![first];
        while n_rows < MAX_ROWS {
            let Ok(next) = queue.try_recv() else { break };
            n_rows += next.batch.len();
            group.push(next);
        }
        let outcome = db.within(store_group(&db, &group)).await;
        answer(group, outcome);
    }
}

fn answer(group: Vec<Waiting>, outcome: Result<Vec<Vec<Appended>>>) {
    match outcome {
        Ok(answers) => {
            for (waiting, own) in group.into_iter().zip(answers) {
                // A caller who no longer listens has lost nothing.
                let _ = waiting.answer.send(Ok(own));
            }
        }
        Err(error) => {
            for waiting in group {
                let _ = waiting.answer.send(Err(same_error(&error)));
            }
        }
    }
}

fn same_error(error: &StoreError) -> StoreError {
    let reason = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
    error.kind.because(reason)
}

/// Stores batches one behind the other in one transaction, and answers each batch in order.
async fn store_group(db: &Database, group: &[Waiting]) -> Result<Vec<Vec<Appended>>> {
    let observations: Vec<&Observation> = group.iter().flat_map(|waiting| &waiting.batch).collect();
    let mut transaction = db.begin().await?;
    let (answers, committed) = append_all(&mut transaction, &db.options, &observations).await?;
    let mut answers = answers.into_iter();
    let answers: Vec<Vec<Appended>> =
        group.iter().map(|waiting| answers.by_ref().take(waiting.batch.len()).collect()).collect();
    let drafts = group.iter().zip(&answers).filter_map(|(waiting, own)| {
        waiting.draft.clone().map(|draft| draft.concluded(own.effect()))
    });
    audit::append(&mut transaction, drafts.collect()).await?;
    transaction.commit().await.map_err(translate)?;
    db.tell_committed(committed);
    Ok(answers)
}

async fn append_all(
    connection: &mut PgConnection,
    options: &PostgresOptions,
    observations: &[&Observation],
) -> Result<(Vec<Appended>, Sequence)> {
    let counters = lock_counters(connection, observations.len()).await?;
    let first_id = counters.last_price_id + 1 - observations.len() as u64;
    let mut given = Vec::with_capacity(observations.len());
    let mut columns = PriceColumns::default();
    for (id, observation) in (first_id..).zip(observations) {
        let id = PriceId::new(id).ok_or_else(|| corrupt("all price ids are used up"))?;
        let price = Price { id, version: 1, observation: (*observation).clone() };
        columns.push(&price, false, None);
        given.push(price);
    }
    let inserted: HashSet<i64> = insert_prices(connection, &columns).await?.into_iter().collect();

    // What was not inserted has a key that is taken: by a stored price, perhaps a deleted one, or
    // by an observation before it in this group.
    let is_new = |price: &Price| inserted.contains(&bigint(price.id.get()));
    let taken: Vec<&Price> = given.iter().filter(|price| !is_new(price)).collect();
    let mut stored = stored_under(connection, &taken).await?;

    let mut answers = Vec::with_capacity(given.len());
    for price in given {
        if inserted.contains(&bigint(price.id.get())) {
            answers.push(Appended::New(price));
            continue;
        }
        let key = key_of(&price.observation);
        let (current, deleted) =
            stored.remove(&key).ok_or_else(|| corrupt(format!("{key:?} is taken by nobody")))?;
        let answer = if deleted {
            let next = revived(&current, price.observation);
            supersede(connection, &next, false).await?;
            Appended::New(next)
        } else if current.observation.same_value(&price.observation) {
            Appended::Duplicate(current)
        } else {
            Appended::Conflict(current)
        };
        stored.insert(key, (answer.price().clone(), false));
        answers.push(answer);
    }
    let events: Vec<(EventKind, &Price)> = answers
        .iter()
        .filter_map(|answer| match answer {
            Appended::New(price) => Some((EventKind::Recorded, price)),
            _ => None,
        })
        .collect();
    let committed = write_events(connection, options, counters.last_sequence, &events).await?;
    Ok((answers, committed))
}

/// The next version of a deleted price whose key is recorded again.
fn revived(deleted: &Price, observation: Observation) -> Price {
    let received_at = not_before(deleted, observation.received_at);
    Price {
        id: deleted.id,
        version: deleted.version + 1,
        observation: Observation { received_at, ..observation },
    }
}

/// (symbol, provider, time observed in µs, external id).
type NaturalKey = (String, String, i64, String);

fn key_of(observation: &Observation) -> NaturalKey {
    (
        observation.symbol.as_str().to_owned(),
        observation.provider.as_str().to_owned(),
        observation.observed_at.as_micros(),
        external_id(observation).to_owned(),
    )
}

/// The current versions under the keys of `taken`, and whether they are deleted.
async fn stored_under(
    connection: &mut PgConnection,
    taken: &[&Price],
) -> Result<HashMap<NaturalKey, (Price, bool)>> {
    if taken.is_empty() {
        return Ok(HashMap::new());
    }
    let mut columns = PriceColumns::default();
    for price in taken {
        columns.push(price, false, None);
    }
    // Lateral, so that each key is looked up in its index, in its partition.
    let rows = sqlx::query(concat!(
        "select ",
        price_columns!(),
        ", deleted from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) \
           as key (of_symbol, of_provider, at, of_external_id) \
         cross join lateral ( \
             select * from prices \
              where symbol = of_symbol and observed_at = at and provider = of_provider \
                and external_id = of_external_id \
              limit 1 \
         ) as stored"
    ))
    .bind(&columns.symbols)
    .bind(&columns.providers)
    .bind(&columns.observed_at)
    .bind(&columns.external_ids)
    .fetch_all(connection)
    .await
    .map_err(translate)?;
    let mut stored = HashMap::with_capacity(rows.len());
    for row in &rows {
        let current = price(row)?;
        stored.insert(key_of(&current.observation), (current, get(row, N_PRICE_COLUMNS)?));
    }
    Ok(stored)
}
