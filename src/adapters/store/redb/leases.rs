//! Leases. A redb file has one process, so they live in memory and end with it.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{RedbStore, Result};
use crate::ports::LeaseStore;

/// Lease → who has it, and until when.
pub(super) type Leases = Mutex<HashMap<String, (String, Instant)>>;

#[async_trait]
impl LeaseStore for RedbStore {
    async fn hold_lease(&self, name: &str, holder: &str, length: Duration) -> Result<bool> {
        let now = Instant::now();
        let mut leases = self.leases.lock();
        let taken = leases.get(name).is_some_and(|(known, until)| known != holder && *until > now);
        if !taken {
            leases.insert(name.to_owned(), (holder.to_owned(), now + length));
        }
        Ok(!taken)
    }

    async fn give_up_lease(&self, name: &str, holder: &str) -> Result<()> {
        let mut leases = self.leases.lock();
        if leases.get(name).is_some_and(|(known, _)| known == holder) {
            leases.remove(name);
        }
        Ok(())
    }
}
