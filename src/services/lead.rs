//! Work that only one process may do at a time, and that another takes over when it dies.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ports::{Clock, Store};

/// Takes the lead in pieces of work, each under a lease of its own.
#[derive(Clone)]
pub struct Lead {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    holder: String,
    length: Duration,
}

impl Lead {
    /// `holder` names this process among all on the store; the work of one that dies is taken over
    /// after `length`.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        holder: String,
        length: Duration,
    ) -> Self {
        Self { store, clock, holder, length }
    }

    /// Does `work` whenever nobody else does, until cancelled. The token that `work` gets is
    /// cancelled when the lead is lost; it then has to end.
    pub async fn run<W: Future<Output = ()>>(
        &self,
        name: &'static str,
        cancel: CancellationToken,
        work: impl Fn(CancellationToken) -> W,
    ) {
        while !cancel.is_cancelled() {
            match self.store.hold_lease(name, &self.holder, self.length).await {
                Ok(true) => {
                    let turn = cancel.child_token();
                    let working = work(turn.clone());
                    tokio::pin!(working);
                    tokio::select! {
                        () = &mut working => {}
                        () = self.keep(name) => {
                            tracing::warn!(work = name, "another process has taken over");
                            turn.cancel();
                            working.await;
                        }
                    }
                    if let Err(error) = self.store.give_up_lease(name, &self.holder).await {
                        tracing::debug!(work = name, %error, "the lease runs out by itself");
                    }
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(work = name, %error, "the lead is not known"),
            }
            let _ = cancel.run_until_cancelled(self.clock.sleep(self.length / 3)).await;
        }
    }

    /// Prolongs the lease; returns when it is lost, or when nobody can say for too long.
    async fn keep(&self, name: &str) {
        let pause = self.length / 3;
        let mut n_unanswered = 0;
        while n_unanswered < 2 {
            self.clock.sleep(pause).await;
            match self.store.hold_lease(name, &self.holder, self.length).await {
                Ok(true) => n_unanswered = 0,
                Ok(false) => return,
                Err(_) => n_unanswered += 1,
            }
        }
    }
}
