//! Deliveries that were given up: what is kept of them, trying them again, and forgetting them.
//!
//! Where a delivery lay on the bus and how often it was parked before travels with it in headers
//! whose names begin with `tickerd-`, so that a letter that is replayed and parked again still
//! tells its whole story, on any store and any bus.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{AuditDraft, DeadLetter, Timestamp};
use crate::ports::bus::RawMessage;
use crate::ports::{BusError, Delivery, EventBus, Store, StoreError};
use crate::telemetry::metrics;

const TOPIC: &str = "tickerd-topic";
const PARTITION: &str = "tickerd-partition";
const OFFSET: &str = "tickerd-offset";
/// `<parked at> <attempts> <reason>`, once for each time it was parked before.
const PARKED: &str = "tickerd-parked";

/// How long a replayed message may take to be safe on the bus.
const PATIENCE: Duration = Duration::from_secs(30);
/// Letters read at once while all are replayed or dropped.
const PORTION: usize = 100;

/// One time that a delivery was parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    pub parked_at: Timestamp,
    pub attempts: u32,
    pub reason: String,
}

/// What the headers of a letter say, each thing in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story<'a> {
    pub topic: Option<&'a str>,
    pub partition: Option<i32>,
    pub offset: Option<u64>,
    /// The headers the message came with.
    pub headers: Vec<(&'a str, &'a str)>,
    /// When it was parked before this time, oldest first.
    pub history: Vec<Parking>,
}

impl<'a> Story<'a> {
    pub fn of(letter: &'a DeadLetter) -> Self {
        let mut story =
            Self { topic: None, partition: None, offset: None, headers: vec![], history: vec![] };
        for (name, value) in &letter.headers {
            match name.as_str() {
                TOPIC => story.topic = Some(value),
                PARTITION => story.partition = value.parse().ok(),
                OFFSET => story.offset = value.parse().ok(),
                PARKED => story.history.extend(parking(value)),
                _ => story.headers.push((name, value)),
            }
        }
        story
    }
}

fn parking(text: &str) -> Option<Parking> {
    let mut words = text.splitn(3, ' ');
    Some(Parking {
        parked_at: Timestamp::parse(words.next()?).ok()?,
        attempts: words.next()?.parse().ok()?,
        reason: words.next()?.to_owned(),
    })
}

/// The letter of a delivery that is given up after `attempts`. Those before it was replayed count.
pub(super) fn letter(
    delivery: &Delivery,
    message: RawMessage,
    topic: &str,
    reason: &str,
    attempts: u32,
    parked_at: Timestamp,
) -> DeadLetter {
    let before = message.headers.iter().filter(|(name, _)| name == PARKED);
    let before: u32 = before.filter_map(|(_, text)| parking(text)).map(|p| p.attempts).sum();
    let mut headers = message.headers;
    headers.push((TOPIC.into(), topic.to_owned()));
    headers.push((PARTITION.into(), delivery.partition.to_string()));
    headers.push((OFFSET.into(), delivery.offset.to_string()));
    DeadLetter {
        id: 0,
        reason: reason.to_owned(),
        attempts: before.saturating_add(attempts),
        key: message.key,
        payload: message.payload,
        headers,
        parked_at,
    }
}

/// The original message, and in its headers that it was parked.
fn message(letter: &DeadLetter) -> RawMessage {
    let place = [TOPIC, PARTITION, OFFSET];
    let mut headers = letter.headers.clone();
    headers.retain(|(name, _)| !place.contains(&name.as_str()));
    let before: u32 = Story::of(letter).history.iter().map(|parking| parking.attempts).sum();
    let attempts = letter.attempts.saturating_sub(before);
    headers.push((PARKED.into(), format!("{} {attempts} {}", letter.parked_at, letter.reason)));
    RawMessage { key: letter.key.clone(), payload: letter.payload.clone(), headers }
}

