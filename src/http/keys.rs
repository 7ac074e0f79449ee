//! `/v1/keys`: the keys that open the service.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;

use super::doors::Caller;
use super::error::ApiError;
use super::params::printable;
use super::prices::Message;
use super::values::JsonBody;
use super::{Services, Tag};
use crate::model::{ApiKey, KeyId, Role, Timestamp};
use crate::ports::Clock;
use crate::services::access::{Access, KeyFailure};
use crate::services::draft::FieldError;

/// A key, without its secret.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct KeyRecord {
    pub id: String,
    pub name: Option<String>,
    /// `read`, `write` or `admin`
    pub role: String,
    pub created_at: String,
    /// Refused from then on; null for never
    pub expires_at: Option<String>,
    /// Written now and then, not with each use
    pub last_used_at: Option<String>,
    pub revoked_at: Option<String>,
}

impl From<&ApiKey> for KeyRecord {
    fn from(key: &ApiKey) -> Self {
        let text = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string());
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            role: key.role.name().into(),
            created_at: key.created_at.to_string(),
            expires_at: text(key.expires_at),
            last_used_at: text(key.last_used_at),
            revoked_at: text(key.revoked_at),
        }
    }
}

/// A key to make.
#[derive(Debug, Object, Deserialize)]
#[oai(write_only_all)]
#[serde(deny_unknown_fields)]
pub struct NewKeyBody {
    /// `read`, `write` or `admin`
    pub role: String,
    /// What it is for; at most 100 characters
    #[serde(default)]
    pub name: Option<String>,
    /// RFC 3339, in the future; never when absent
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// A new key. Its text is shown this once and kept nowhere.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct CreatedKey {
    pub id: String,
    /// `tkd_<id>_<secret>`
    pub key: String,
    pub name: Option<String>,
    pub role: String,
    pub created_at: String,
    pub expires_at: Option<String>,
}

#[derive(ApiResponse)]
pub enum CreatedAnswer {
    /// The key opens the service from now on
    #[oai(status = 201)]
    Created(Json<CreatedKey>),
}

/// What a caller asks for, checked.
struct Wanted {
    role: Role,
    name: Option<String>,
    expires_at: Option<Timestamp>,
}

impl NewKeyBody {
    fn check(self, now: Timestamp) -> Result<Wanted, ApiError> {
        let mut errors = Vec::new();
        let mut refuse = |field, detail: String| errors.push(FieldError { field, detail });
        let role = Role::parse(&self.role).map_err(|error| refuse("role", error.to_string()));
        if let Some(Err(error)) = self.name.as_ref().map(|name| printable(name, ApiKey::MAX_NAME)) {
            refuse("name", error.to_string());
        }
        let expires_at = self.expires_at.as_deref().map(Timestamp::parse).transpose();
        let expires_at = expires_at.map_err(|error| refuse("expires_at", error.to_string()));
        if let Ok(Some(expires_at)) = &expires_at
            && *expires_at <= now
        {
            refuse("expires_at", "lies in the past".into());
        }
        match (role, expires_at) {
            (Ok(role), Ok(expires_at)) if errors.is_empty() => {
                Ok(Wanted { role, name: self.name, expires_at })
            }
            _ => Err(errors.into()),
        }
    }
}

pub struct KeysApi {
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
}

impl KeysApi {
    pub fn new(services: &Services) -> Self {
        Self { access: Arc::clone(&services.access), clock: Arc::clone(&services.clock) }
    }
}

#[OpenApi(prefix_path = "/v1/keys", tag = "Tag::Access")]
impl KeysApi {
    /// All keys, the first created first, revoked ones included
    #[oai(path = "/", method = "get", operation_id = "list_keys")]
    async fn list(&self) -> Result<Json<Vec<KeyRecord>>, ApiError> {
        Ok(Json(self.access.keys().await?.iter().map(KeyRecord::from).collect()))
    }

    /// Make a key
    ///
    /// Its text is in this answer and nowhere else: only a hash is kept.
    #[oai(path = "/", method = "post", operation_id = "create_key")]
    async fn create(
        &self,
        caller: Data<&Caller>,
        body: JsonBody<NewKeyBody>,
    ) -> Result<CreatedAnswer, ApiError> {
        let Wanted { role, name, expires_at } = body.0.check(self.clock.now())?;
        let draft = caller.draft("key.create", "");
        let new = self.access.create(name, role, expires_at, draft).await?;
        let record = KeyRecord::from(&new.key);
        Ok(CreatedAnswer::Created(Json(CreatedKey {
            id: record.id,
            key: new.text,
            name: record.name,
            role: record.role,
            created_at: record.created_at,
            expires_at: record.expires_at,
        })))
    }

    /// Revoke a key
    ///
    /// It is refused within a second, by every process.
    #[oai(path = "/:id", method = "delete", operation_id = "revoke_key")]
    async fn revoke(
        &self,
        caller: Data<&Caller>,
        /// The 12 digits behind `tkd_`
        id: Path<String>,
    ) -> Result<Json<Message>, ApiError> {
        let unknown = || ApiError::not_found("unknown-key", "there is no key with this id");
        let id = KeyId::parse(&id.0).map_err(|_| unknown())?;
        let draft = caller.draft("key.revoke", id.to_string());
        self.access.revoke(id, draft).await?.ok_or_else(unknown)?;
        Ok(Json(Message { message: format!("key {id} is revoked") }))
    }
}

impl From<KeyFailure> for ApiError {
    fn from(failure: KeyFailure) -> Self {
        match failure {
            KeyFailure::TooMany => Self::conflict("too-many-keys", failure.to_string()),
            KeyFailure::NoRandomness(error) => {
                tracing::error!(%error, "no random bytes for a key");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "no-randomness", "the machine gives no random bytes")
            }
            KeyFailure::Store(error) => error.into(),
        }
    }
}
