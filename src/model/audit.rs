//! The audit trail: who did what, each entry bound to the one before it by its hash.

use super::{Actor, Invalid, Timestamp};

/// An entry before it is stored: everything but its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditDraft {
    pub at: Timestamp,
    /// As [`Actor`] prints.
    pub actor: String,
    /// Where the request came from, as far as that is known.
    pub address: String,
    pub request_id: String,
    /// What was done, as `price.create`.
    pub action: String,
    /// What it was done to. A store fills it in where only it knows: the id of what is new.
    pub target: String,
    /// `done`, `unchanged`, `refused` … A store fills it in for what goes with a change.
    pub outcome: String,
}

impl AuditDraft {
    /// Something the service or its operator does, without a request.
    pub fn without_request(at: Timestamp, actor: Actor, action: &str, target: &str) -> Self {
        Self {
            at,
            actor: actor.to_string(),
            address: String::new(),
            request_id: String::new(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome: "done".to_owned(),
        }
    }

    /// The draft with what a change turned out to be. A target that is named already stays.
    pub fn concluded(mut self, effect: ChangeEffect) -> Self {
        if let Some(target) = effect.target.filter(|_| self.target.is_empty()) {
            self.target = target;
        }
        self.outcome = effect.outcome;
        self
    }
}

/// What a change turned out to be, for its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEffect {
    pub target: Option<String>,
    pub outcome: String,
}

impl ChangeEffect {
    pub fn done(target: Option<String>) -> Self {
        Self { target, outcome: "done".into() }
    }

    /// What was asked for was there already, or there was nothing to do it to.
    pub fn unchanged() -> Self {
        Self { target: None, outcome: "unchanged".into() }
    }
}

/// An entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub sequence: u64,
    pub draft: AuditDraft,
    pub previous_hash: AuditHash,
    pub hash: AuditHash,
}

/// SHA-256 over the hash of the entry before and everything the entry says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AuditHash(pub [u8; 32]);

impl AuditHash {
    /// # Errors
    /// When the text is not 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid("a hash has 64 hexadecimal digits".into());
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[pair..pair + 2], 16).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for AuditHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The end of the trail: the last sequence and its hash; zero and zeros when it is empty.
///
/// A chain alone does not show that its end was cut off. Kept elsewhere, the head does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditHead {
    pub sequence: u64,
    pub hash: AuditHash,
}

impl AuditHead {
    /// Parses what [`AuditHead`] prints: `sequence:hash`.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid("a head is `sequence:hash`, as `tickerd audit head` prints".into());
        let (sequence, hash) = text.split_once(':').ok_or_else(refuse)?;
        let sequence = sequence.parse().map_err(|_| refuse())?;
        Ok(Self { sequence, hash: AuditHash::parse(hash)? })
    }
}

impl std::fmt::Display for AuditHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}