/// Why a letter was not replayed or dropped; it is still there, unless it was not found.
#[derive(Debug, thiserror::Error)]
pub enum LetterFailure {
    #[error("there is no dead letter {0}")]
    NotFound(u64),
    #[error("the bus did not take it: {0}")]
    Bus(#[from] BusError),
    #[error("the bus did not take it within {} s", PATIENCE.as_secs())]
    Slow,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks into dead letters and gets rid of them, one way or the other.
pub struct DeadLetters {
    store: Arc<dyn Store>,
    bus: Arc<dyn EventBus>,
    /// Goes into the trail with each letter that is replayed or dropped.
    draft: Option<AuditDraft>,
}

impl DeadLetters {
    pub fn new(store: Arc<dyn Store>, bus: Arc<dyn EventBus>) -> Self {
        Self { store, bus, draft: None }
    }

    /// The same, putting an entry into the trail with each letter that is replayed or dropped.
    pub fn audited(&self, draft: AuditDraft) -> Self {
        let (store, bus) = (Arc::clone(&self.store), Arc::clone(&self.bus));
        Self { store, bus, draft: Some(draft) }
    }

    /// Letters with an id greater than `after`, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.store.dead_letters(after, limit).await
    }

    /// # Errors
    /// When there is none with this id, or the store fails.
    pub async fn get(&self, id: u64) -> Result<DeadLetter, LetterFailure> {
        self.store.dead_letter(id).await?.ok_or(LetterFailure::NotFound(id))
    }

    /// Puts the original bytes on the bus again, and forgets the letter only when they are safe
    /// there. What is still poison is parked again as a new letter that tells of this one. After a
    /// crash in between the letter is still there; its effect is stored once all the same.
    ///
    /// # Errors
    /// When there is none with this id, or bus or store fail.
    pub async fn replay(&self, id: u64) -> Result<(), LetterFailure> {
        let letter = self.get(id).await?;
        let published = self.bus.publish_raw(message(&letter));
        tokio::time::timeout(PATIENCE, published).await.map_err(|_| LetterFailure::Slow)??;
        // Somebody else may have replayed it too: the effect is stored once.
        self.remove(id, format!("dead-letters/{id}")).await?;
        metrics::dead_letter_ended("replayed");
        tracing::info!(id, key = letter.key, "a dead letter is replayed");
        Ok(())
    }

    /// Replays every letter there is now, oldest first, and answers how many. Those that are
    /// parked again meanwhile are left.
    ///
    /// # Errors
    /// At the first that cannot be replayed; those before it are gone, the others still there.
    pub async fn replay_all(&self) -> Result<u64, LetterFailure> {
        let mut n_replayed = 0;
        for id in self.ids().await? {
            match self.replay(id).await {
                Ok(()) => n_replayed += 1,
                // Gone meanwhile.
                Err(LetterFailure::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(n_replayed)
    }

    /// Forgets a letter. The reason is for those who ask later why.
    ///
    /// # Errors
    /// When there is none with this id, or the store fails.
    pub async fn drop_letter(&self, id: u64, reason: &str) -> Result<(), LetterFailure> {
        if self.store.dead_letter(id).await?.is_none()
            || !self.remove(id, format!("dead-letters/{id}: {reason}")).await?
        {
            return Err(LetterFailure::NotFound(id));
        }
        metrics::dead_letter_ended("dropped");
        tracing::warn!(id, reason, "a dead letter is dropped");
        Ok(())
    }

    /// Forgets every letter there is now, and answers how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_all(&self, reason: &str) -> Result<u64, LetterFailure> {
        let mut n_dropped = 0;
        for id in self.ids().await? {
            match self.drop_letter(id, reason).await {
                Ok(()) => n_dropped += 1,
                Err(LetterFailure::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(n_dropped)
    }

    async fn remove(&self, id: u64, target: String) -> Result<bool, StoreError> {
        match &self.draft {
            None => self.store.remove_dead_letter(id).await,
            Some(draft) => {
                let draft = AuditDraft { target, ..draft.clone() };
                self.store.audited(draft).remove_dead_letter(id).await
            }
        }
    }

    async fn ids(&self) -> Result<Vec<u64>, StoreError> {
        let mut ids: Vec<u64> = Vec::new();
        loop {
            let after = ids.last().copied().unwrap_or(0);
            let letters = self.store.dead_letters(after, PORTION).await?;
            if letters.is_empty() {
                return Ok(ids);
            }
            ids.extend(letters.iter().map(|letter| letter.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_is_parked_again_tells_its_whole_story() {
        let raw = RawMessage {
            key: "AAPL".into(),
            payload: vec![0xFF, 0],
            headers: vec![("type".into(), "price.recorded".into())],
        };
        let delivery = |offset, message: RawMessage| Delivery {
            event: Err("no event".into()),
            partition: 2,
            offset,
            message,
        };
        let at = |secs| Timestamp::from_secs(secs).expect("a time");
        let park = |offset, raw: &RawMessage, reason, attempts, parked_at| {
            let delivery = delivery(offset, raw.clone());
            letter(&delivery, raw.clone(), "price-events", reason, attempts, parked_at)
        };
        let first = park(7, &raw, "not good: at all", 5, at(10));
        let second = park(9, &message(&first), "no better", 3, at(20));
        let third = park(11, &message(&second), "hopeless", 1, at(30));

        assert_eq!((third.attempts, &third.payload, &third.key), (9, &raw.payload, &raw.key));
        let story = Story::of(&third);
        assert_eq!(
            (story.topic, story.partition, story.offset),
            (Some("price-events"), Some(2), Some(11))
        );
        assert_eq!(story.headers, [("type", "price.recorded")]);
        let parking = |secs, attempts, reason: &str| Parking {
            parked_at: at(secs),
            attempts,
            reason: reason.into(),
        };
        assert_eq!(
            story.history,
            [parking(10, 5, "not good: at all"), parking(20, 3, "no better")]
        );
    }
}
