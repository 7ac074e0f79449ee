//! Refused accesses in the trail: as many as a person wants to read, and a count of the rest, so
//! that knocking at the door does not fill the disk.

use crate::model::{Actor, AuditDraft, Timestamp};

/// Entries a minute.
const PER_MINUTE: u32 = 10;
const MINUTE_MICROS: i64 = 60_000_000;

/// Decides which refusals become entries.
#[derive(Debug, Default)]
pub struct Refusals {
    minute: i64,
    n_entries: u32,
    /// Refused since the last entry was made, and in no entry.
    n_left_out: u64,
}

impl Refusals {
    /// The entries to make now: none, the one given, or that behind one which counts those left
    /// out before.
    pub fn admit(&mut self, draft: AuditDraft, now: Timestamp) -> Vec<AuditDraft> {
        let minute = now.as_micros().div_euclid(MINUTE_MICROS);
        let mut drafts = Vec::new();
        if minute != self.minute {
            *self = Self { minute, n_entries: 0, n_left_out: self.n_left_out };
            if self.n_left_out > 0 {
                let target = format!("{} more requests", self.n_left_out);
                let action = "access.refused";
                let counted = AuditDraft::without_request(now, Actor::Anonymous, action, &target);
                drafts.push(AuditDraft { outcome: "refused".into(), ..counted });
                self.n_left_out = 0;
            }
        }
        if self.n_entries < PER_MINUTE {
            self.n_entries += 1;
            drafts.push(draft);
        } else {
            self.n_left_out += 1;
        }
        drafts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thousand_refusals_make_ten_entries_and_one_count() {
        let start = Timestamp::parse("2024-06-01T12:00:00Z").expect("a time");
        let draft = |target: &str| {
            AuditDraft::without_request(start, Actor::Anonymous, "access.refused", target)
        };
        let mut refusals = Refusals::default();
        let n_entries: usize =
            (0..1_000).map(|_| refusals.admit(draft("GET /prices"), start).len()).sum();
        assert_eq!(n_entries, 10);
        let later = refusals.admit(draft("GET /prices"), start.plus(Duration::from_secs(60)));
        let targets: Vec<&str> = later.iter().map(|draft| draft.target.as_str()).collect();
        assert_eq!(targets, ["990 more requests", "GET /prices"]);
    }
}
