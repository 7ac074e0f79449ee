//! The keys: who is let in, and as whom.
//!
//! Keys are looked up in memory without a lock; a loop reads them again from the store, so that a
//! key revoked by another process is refused within a second. When keys were used is noted in
//! memory too and written now and then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::refusals::Refusals;
use crate::model::{Actor, ApiKey, AuditDraft, KeyId, Role, Timestamp};
use crate::ports::{Clock, Store, StoreError};

/// How often the keys are read again.
const RELOAD_EVERY: Duration = Duration::from_millis(400);
/// How often the last uses are written.
const WRITE_USES_EVERY: Duration = Duration::from_secs(30);
/// Keys that there may be, revoked ones included.
pub const MAX_KEYS: usize = 10_000;
/// Characters of a secret: 32 of 62 kinds are 190 bits.
const SECRET_LENGTH: usize = 32;
const SECRET_ALPHABET: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Who was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub actor: Actor,
    pub role: Role,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    Unknown,
    Revoked,
    Expired,
}

impl Refusal {
    /// The word for it in metrics and in the trail.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    #[error("there are {MAX_KEYS} keys already")]
    TooMany,
    #[error("no random bytes: {0}")]
    NoRandomness(getrandom::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new key with its secret: shown once and never again.
pub struct NewKey {
    pub key: ApiKey,
    /// `tkd_<id>_<secret>`.
    pub text: String,
}

/// What is known of the keys at one moment.
struct Known {
    keys: HashMap<KeyId, KnownKey>,
    /// SHA-256 of the key of the configuration.
    configured: Option<[u8; 32]>,
}

struct KnownKey {
    key: ApiKey,
    /// In µs; the same counter over all reloads.
    used_at: Arc<AtomicI64>,
}

/// Lets in who has a key.
pub struct Access {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: ArcSwap<Known>,
    /// Only this machine can reach the service.
    is_local: bool,
    /// One reload at a time, so that an old one does not overwrite a newer one.
    reloading: tokio::sync::Mutex<()>,
    refusals: Mutex<Refusals>,
}

impl Access {
    /// Reads the keys. `configured` is the key of the configuration, empty for none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        is_local: bool,
        configured: &str,
    ) -> Result<Self, StoreError> {
        let configured = hash_of_configured(configured);
        let known = ArcSwap::from_pointee(Known { keys: HashMap::new(), configured });
        let (reloading, refusals) = (tokio::sync::Mutex::default(), Mutex::default());
        let access = Self { store, clock, known, is_local, reloading, refusals };
        access.reload().await?;
        Ok(access)
    }

    /// Whether anyone on this machine may do anything: nobody else can reach the service, and
    /// there is no key yet. A key that was revoked counts, so that revoking the last one does not
    /// open the door.
    pub fn is_open(&self) -> bool {
        self.is_local && self.known.load().has_no_key()
    }

    /// Who presents this key. A request that was `forwarded` comes from elsewhere than it seems
    /// and always needs one.
    ///
    /// # Errors
    /// [`Refusal`] when nobody is let in with it.
    pub fn identify(&self, presented: Option<&str>, forwarded: bool) -> Result<Identity, Refusal> {
        let known = self.known.load();
        if !forwarded && self.is_local && known.has_no_key() {
            return Ok(Identity { actor: Actor::Local, role: Role::Admin });
        }
        let text = presented.ok_or(Refusal::Missing)?;
        if let Some(configured) = &known.configured
            && bool::from(sha256(text).ct_eq(configured))
        {
            return Ok(Identity { actor: Actor::ConfiguredKey, role: Role::Admin });
        }
        let (id, secret) = parse(text).ok_or(Refusal::Unknown)?;
        let known = known.keys.get(&id).ok_or(Refusal::Unknown)?;
        // Only who knows the secret learns that a key was revoked.
        if !bool::from(sha256(secret).ct_eq(&known.key.secret_hash)) {
            return Err(Refusal::Unknown);
        }
        let now = self.clock.now();
        if known.key.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if !known.key.is_live(now) {
            return Err(Refusal::Expired);
        }
        known.used_at.store(now.as_micros(), Ordering::Relaxed);
        Ok(Identity { actor: Actor::Key(id), role: known.key.role })
    }

    /// Whether who was let in before would be let in now: their key may have been revoked, have
    /// expired, or be the first one and have closed the door.
    pub fn still_admits(&self, actor: Actor) -> bool {
        let known = self.known.load();
        match actor {
            Actor::Local => self.is_local && known.keys.is_empty() && known.configured.is_none(),
            Actor::ConfiguredKey => known.configured.is_some(),
            Actor::Key(id) => {
                known.keys.get(&id).is_some_and(|known| known.key.is_live(self.clock.now()))
            }
            Actor::Anonymous | Actor::Operator | Actor::System => false,
        }
    }

    /// Every key, the first created first, with its last use as this process knows it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.reload().await?;
        let known = self.known.load();
        let mut keys: Vec<ApiKey> = known
            .keys
            .values()
            .map(|known| ApiKey { last_used_at: last_use(known), ..known.key.clone() })
            .collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        Ok(keys)
    }

