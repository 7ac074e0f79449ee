//! `/v1/audit`: who did what.

use std::sync::Arc;

use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::cursor::{Cursors, List};
use super::error::ApiError;
use super::params::{CursorParam, LimitParam, TextParam, next_link};
use super::{Services, Tag};
use crate::model::AuditEntry;
use crate::ports::{AuditQuery, Store};

/// An entry of the trail.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct AuditRecord {
    /// From 1, without gaps
    pub sequence: u64,
    pub at: String,
    /// The id of a key, or `local`, `configured-key`, `anonymous`, `operator`, `system`
    pub actor: String,
    /// Where the request came from
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// What was done, as `price.create`
    pub action: String,
    /// What it was done to
    pub target: Option<String>,
    /// `done`, `unchanged`, `refused: …`
    pub outcome: String,
    pub previous_hash: String,
    /// SHA-256 over the hash before and all that the entry says; `tickerd audit verify` checks it
    pub hash: String,
}

impl From<&AuditEntry> for AuditRecord {
    fn from(entry: &AuditEntry) -> Self {
        let draft = &entry.draft;
        let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            sequence: entry.sequence,
            at: draft.at.to_string(),
            actor: draft.actor.clone(),
            address: filled(&draft.address),
            request_id: filled(&draft.request_id),
            action: draft.action.clone(),
            target: filled(&draft.target),
            outcome: draft.outcome.clone(),
            previous_hash: entry.previous_hash.to_string(),
            hash: entry.hash.to_string(),
        }
    }
}

#[derive(ApiResponse)]
pub enum AuditAnswer {
    /// One page
    #[oai(status = 200)]
    Page(
        Json<Vec<AuditRecord>>,
        /// The next page, if there is one
        #[oai(header = "Link")]
        Option<String>,
    ),
}

pub struct AuditApi {
    store: Arc<dyn Store>,
    cursors: Cursors,
}

impl AuditApi {
    pub fn new(services: &Services) -> Self {
        Self { store: Arc::clone(&services.store), cursors: services.cursors.clone() }
    }
}

#[OpenApi(tag = "Tag::Access")]
impl AuditApi {
    /// The audit trail, newest first
    #[oai(path = "/v1/audit", method = "get", operation_id = "list_audit")]
    async fn list(
        &self,
        uri: &poem::http::Uri,
        limit: Query<Option<LimitParam>>,
        cursor: Query<Option<CursorParam>>,
        /// Only what this actor did
        actor: Query<Option<TextParam>>,
        /// Only this action
        action: Query<Option<TextParam>>,
    ) -> Result<AuditAnswer, ApiError> {
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default();
        let before = cursor.0.map(|cursor| self.cursors.open_number(List::Audit, &cursor.0));
        let query = AuditQuery {
            before: before.transpose()?,
            actor: actor.0.map(|text| text.0),
            action: action.0.map(|text| text.0),
            limit: limit.get() + 1,
        };
        let mut entries = self.store.audit(query).await?;
        let more = entries.len() > limit.get();
        entries.truncate(limit.get());
        let last = entries.last().filter(|_| more);
        let next =
            last.map(|last| next_link(uri, &self.cursors.seal_number(List::Audit, last.sequence)));
        Ok(AuditAnswer::Page(Json(entries.iter().map(AuditRecord::from).collect()), next))
    }
}
