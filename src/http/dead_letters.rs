//! `/v1/dead-letters`: deliveries that were given up.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::http::{StatusCode, Uri};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::cursor::{Cursors, List};
use super::doors::Caller;
use super::error::ApiError;
use super::params::{CursorParam, LetterParam, LimitParam, ReasonParam, next_link};
use super::prices::Message;
use super::{Services, Tag};
use crate::model::DeadLetter;
use crate::services::dead_letters::{DeadLetters, LetterFailure, Story};

/// A delivery that was given up.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct DeadLetterRecord {
    pub id: u64,
    /// The symbol, where the message had one
    pub key: String,
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<u64>,
    /// Why it was given up the last time
    pub reason: String,
    /// How often it was tried, over all replays
    pub attempts: u32,
    /// RFC 3339
    pub parked_at: String,
    /// The bytes as text; see `payload_base64` when they are none
    pub payload: String,
    /// The bytes, when they are not UTF-8
    #[oai(skip_serializing_if_is_none)]
    pub payload_base64: Option<String>,
    /// The headers it came with, as pairs of name and value
    pub headers: Vec<Vec<String>>,
    /// When it was parked before and replayed since, oldest first
    pub history: Vec<ParkingRecord>,
}

/// One time that a delivery was parked.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct ParkingRecord {
    /// RFC 3339
    pub parked_at: String,
    pub attempts: u32,
    pub reason: String,
}

impl From<&DeadLetter> for DeadLetterRecord {
    fn from(letter: &DeadLetter) -> Self {
        let story = Story::of(letter);
        let is_text = std::str::from_utf8(&letter.payload).is_ok();
        let pair = |(name, value): &(&str, &str)| vec![(*name).to_owned(), (*value).to_owned()];
        let history = story.history.iter().map(|parking| ParkingRecord {
            parked_at: parking.parked_at.to_string(),
            attempts: parking.attempts,
            reason: parking.reason.clone(),
        });
        Self {
            id: letter.id,
            key: letter.key.clone(),
            topic: story.topic.map(str::to_owned),
            partition: story.partition,
            offset: story.offset,
            reason: letter.reason.clone(),
            attempts: letter.attempts,
            parked_at: letter.parked_at.to_string(),
            payload: String::from_utf8_lossy(&letter.payload).into_owned(),
            payload_base64: (!is_text).then(|| STANDARD.encode(&letter.payload)),
            headers: story.headers.iter().map(pair).collect(),
            history: history.collect(),
        }
    }
}

#[derive(ApiResponse)]
pub enum LettersAnswer {
    /// One page
    #[oai(status = 200)]
    Page(
        Json<Vec<DeadLetterRecord>>,
        /// The next page, if there is one
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// How many letters were replayed or dropped.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct LettersDone {
    pub count: u64,
}

pub struct DeadLettersApi {
    letters: Arc<DeadLetters>,
    cursors: Cursors,
}

impl DeadLettersApi {
    pub fn new(services: &Services) -> Self {
        Self { letters: Arc::clone(&services.dead_letters), cursors: services.cursors.clone() }
    }
}

#[OpenApi(prefix_path = "/v1/dead-letters", tag = "Tag::DeadLetters")]
impl DeadLettersApi {
    /// Deliveries that were given up, oldest first
    #[oai(path = "/", method = "get", operation_id = "list_dead_letters")]
    async fn list(
        &self,
        uri: &Uri,
        limit: Query<Option<LimitParam>>,
        cursor: Query<Option<CursorParam>>,
    ) -> Result<LettersAnswer, ApiError> {
        let limit = limit.0.map(|limit| limit.0).unwrap_or_default().get();
        let after = cursor.0.map(|cursor| self.cursors.open_number(List::DeadLetters, &cursor.0));
        let after = after.transpose()?.unwrap_or(0);
        // One more tells whether there is another page.
        let mut letters = self.letters.list(after, limit + 1).await?;
        let more = letters.len() > limit;
        letters.truncate(limit);
        let next = letters
            .last()
            .filter(|_| more)
            .map(|last| next_link(uri, &self.cursors.seal_number(List::DeadLetters, last.id)));
        let records = letters.iter().map(DeadLetterRecord::from).collect();
        Ok(LettersAnswer::Page(Json(records), next))
    }

    /// One delivery that was given up
    #[oai(path = "/:id", method = "get", operation_id = "get_dead_letter")]
    async fn get(&self, id: Path<LetterParam>) -> Result<Json<DeadLetterRecord>, ApiError> {
        Ok(Json((&self.letters.get(id.0.0).await?).into()))
    }

    /// Try a delivery again
    ///
    /// Its original bytes go onto the bus again; the letter is gone when they are safe there. What
    /// still cannot be worked on is parked again as a new letter that tells of this one.
    #[oai(path = "/:id/replay", method = "post", operation_id = "replay_dead_letter")]
    async fn replay(
        &self,
        caller: Data<&Caller>,
        id: Path<LetterParam>,
    ) -> Result<Json<Message>, ApiError> {
        let id = id.0.0;
        self.letters.audited(caller.draft("dead-letter.replay", "")).replay(id).await?;
        Ok(Json(Message { message: format!("dead letter {id} is on the bus again") }))
    }

    /// Try all deliveries again that are parked now
    #[oai(path = "/replay", method = "post", operation_id = "replay_dead_letters")]
    async fn replay_all(&self, caller: Data<&Caller>) -> Result<Json<LettersDone>, ApiError> {
        let letters = self.letters.audited(caller.draft("dead-letter.replay", ""));
        Ok(Json(LettersDone { count: letters.replay_all().await? }))
    }

    /// Forget a delivery
    #[oai(path = "/:id", method = "delete", operation_id = "drop_dead_letter")]
    async fn drop_letter(
        &self,
        caller: Data<&Caller>,
        id: Path<LetterParam>,
        /// Why, for those who ask later
        reason: Query<Option<ReasonParam>>,
    ) -> Result<Json<Message>, ApiError> {
        let id = id.0.0;
        let reason = reason.0.map_or_else(|| "no reason given".into(), |reason| reason.0);
        self.letters.audited(caller.draft("dead-letter.drop", "")).drop_letter(id, &reason).await?;
        Ok(Json(Message { message: format!("dead letter {id} is dropped") }))
    }
}

impl From<LetterFailure> for ApiError {
    fn from(failure: LetterFailure) -> Self {
        match failure {
            LetterFailure::NotFound(_) => {
                Self::not_found("unknown-dead-letter", failure.to_string())
            }
            LetterFailure::Bus(_) | LetterFailure::Slow => {
                tracing::warn!(error = %failure, "a dead letter was not replayed");
                let detail = format!("{failure}; the letter is still there");
                Self {
                    retry_after_secs: Some(5),
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "bus-unavailable", detail)
                }
            }
            LetterFailure::Store(error) => error.into(),
        }
    }
}