    /// Makes a key and lets it in at once.
    ///
    /// # Errors
    /// [`KeyFailure`].
    pub async fn create(
        &self,
        name: Option<String>,
        role: Role,
        expires_at: Option<Timestamp>,
        draft: AuditDraft,
    ) -> Result<NewKey, KeyFailure> {
        if self.known.load().keys.len() >= MAX_KEYS {
            return Err(KeyFailure::TooMany);
        }
        let new = make_key(self.store.as_ref(), name, role, expires_at, self.clock.now(), draft);
        let new = new.await?;
        self.reload().await?;
        Ok(new)
    }

    /// Revokes a key; none when there is none with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, id: KeyId, draft: AuditDraft) -> Result<Option<ApiKey>, StoreError> {
        let revoked = self.store.audited(draft).revoke_key(id, self.clock.now()).await?;
        self.reload().await?;
        Ok(revoked)
    }

    /// Makes the first admin key of a service that others can reach and that has none.
    ///
    /// # Errors
    /// [`KeyFailure`].
    pub async fn create_first(&self) -> Result<Option<NewKey>, KeyFailure> {
        if self.is_local || !self.known.load().has_no_key() {
            return Ok(None);
        }
        let name = Some("first admin".to_owned());
        let now = self.clock.now();
        let draft = AuditDraft::without_request(now, Actor::System, "key.create", "");
        self.create(name, Role::Admin, None, draft).await.map(Some)
    }

    /// Takes another key of the configuration.
    pub fn configure(&self, configured: &str) {
        let configured = hash_of_configured(configured);
        self.known.rcu(|known| Known { keys: known.cloned_keys(), configured });
    }

    /// Puts a refused access into the trail, unless too many were put there lately.
    pub async fn note_refusal(&self, draft: AuditDraft) {
        let drafts = self.refusals.lock().admit(draft, self.clock.now());
        for draft in drafts {
            if let Err(error) = self.store.note(draft).await {
                tracing::warn!(%error, "a refused access is not in the trail");
            }
        }
    }

    /// Keeps the keys current until cancelled, then writes the last uses.
    pub async fn run(&self, cancel: CancellationToken) {
        let _ = cancel.run_until_cancelled(self.follow_for_ever()).await;
        self.write_uses().await;
    }

    async fn follow_for_ever(&self) {
        let mut since_write = Duration::ZERO;
        loop {
            self.clock.sleep(RELOAD_EVERY).await;
            if let Err(error) = self.reload().await {
                tracing::warn!(%error, "the keys cannot be read again; those known stay valid");
            }
            since_write += RELOAD_EVERY;
            if since_write >= WRITE_USES_EVERY {
                since_write = Duration::ZERO;
                self.write_uses().await;
            }
        }
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let _turn = self.reloading.lock().await;
        let stored = self.store.keys().await?;
        self.known.rcu(|known| Known {
            keys: stored.iter().map(|key| (key.id, known.with_counter(key.clone()))).collect(),
            configured: known.configured,
        });
        Ok(())
    }

    async fn write_uses(&self) {
        let known = self.known.load_full();
        let uses = known.keys.values().filter_map(|known| {
            let used_at = last_use(known)?;
            (known.key.last_used_at < Some(used_at)).then_some((known.key.id, used_at))
        });
        let uses: Vec<_> = uses.collect();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = self.store.touch_keys(uses).await {
            tracing::warn!(%error, "the last uses of keys are not written");
        }
    }
}

