//! Follows the stream of changes over all restarts, resuming where it was, and holds what came
//! against what was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::author::{Journal, Told};

const PAUSE: Duration = Duration::from_millis(5);

/// What came over the stream.
#[derive(Debug, Default)]
pub struct Heard {
    last_id: Option<u64>,
    /// The versions of each price in the order they came.
    versions: BTreeMap<u64, Vec<Told>>,
    pub n_versions: usize,
    pub n_messages: u64,
    pub n_connections: u64,
    /// Messages whose id was not greater than the one before.
    pub n_repeated: u64,
    /// Times the service could not continue where the listener was.
    pub n_resets: u64,
}

/// A stream held against a journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamFindings {
    /// Acknowledged versions that never came.
    pub n_missed: u64,
    /// Versions that came and were never acknowledged, or came twice.
    pub n_repeated: u64,
    /// Versions that came with another value or out of order.
    pub n_wrong: u64,
}

impl StreamFindings {
    pub fn is_clean(&self) -> bool {
        self.n_missed + self.n_repeated + self.n_wrong == 0
    }
}

impl Heard {
    pub fn compare(&self, journal: &Journal) -> StreamFindings {
        let mut findings = StreamFindings { n_repeated: self.n_repeated, ..Default::default() };
        for known in journal.values() {
            let heard = self.versions.get(&known.id).map_or(&[][..], Vec::as_slice);
            let (n_told, n_heard) = (known.versions.len(), heard.len());
            findings.n_missed += n_told.saturating_sub(n_heard) as u64;
            findings.n_repeated += n_heard.saturating_sub(n_told) as u64;
            let in_both = known.versions.iter().zip(heard);
            findings.n_wrong += in_both.filter(|(told, heard)| told != heard).count() as u64;
        }
        findings
    }

    fn take(&mut self, event: &str) -> Option<()> {
        let field =
            |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let kind = field("event")?;
        let id: u64 = field("id")?.parse().ok()?;
        self.n_messages += 1;
        if kind == "reset" {
            self.n_resets += 1;
            self.last_id = Some(id);
            return Some(());
        }
        if self.last_id.is_some_and(|last_id| id <= last_id) {
            self.n_repeated += 1;
            return Some(());
        }
        self.last_id = Some(id);
        if kind == "price" {
            let data: Value = serde_json::from_str(field("data")?).ok()?;
            let price: Decimal = data["price"].to_string().parse().ok()?;
            let deleted = data["kind"] == "price.deleted";
            let told = Told { price: price.normalize(), deleted };
            self.versions.entry(data["price_id"].as_u64()?).or_default().push(told);
            self.n_versions += 1;
        }
        Some(())
    }
}

/// Listens until `stop`, and tells `progress` what was heard after each event.
///
/// # Errors
/// When the machine offers no client.
pub async fn listen(
    base: watch::Receiver<String>,
    heard: &mut Heard,
    stop: &CancellationToken,
    mut progress: impl FnMut(&Heard),
) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    while !stop.is_cancelled() {
        let url = format!("{}/v1/stream?types=price", base.borrow().clone());
        let since = heard.last_id.unwrap_or(0);
        let request = http.get(url).header("Last-Event-ID", since.to_string());
        if let Ok(response) = request.send().await
            && response.status().is_success()
        {
            heard.n_connections += 1;
            tokio::select! {
                () = read(response, heard, &mut progress) => {}
                () = stop.cancelled() => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Reads events until the stream ends.
async fn read(
    mut response: reqwest::Response,
    heard: &mut Heard,
    progress: &mut impl FnMut(&Heard),
) {
    let mut text = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        text.extend_from_slice(&bytes);
        // Only whole events count: what was cut off comes again.
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            if event.starts_with("event: end") {
                return;
            }
            heard.take(&event);
        }
        progress(heard);
    }
}

#[cfg(test)]
mod tests {
    use super::super::author::{Acknowledged, Key};
    use super::*;
    use crate::model::Timestamp;

    fn price(id: u64, price: &str, kind: &str) -> String {
        let data = format!(r#"{{"price_id":7,"price":{price},"kind":"price.{kind}"}}"#);
        format!("event: price\nid: {id}\ndata: {data}\n\n")
    }

    #[test]
    fn gaps_repetitions_and_other_values_are_told_apart() {
        let told = |price: &str, deleted| Told { price: price.parse().expect("a price"), deleted };
        let key = Key {
            symbol: "A".into(),
            observed_at: Timestamp::from_secs(1).expect("a time"),
            external_id: "x".into(),
        };
        let versions = vec![told("1.5", false), told("2", false), told("2", true)];
        let journal = Journal::from([(key, Acknowledged { id: 7, versions })]);
        let findings = |events: &[String]| {
            let mut heard = Heard::default();
            for event in events {
                heard.take(event);
            }
            let found = heard.compare(&journal);
            (found.n_missed, found.n_repeated, found.n_wrong)
        };
        let whole =
            [price(1, "1.50", "recorded"), price(2, "2", "corrected"), price(5, "2", "deleted")];
        assert_eq!(findings(&whole), (0, 0, 0));
        assert_eq!(findings(&whole[..2]), (1, 0, 0));
        assert_eq!(findings(&[&whole[..], &whole[2..]].concat()), (0, 1, 0));
        let again = price(6, "2", "deleted");
        assert_eq!(findings(&[&whole[..], &[again]].concat()), (0, 1, 0));
        let other = [whole[0].clone(), price(2, "3", "corrected"), whole[2].clone()];
        assert_eq!(findings(&other), (0, 0, 1));
    }
}
