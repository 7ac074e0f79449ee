//! `/v1/backup`: everything that is stored, while the service goes on.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use poem::Body;
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};
use tokio::sync::Semaphore;

use super::doors::Caller;
use super::error::ApiError;
use super::{Services, Tag};
use crate::ports::{Store, StoreError};

/// The bytes of a backup, in order.
pub type BackupBytes = BoxStream<'static, std::io::Result<Bytes>>;
/// Opens a backup of everything that is committed at that moment.
pub type OpenBackup =
    Arc<dyn Fn() -> BoxFuture<'static, Result<BackupBytes, StoreError>> + Send + Sync>;

#[derive(ApiResponse)]
pub enum BackupAnswer {
    /// The file: gzipped JSON lines, with a count and a checksum in the last
    #[oai(status = 200, content_type = "application/gzip")]
    File(
        Binary<Body>,
        /// The name it may be kept under
        #[oai(header = "Content-Disposition")]
        String,
    ),
}

pub struct BackupApi {
    open: OpenBackup,
    store: Arc<dyn Store>,
    /// A backup holds on to old pages of the store, so there is one at a time.
    turn: Arc<Semaphore>,
}

impl BackupApi {
    pub fn new(services: &Services) -> Self {
        Self {
            open: Arc::clone(&services.backup),
            store: Arc::clone(&services.store),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

#[OpenApi(tag = "Tag::System")]
impl BackupApi {
    /// Everything that is stored, as one file
    ///
    /// What is committed when the backup begins, and nothing later; writes go on meanwhile. A file
    /// without its last line is not whole: `tickerd backup verify` says so.
    #[oai(path = "/v1/backup", method = "get", operation_id = "backup")]
    async fn backup(&self, caller: Data<&Caller>) -> Result<BackupAnswer, ApiError> {
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else {
            let detail = "another backup is being made";
            return Err(ApiError {
                retry_after_secs: Some(10),
                ..ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "backup-running", detail)
            });
        };
        // Before a byte of it goes out: who has it is in the trail.
        self.store.note(caller.draft("backup.read", "")).await?;
        let bytes = (self.open)().await?.map(move |part| {
            let _turn = &turn;
            part
        });
        let name = "attachment; filename=\"tickerd.backup.gz\"".to_owned();
        Ok(BackupAnswer::File(Binary(Body::from_bytes_stream(bytes)), name))
    }
}