impl Known {
    /// Whether there never was one: a revoked key counts.
    fn has_no_key(&self) -> bool {
        self.keys.is_empty() && self.configured.is_none()
    }

    fn with_counter(&self, key: ApiKey) -> KnownKey {
        let used_at = self.keys.get(&key.id).map(|known| Arc::clone(&known.used_at));
        KnownKey { key, used_at: used_at.unwrap_or_else(|| Arc::new(AtomicI64::new(i64::MIN))) }
    }

    fn cloned_keys(&self) -> HashMap<KeyId, KnownKey> {
        let keys = self.keys.values().map(|known| known.key.clone());
        keys.map(|key| (key.id, self.with_counter(key))).collect()
    }
}

/// The later of what the store and what this process knows.
fn last_use(known: &KnownKey) -> Option<Timestamp> {
    let here = Timestamp::from_micros(known.used_at.load(Ordering::Relaxed)).ok();
    known.key.last_used_at.max(here.filter(|here| *here > Timestamp::MIN))
}

/// Makes a key in a store, with its entry in the trail.
///
/// # Errors
/// [`KeyFailure`].
pub async fn make_key(
    store: &dyn Store,
    name: Option<String>,
    role: Role,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    draft: AuditDraft,
) -> Result<NewKey, KeyFailure> {
    loop {
        let mut id = [0; 6];
        getrandom::fill(&mut id).map_err(KeyFailure::NoRandomness)?;
        let id = KeyId::from_bytes(id);
        let secret = random_secret().map_err(KeyFailure::NoRandomness)?;
        let key = ApiKey {
            id,
            name: name.clone(),
            role,
            secret_hash: sha256(&secret),
            created_at,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let draft = AuditDraft { target: id.to_string(), ..draft.clone() };
        // An id that is taken is as good as never drawn again.
        if store.audited(draft).create_key(key.clone()).await? {
            return Ok(NewKey { key, text: format!("tkd_{id}_{secret}") });
        }
    }
}

fn random_secret() -> Result<String, getrandom::Error> {
    let mut secret = String::with_capacity(SECRET_LENGTH);
    let mut bytes = [0; 64];
    while secret.len() < SECRET_LENGTH {
        getrandom::fill(&mut bytes)?;
        // 248 is the greatest multiple of 62 in a byte: each character is as likely as any other.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let room = SECRET_LENGTH - secret.len();
        secret.extend(fair.take(room).map(|byte| SECRET_ALPHABET[usize::from(byte % 62)] as char));
    }
    Ok(secret)
}

/// The id and the secret of `tkd_<id>_<secret>`.
fn parse(text: &str) -> Option<(KeyId, &str)> {
    let (id, secret) = text.strip_prefix("tkd_")?.split_once('_')?;
    (secret.len() == SECRET_LENGTH).then_some(())?;
    Some((KeyId::parse(id).ok()?, secret))
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn hash_of_configured(configured: &str) -> Option<[u8; 32]> {
    (!configured.is_empty()).then(|| sha256(configured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_form_and_its_prefix_is_frozen() {
        let secret = random_secret().expect("random bytes");
        assert_eq!(secret.len(), SECRET_LENGTH);
        assert!(secret.bytes().all(|byte| SECRET_ALPHABET.contains(&byte)));
        assert_ne!(secret, random_secret().expect("random bytes"));
        let text = format!("tkd_a81f03c20009_{secret}");
        let id = KeyId::parse("a81f03c20009").expect("an id");
        assert_eq!(parse(&text), Some((id, secret.as_str())));
        for wrong in [&text[1..], &text[..text.len() - 1], "tkd_", "tkd__", "", "TKD_a_b"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_is_no_key(text in ".{0,80}") {
            let _ = parse(&text);
        }
    }
}
