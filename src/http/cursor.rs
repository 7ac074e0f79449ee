//! Cursors: where the next page of a list begins. Floor 4.
//!
//! They are signed with the secret of the store, so that only what this service gave out is read,
//! and so that every process on the store reads what the others gave out, also after a restart.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use poem::http::StatusCode;
use sha2::Sha256;

use super::error::ApiError;
use crate::model::{Order, Position, PriceId, Timestamp};

/// Bytes of the signature: 128 bits of HMAC-SHA-256.
const TAG_BYTES: usize = 16;
/// The longest text that is looked at.
pub const MAX_CURSOR_LENGTH: usize = 64;

/// Which list a cursor belongs to; in another one it is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Prices = 1,
    Assets = 2,
    Jobs = 3,
    DeadLetters = 4,
    Audit = 5,
}

/// Signs cursors and knows its own again.
#[derive(Clone)]
pub struct Cursors {
    mac: Hmac<Sha256>,
}

impl Cursors {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { mac: Hmac::new_from_slice(secret).expect("HMAC takes a key of any length") }
    }

    /// The cursor of a place in a list.
    pub fn seal(&self, list: List, place: &[u8]) -> String {
        let tag = self.signed(list, place).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([place, &tag[..TAG_BYTES]].concat())
    }

    /// The place of a cursor that was made for this list.
    ///
    /// # Errors
    /// 400 `cursor-invalid` for every other text.
    pub fn open(&self, list: List, text: &str) -> Result<Vec<u8>, ApiError> {
        if text.len() > MAX_CURSOR_LENGTH {
            return Err(not_ours());
        }
        let mut place = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_ours())?;
        let place_bytes = place.len().checked_sub(TAG_BYTES).ok_or_else(not_ours)?;
        let tag = place.split_off(place_bytes);
        self.signed(list, &place).verify_truncated_left(&tag).map_err(|_| not_ours())?;
        Ok(place)
    }

    /// The cursor behind the item with this number.
    pub fn seal_number(&self, list: List, number: u64) -> String {
        self.seal(list, &number.to_be_bytes())
    }

    /// The number of a cursor that was made for this list.
    ///
    /// # Errors
    /// As [`Cursors::open`].
    pub fn open_number(&self, list: List, text: &str) -> Result<u64, ApiError> {
        let place = self.open(list, text)?;
        place.try_into().map(u64::from_be_bytes).map_err(|_| not_ours())
    }

    fn signed(&self, list: List, place: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(b"cursor");
        mac.update(&[list as u8]);
        mac.update(place);
        mac
    }
}

fn not_ours() -> ApiError {
    let detail = "is not a cursor that this service gave out for this list; take it from `Link`";
    ApiError::new(StatusCode::BAD_REQUEST, "cursor-invalid", format!("?cursor: {detail}"))
}

/// A place in a list of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricePlace {
    pub order: Order,
    pub after: Position,
}

impl PricePlace {
    pub fn seal(self, cursors: &Cursors) -> String {
        let mut bytes = Vec::with_capacity(17);
        bytes.push(u8::from(self.order == Order::OldestFirst));
        bytes.extend_from_slice(&self.after.observed_at.as_micros().to_be_bytes());
        bytes.extend_from_slice(&self.after.id.get().to_be_bytes());
        cursors.seal(List::Prices, &bytes)
    }

    /// # Errors
    /// As [`Cursors::open`].
    pub fn open(cursors: &Cursors, text: &str) -> Result<Self, ApiError> {
        Self::from_bytes(&cursors.open(List::Prices, text)?).ok_or_else(not_ours)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (order, rest) = bytes.split_first()?;
        let (observed_at, id) = rest.split_at_checked(8)?;
        let order = match order {
            0 => Order::NewestFirst,
            1 => Order::OldestFirst,
            _ => return None,
        };
        let observed_at = i64::from_be_bytes(observed_at.try_into().ok()?);
        let observed_at = Timestamp::from_micros(observed_at).ok()?;
        let id = PriceId::new(u64::from_be_bytes(id.try_into().ok()?))?;
        Some(Self { order, after: Position { observed_at, id } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(micros: i64, id: u64) -> PricePlace {
        PricePlace {
            order: Order::OldestFirst,
            after: Position {
                observed_at: Timestamp::from_micros(micros).expect("a time"),
                id: PriceId::new(id).expect("an id"),
            },
        }
    }

    #[test]
    fn every_changed_character_and_every_other_list_or_secret_is_refused() {
        let cursors = Cursors::new(&[7; 32]);
        let sealed = place(1_700_000_000_000_000, 42).seal(&cursors);
        for at in 0..sealed.len() {
            for other in ["A", "B", "_", "!", ""] {
                if &sealed[at..=at] == other {
                    continue;
                }
                let tampered = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
                let error = PricePlace::open(&cursors, &tampered).expect_err(&tampered);
                assert_eq!((error.status.as_u16(), error.code), (400, "cursor-invalid"));
            }
        }
        let number = cursors.seal_number(List::Jobs, 7);
        assert_eq!(cursors.open_number(List::Jobs, &number).ok(), Some(7));
        for (label, opened) in [
            ("another list", cursors.open_number(List::Audit, &number)),
            ("another secret", Cursors::new(&[8; 32]).open_number(List::Jobs, &number)),
        ] {
            assert!(opened.is_err(), "{label}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_cursor_comes_back_and_arbitrary_text_is_refused(
            micros in 0_i64..1 << 50,
            id in 0_u64..1 << 53,
            text in ".{0,80}",
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        ) {
            let cursors = Cursors::new(&[7; 32]);
            let place = place(micros, id);
            let sealed = place.seal(&cursors);
            proptest::prop_assert!(sealed.len() <= MAX_CURSOR_LENGTH);
            proptest::prop_assert_eq!(PricePlace::open(&cursors, &sealed).ok(), Some(place));
            proptest::prop_assert!(PricePlace::open(&cursors, &text).is_err());
            let _ = PricePlace::from_bytes(&bytes);
        }
    }
}
