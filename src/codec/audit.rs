//! The trail's bytes: what an entry's hash is taken over, and entries as they are stored.

use sha2::{Digest, Sha256};

use super::DecodeError;
use super::bytes::{Reader, put_i64, put_str, put_unsigned};
use crate::model::{AuditDraft, AuditEntry, AuditHash, AuditHead, Timestamp};

/// In front of the hashed bytes, so that no other hash of ours is ever one of these.
const DOMAIN: &[u8] = b"tickerd audit 1\n";
const BLOCK_VERSION: u8 = 1;

/// The entry that follows `head`.
pub fn seal(head: AuditHead, draft: AuditDraft) -> AuditEntry {
    let sequence = head.sequence + 1;
    let hash = hash_of(head.hash, sequence, &draft);
    AuditEntry { sequence, draft, previous_hash: head.hash, hash }
}

/// Seals drafts one behind the other.
pub fn seal_all(head: AuditHead, drafts: Vec<AuditDraft>) -> Vec<AuditEntry> {
    let mut head = head;
    let seal_next = |draft| {
        let entry = seal(head, draft);
        head = head_at(&entry);
        entry
    };
    drafts.into_iter().map(seal_next).collect()
}

/// The head when `entry` is the last.
pub fn head_at(entry: &AuditEntry) -> AuditHead {
    AuditHead { sequence: entry.sequence, hash: entry.hash }
}

/// SHA-256 over the hash before, the sequence, the time and each text with its length in front.
fn hash_of(previous: AuditHash, sequence: u64, draft: &AuditDraft) -> AuditHash {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(DOMAIN);
    bytes.extend_from_slice(&previous.0);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    put_draft(&mut bytes, draft);
    AuditHash(Sha256::digest(&bytes).into())
}

fn put_draft(out: &mut Vec<u8>, draft: &AuditDraft) {
    let AuditDraft { at, actor, address, request_id, action, target, outcome } = draft;
    put_i64(out, at.as_micros());
    for text in [actor, address, request_id, action, target, outcome] {
        put_str(out, text);
    }
}

/// Encodes entries that follow each other as one value; the sequence of the first is its key.
pub fn encode_block(entries: &[AuditEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 160 + 40);
    out.push(BLOCK_VERSION);
    put_unsigned(&mut out, entries.len() as u128);
    for entry in entries {
        out.extend_from_slice(&entry.previous_hash.0);
        put_draft(&mut out, &entry.draft);
        out.extend_from_slice(&entry.hash.0);
    }
    out
}

/// # Errors
/// When the bytes are no block of a known version.
pub fn decode_block(first_sequence: u64, bytes: &[u8]) -> Result<Vec<AuditEntry>, DecodeError> {
    let mut reader = Reader(bytes);
    match reader.byte()? {
        BLOCK_VERSION => {}
        version => return Err(DecodeError::UnknownVersion(u64::from(version))),
    }
    let n_entries: u32 = reader.number()?;
    let mut entries = Vec::new();
    for index in 0..u64::from(n_entries) {
        let previous_hash = AuditHash(reader.fixed()?);
        let draft = read_draft(&mut reader)?;
        let sequence = first_sequence
            .checked_add(index)
            .ok_or_else(|| DecodeError::invalid("the sequences are used up"))?;
        let hash = AuditHash(reader.fixed()?);
        entries.push(AuditEntry { sequence, draft, previous_hash, hash });
    }
    reader.end()?;
    Ok(entries)
}

fn read_draft(reader: &mut Reader<'_>) -> Result<AuditDraft, DecodeError> {
    let at = Timestamp::from_micros(reader.i64()?).map_err(DecodeError::invalid)?;
    let mut text = || reader.str().map(str::to_owned);
    Ok(AuditDraft {
        at,
        actor: text()?,
        address: text()?,
        request_id: text()?,
        action: text()?,
        target: text()?,
        outcome: text()?,
    })
}

/// What is wrong with a trail, and from which entry on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("entry {sequence} is missing: {found} follows {before}", before = sequence - 1)]
    Missing { sequence: u64, found: u64 },
    #[error("entry {sequence} is out of order: it comes behind {before}")]
    OutOfOrder { sequence: u64, before: u64 },
    #[error("entry {sequence} does not follow the entry before it: one of them was replaced")]
    NotLinked { sequence: u64 },
    #[error("entry {sequence} was altered: its hash does not fit what it says")]
    Altered { sequence: u64 },
    #[error("the trail ends at entry {last}, and entry {sequence} was there: its end was cut off")]
    CutOff { sequence: u64, last: u64 },
    #[error("entry {sequence} is not the one that was kept: the trail was written anew")]
    Rewritten { sequence: u64 },
}

/// Walks a trail and says where it breaks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walk {
    head: AuditHead,
}

impl Walk {
    /// The last entry that was walked over.
    pub fn head(&self) -> AuditHead {
        self.head
    }

