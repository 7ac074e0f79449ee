//! Work that only one process on a store may do at a time.

use std::time::Duration;

use async_trait::async_trait;

use super::store::StoreError;

/// Leases by name. The store's own clock counts, so that the clocks of its processes need not agree.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes a lease or prolongs it: from now on `holder` has it for `length`. False while somebody
    /// else has it.
    async fn hold_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<bool, StoreError>;

    /// Gives a lease back before it runs out. Nothing happens when somebody else has it.
    async fn give_up_lease(&self, name: &str, holder: &str) -> Result<(), StoreError>;
}
