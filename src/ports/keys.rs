//! The keys that open the service.

use async_trait::async_trait;

use super::store::StoreError;
use crate::model::{ApiKey, KeyId, Timestamp};

type Result<T> = std::result::Result<T, StoreError>;

/// Keys, without their secrets. Nothing is ever deleted: the trail names keys by their ids.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Keeps a new key. False, and nothing changed, when the id is taken.
    async fn create_key(&self, key: ApiKey) -> Result<bool>;

    /// Every key, the first created first.
    async fn keys(&self) -> Result<Vec<ApiKey>>;

    /// Revokes a key and answers it; none when there is none. A key that is revoked already stays
    /// as it is.
    async fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<Option<ApiKey>>;

    /// Notes when keys were last used. It never runs backwards; unknown keys are passed over.
    async fn touch_keys(&self, uses: Vec<(KeyId, Timestamp)>) -> Result<()>;

    /// The secret that the service signs with: `proposed` when there is none yet, and the same
    /// ever after, in every process.
    async fn signing_secret(&self, proposed: [u8; 32]) -> Result<[u8; 32]>;
}