    /// Goes one entry further.
    ///
    /// # Errors
    /// [`Broken`] when the entry is not the next one.
    pub fn step(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let sequence = entry.sequence;
        if sequence <= self.head.sequence {
            return Err(Broken::OutOfOrder { sequence, before: self.head.sequence });
        }
        if sequence != self.head.sequence + 1 {
            let missing = self.head.sequence + 1;
            return Err(Broken::Missing { sequence: missing, found: sequence });
        }
        if entry.hash != hash_of(entry.previous_hash, sequence, &entry.draft) {
            return Err(Broken::Altered { sequence });
        }
        if entry.previous_hash != self.head.hash {
            return Err(Broken::NotLinked { sequence });
        }
        self.head = head_at(entry);
        Ok(())
    }

    /// Whether the trail that was walked reaches `kept`, a head that was seen before.
    ///
    /// # Errors
    /// [`Broken::CutOff`] when it ends before that; [`Broken::Rewritten`] when it ends there with
    /// another hash. A head in the middle is for [`Walk::step`]'s caller to compare.
    pub fn reaches(&self, kept: AuditHead) -> Result<(), Broken> {
        if self.head.sequence < kept.sequence {
            return Err(Broken::CutOff { sequence: kept.sequence, last: self.head.sequence });
        }
        if self.head.sequence == kept.sequence && self.head.hash != kept.hash {
            return Err(Broken::Rewritten { sequence: kept.sequence });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(n_entries: u64) -> Vec<AuditEntry> {
        let drafts = (1..=n_entries).map(|number| AuditDraft {
            at: Timestamp::from_micros(number as i64).expect("a time"),
            actor: "a81f03c20009".into(),
            address: "127.0.0.1".into(),
            request_id: format!("r{number}"),
            action: "price.create".into(),
            target: format!("prices/{number}"),
            outcome: "done".into(),
        });
        seal_all(AuditHead::default(), drafts.collect())
    }

    fn walk(entries: &[AuditEntry]) -> Result<Walk, Broken> {
        let mut walk = Walk::default();
        entries.iter().try_for_each(|entry| walk.step(entry)).map(|()| walk)
    }

    #[test]
    fn a_block_comes_back_and_its_trail_fits() {
        let entries = trail(5);
        let block = encode_block(&entries[1..4]);
        assert_eq!(decode_block(2, &block).as_deref(), Ok(&entries[1..4]));
        assert_eq!(walk(&entries).expect("whole").head(), head_at(&entries[4]));
    }

    #[test]
    fn what_was_done_to_a_trail_is_named_with_its_entry() {
        let whole = trail(9);
        let mut removed = whole.clone();
        removed.remove(4);
        assert_eq!(walk(&removed).err(), Some(Broken::Missing { sequence: 5, found: 6 }));
        let mut swapped = whole.clone();
        swapped.swap(3, 4);
        assert_eq!(walk(&swapped).err(), Some(Broken::Missing { sequence: 4, found: 5 }));
        let mut renumbered = swapped;
        (renumbered[3].sequence, renumbered[4].sequence) = (4, 5);
        assert_eq!(walk(&renumbered).err(), Some(Broken::Altered { sequence: 4 }));
        let mut altered = whole.clone();
        altered[6].draft.actor = "system".into();
        assert_eq!(walk(&altered).err(), Some(Broken::Altered { sequence: 7 }));
        let mut resealed = whole.clone();
        resealed[6] = seal(head_at(&whole[5]), altered[6].draft.clone());
        assert_eq!(walk(&resealed).err(), Some(Broken::NotLinked { sequence: 8 }));
        let cut = walk(&whole[..7]).expect("fits so far");
        let head = head_at(&whole[8]);
        assert_eq!(cut.reaches(head), Err(Broken::CutOff { sequence: 9, last: 7 }));
        let mut rewritten = resealed[..7].to_vec();
        let rest = whole[7..].iter().map(|entry| entry.draft.clone()).collect();
        rewritten.extend(seal_all(head_at(&resealed[6]), rest));
        let rewritten = walk(&rewritten).expect("a whole new trail fits");
        assert_eq!(rewritten.reaches(head), Err(Broken::Rewritten { sequence: 9 }));
        assert_eq!(walk(&whole).expect("whole").reaches(head), Ok(()));
    }

    #[test]
    fn no_flipped_bit_of_a_block_goes_unseen() {
        let entries = trail(3);
        let block = encode_block(&entries);
        for index in 0..block.len() {
            let mut bytes = block.clone();
            bytes[index] ^= 1 << (index % 8);
            let seen = match decode_block(1, &bytes) {
                Err(_) => true,
                Ok(found) => {
                    found.len() != entries.len()
                        || walk(&found).map(|walk| walk.head()) != Ok(head_at(&entries[2]))
                }
            };
            assert!(seen, "byte {index}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_are_no_block(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = decode_block(1, &bytes);
        }
    }
}
