//! Group commit: one thread takes what waits in the queue, runs it in one transaction, makes that
//! durable with one fsync and only then answers the callers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use redb::{Database, Durability};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::memory::{Memory, Staged};
use super::open::{self, Opened};
use super::tables::{Counters, Tables};
use super::{Opener, RedbOptions, Result, Shared, closed, open_error, storage};
use crate::ports::StoreErrorKind;

/// Derived data is made durable at the latest after this long without a durable commit.
const SYNC_INTERVAL: Duration = Duration::from_millis(250);
/// Rows that one transaction takes; more would make the first caller wait for the last.
const ROWS_PER_COMMIT: u32 = 8_192;
/// How long callers are refused after a failed commit. Each attempt may fail again and then takes
/// the database from readers for a moment, so on a full disk this is what lets them read.
const REFUSAL: Duration = Duration::from_secs(1);

/// Tells a caller how its write ended.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
/// What a caller wants done in the transaction. An error aborts the transaction of everybody.
type Work = Box<dyn FnOnce(&mut Tables<'_>) -> Result<Answer> + Send>;

struct Task {
    work: Work,
    durable: bool,
    rows: u32,
    _room: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// Why nothing is taken for the moment.
    refusing: Option<StoreErrorKind>,
    stopping: bool,
}

struct Inbox {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Set while the database cannot be written.
    broken: AtomicBool,
}

/// The handle on the writing thread.
pub(super) struct Writer {
    inbox: Arc<Inbox>,
    room: Arc<Semaphore>,
    queue_rows: u32,
    timeout: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        shared: Arc<Shared>,
        opener: Opener,
        opened: Opened,
        options: &RedbOptions,
    ) -> Result<Self> {
        let inbox = Arc::new(Inbox {
            queue: Mutex::default(),
            changed: Condvar::new(),
            broken: AtomicBool::new(false),
        });
        let worker = Worker {
            shared,
            opener,
            inbox: Arc::clone(&inbox),
            stored: opened.stored,
            counters: opened.counters,
            memory: opened.memory,
            sync_is_due: false,
            keep: Keep {
                log_history: options.log_history,
                unsealed_entries: options.unsealed_entries,
            },
        };
        let thread = std::thread::Builder::new()
            .name("redb-writer".into())
            .spawn(move || worker.run())
            .map_err(|error| StoreErrorKind::Unavailable.because(error))?;
        Ok(Self {
            inbox,
            room: Arc::new(Semaphore::new(options.queue_rows as usize)),
            queue_rows: options.queue_rows,
            timeout: options.write_timeout,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `write` in the next transaction and answers once that is durable.
    pub(super) async fn durable<T: Send + 'static>(
        &self,
        rows: usize,
        write: impl FnOnce(&mut Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.submit(true, rows, write).await
    }

    /// Runs `write` in the next transaction; a crash may undo it together with all that followed.
    pub(super) async fn derived<T: Send + 'static>(
        &self,
        rows: usize,
        write: impl FnOnce(&mut Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.submit(false, rows, write).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        durable: bool,
        rows: usize,
        write: impl FnOnce(&mut Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).clamp(1, self.queue_rows);
        let room = Arc::clone(&self.room).acquire_many_owned(rows);
        let room = tokio::time::timeout(self.timeout, room)
            .await
            .map_err(|_| StoreErrorKind::Overloaded.because("too many writes wait already"))?
            .map_err(|_| closed())?;
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |tables| {
            // A caller that has gone away does not need its answer.
            match write(tables) {
                Ok(value) => Ok(Box::new(move |outcome: Result<()>| {
                    let _ = sender.send(outcome.map(|()| value));
                })),
                Err(error) => {
                    let _ = sender.send(Err(error.kind.because(error.to_string())));
                    Err(error)
                }
            }
        });
        {
            let mut queue = self.inbox.queue.lock();
            if queue.stopping {
                return Err(closed());
            }
            if let Some(kind) = queue.refusing {
                return Err(kind.because("the last commit failed"));
            }
            queue.tasks.push_back(Task { work, durable, rows, _room: room });
        }
        self.inbox.changed.notify_one();
        receiver.await.unwrap_or_else(|_| {
            Err(StoreErrorKind::Unavailable.because("the write was given up with its group"))
        })
    }

    /// # Errors
    /// While the database cannot be written.
    pub(super) fn check(&self) -> Result<()> {
        if self.inbox.broken.load(Ordering::Acquire) {
            return Err(StoreErrorKind::Unavailable.because("the last commit failed"));
        }
        if self.inbox.queue.lock().stopping { Err(closed()) } else { Ok(()) }
    }

    /// Finishes what is queued, makes everything durable and closes the database.
    pub(super) async fn stop(&self) -> Result<()> {
        let Some(thread) = self.begin_stop() else { return Ok(()) };
        tokio::task::spawn_blocking(move || thread.join())
            .await
            .map_err(|error| StoreErrorKind::Unavailable.because(error))?
            .map_err(|_| StoreErrorKind::Unavailable.because("the writer panicked"))
    }

    fn begin_stop(&self) -> Option<JoinHandle<()>> {
        self.inbox.queue.lock().stopping = true;
        self.inbox.changed.notify_one();
        self.thread.lock().take()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.begin_stop() {
            // The file must be free when the store is gone; the thread ends within one commit.
            let _ = thread.join();
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    opener: Opener,
    inbox: Arc<Inbox>,
    /// The counters as of the last commit.
    stored: Counters,
    /// The counters to go on with: after an opening they are ahead of the stored ones.
    counters: Counters,
    memory: Memory,
    /// Commits were made that are not durable yet, or nobody knows whether one can be made.
    sync_is_due: bool,
    keep: Keep,
}

/// How much of the log is kept, in changes.
#[derive(Debug, Clone, Copy)]
struct Keep {
    log_history: u64,
    unsealed_entries: u64,
}

impl Worker {
    fn run(mut self) {
        while let Some(tasks) = self.next_group() {
            // What is shown later must not be taken back together with the counters.
            let is_first = self.stored != self.counters;
            let durable = is_first || tasks.is_empty() || tasks.iter().any(|task| task.durable);
            if let Err(error) = self.commit(tasks, durable) {
                tracing::error!(%error, "a commit failed; opening the store again");
                self.reopen(error.kind);
            }
        }
        if self.sync_is_due
            && let Err(error) = self.commit(Vec::new(), true)
        {
            tracing::warn!(%error, "the last derived data will be computed again");
        }
        *self.shared.database.write() = None;
    }

    /// Waits for work: an empty group asks for a sync; none means stop.
    fn next_group(&self) -> Option<Vec<Task>> {
        let mut queue = self.inbox.queue.lock();
        while queue.tasks.is_empty() {
            if queue.stopping {
                return None;
            }
            if self.sync_is_due {
                if self.inbox.changed.wait_for(&mut queue, SYNC_INTERVAL).timed_out()
                    && queue.tasks.is_empty()
                {
                    return Some(Vec::new());
                }
            } else {
                self.inbox.changed.wait(&mut queue);
            }
        }
        let mut rows = 0_u32;
        let mut tasks = Vec::new();
        while let Some(task) = queue.tasks.pop_front() {
            rows = rows.saturating_add(task.rows);
            tasks.push(task);
            if rows >= ROWS_PER_COMMIT {
                break;
            }
        }
        Some(tasks)
    }

    /// Runs a group in one transaction. When anything fails, nobody's write has happened and
    /// everybody is told so.
    fn commit(&mut self, tasks: Vec<Task>, durable: bool) -> Result<()> {
        let mut answers = Vec::with_capacity(tasks.len());
        // Room is given back only when the group is done.
        let mut rooms = Vec::with_capacity(tasks.len());
        let outcome = {
            let database = self.shared.database.read();
            match database.as_ref() {
                Some(database) => {
                    let works = tasks.into_iter().map(|Task { work, _room, .. }| {
                        rooms.push(_room);
                        work
                    });
                    let before = Before {
                        shared: &self.shared,
                        stored: self.stored,
                        counters: self.counters,
                        memory: &mut self.memory,
                        keep: self.keep,
                    };
                    transact(database, before, durable, works, &mut answers)
                }
                None => Err(closed()),
            }
        };
        match outcome {
            Ok((counters, staged)) => {
                (self.stored, self.counters) = (counters, counters);
                self.sync_is_due = !durable;
                self.memory.publish(&mut self.shared.heads.write(), staged);
                self.inbox.broken.store(false, Ordering::Release);
                self.show(counters);
                for answer in answers {
                    answer(Ok(()));
                }
                Ok(())
            }
            Err(error) => {
                self.inbox.broken.store(true, Ordering::Release);
                for answer in answers {
                    answer(Err(error.kind.because(error.to_string())));
                }
                Err(error)
            }
        }
    }

    /// Lets watchers know how far the log reaches. The heads are published by then.
    fn show(&self, counters: Counters) {
        self.shared.committed.send_if_modified(|last| {
            let moved = *last != counters.sequence();
            *last = counters.sequence();
            moved
        });
    }

    /// redb refuses an open database after an I/O error; only opening it again helps. Tries until
    /// it works or the store is stopped; callers are refused meanwhile, and a little longer.
    fn reopen(&mut self, kind: StoreErrorKind) {
        loop {
            *self.shared.database.write() = None;
            let opened = (self.opener)().map_err(open_error).and_then(|database| {
                let shown = *self.shared.committed.borrow();
                let keep = self.keep.unsealed_entries;
                let opened = open::resume(&database, &self.shared.symbols, shown, keep)?;
                Ok((database, opened))
            });
            let is_open = opened.is_ok();
            match opened {
                Ok((database, opened)) => {
                    self.stored = opened.stored;
                    self.counters = opened.counters;
                    self.memory = opened.memory;
                    self.sync_is_due = true;
                    *self.shared.heads.write() = opened.heads;
                    *self.shared.database.write() = Some(database);
                    self.show(self.counters);
                }
                Err(error) => tracing::warn!(%error, "the store does not open yet"),
            }
            let mut queue = self.inbox.queue.lock();
            if queue.stopping {
                return;
            }
            // Whoever waits is refused now rather than left hanging.
            queue.tasks.clear();
            queue.refusing = Some(kind);
            self.inbox.changed.wait_for(&mut queue, REFUSAL);
            if is_open {
                queue.refusing = None;
                return;
            }
        }
    }
}

/// What a transaction starts from.
struct Before<'a> {
    shared: &'a Shared,
    stored: Counters,
    counters: Counters,
    memory: &'a mut Memory,
    keep: Keep,
}

fn transact(
    database: &Database,
    before: Before<'_>,
    durable: bool,
    works: impl Iterator<Item = Work>,
    answers: &mut Vec<Answer>,
) -> Result<(Counters, Staged)> {
    let mut transaction = database.begin_write().map_err(storage)?;
    if durable {
        transaction.set_quick_repair(true);
    } else {
        transaction
            .set_durability(Durability::None)
            .map_err(|error| StoreErrorKind::Unavailable.because(error.to_string()))?;
    }
    let Before { shared, stored, counters, memory, keep } = before;
    let outcome = {
        let heads = shared.heads.read();
        let mut tables =
            Tables::open(&transaction, &shared.symbols, heads, memory, stored, counters)?;
        for work in works {
            answers.push(work(&mut tables)?);
        }
        tables.finish(keep.log_history, keep.unsealed_entries)?;
        (tables.counters, tables.staged)
    };
    transaction.commit().map_err(storage)?;
    Ok(outcome)
}
