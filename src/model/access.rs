//! Who may do what: roles, keys and those who act.

use std::fmt;

use super::{Invalid, Timestamp};

/// What a caller may do. Each role may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Read,
    Write,
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// # Errors
    /// When the text is no role.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let role = Self::ALL.into_iter().find(|role| role.name() == text);
        role.ok_or_else(|| Invalid("a role is `read`, `write` or `admin`".into()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The public part of a key: 12 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 6]);

impl KeyId {
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    pub fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// # Errors
    /// When the text is not 12 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid("the id of a key has 12 digits of 0-9 a-f".into());
        let digits = text.as_bytes();
        if digits.len() != 12 {
            return Err(refuse());
        }
        let mut bytes = [0; 6];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [hex_digit(pair[0]), hex_digit(pair[1])];
            *byte = high.ok_or_else(refuse)? << 4 | low.ok_or_else(refuse)?;
        }
        Ok(Self(bytes))
    }
}

/// The value of a lower-case digit: an id has one spelling only.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key as it is kept: without its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub name: Option<String>,
    pub role: Role,
    /// SHA-256 of the secret. The secret is random and long, so that a slow hash would only slow
    /// us down.
    pub secret_hash: [u8; 32],
    pub created_at: Timestamp,
    /// Refused from then on.
    pub expires_at: Option<Timestamp>,
    /// Written now and then, not with each use.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// The longest name.
    pub const MAX_NAME: usize = 100;

    /// Whether the key opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Without the hash.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey {{ {}, {}, {:?}", self.id, self.role, self.name)?;
        write!(f, ", created {}, expires {:?}", self.created_at, self.expires_at)?;
        write!(f, ", used {:?}, revoked {:?} }}", self.last_used_at, self.revoked_at)
    }
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Whoever has this key.
    Key(KeyId),
    /// Whoever has the key of the configuration.
    ConfiguredKey,
    /// Anyone on the machine of a service that has no key yet.
    Local,
    /// Nobody we know.
    Anonymous,
    /// The operator at the command line.
    Operator,
    /// The service itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::ConfiguredKey => f.write_str("configured-key"),
            Self::Local => f.write_str("local"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_those_before_it_may() {
        assert!(Role::Read < Role::Write && Role::Write < Role::Admin);
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Ok(role));
        }
        assert!(Role::parse("root").is_err());
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = KeyId::from_bytes([0xa8, 0x1f, 0x03, 0xc2, 0, 9]);
        assert_eq!(id.to_string(), "a81f03c20009");
        assert_eq!(KeyId::parse("a81f03c20009"), Ok(id));
        for text in ["", "a81f03c2000", "A81F03C20009", "a81f03c2000g", "a81f03c20009 "] {
            assert!(KeyId::parse(text).is_err(), "{text}");
        }
    }
}
