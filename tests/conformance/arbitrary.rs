//! Hostile bytes for everything that reads bytes from outside or from the disk: whatever comes is
//! an answer or a typed error, never a panic.
//!
//! Each target starts from bytes that are right and damages them, because bytes that are random
//! from the start are refused at the first one. `TICKERD_FUZZ_CASES=1000000 cargo test --release
//! --test conformance arbitrary` tries so many for each target; the inputs are the same in every
//! run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tickerd::codec;
use tickerd::codec::block::{AverageBlock, PriceBlock};
use tickerd::codec::journal::{Run, RunKind};
use tickerd::codec::record::PriceRow;
use tickerd::http::cursor::{Cursors, PricePlace};
use tickerd::model::{
    Actor, Amount, AssetClass, AuditDraft, AuditHead, EventKind, ExternalId, JobId, KeyId, Mean,
    Order, Position, Price, PriceId, ProviderName, SnapshotRecord, Symbol, Timestamp,
};
use tickerd::services::rows::{Columns, RowFormat, RowReader};

use crate::build::{observed, second, symbol, window};

/// How many inputs each target gets.
pub(crate) fn n_cases() -> u64 {
    let given = std::env::var("TICKERD_FUZZ_CASES").ok();
    given.map_or(500, |text| text.parse().expect("TICKERD_FUZZ_CASES is a count"))
}

/// Damages what is right; the same damage in every run (`SplitMix64`).
pub(crate) struct Damage(u64);

impl Damage {
    pub(crate) fn seeded(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64).max(1)).expect("it is below a usize")
    }

    /// One of these, with one to eight damages.
    pub(crate) fn damaged(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        const TELLING: &[&[u8]] = &[
            b"\"", b"{", b"[", b"}", b",", b"-", b"e9", b".", b"\n", b"\0", b"\xff", b"null",
            b"1e999",
        ];
        let mut bytes = samples[self.below(samples.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.next() as u8,
                2 => bytes.truncate(at),
                3 => {
                    let piece = TELLING[self.below(TELLING.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                4 => {
                    let end = (at + self.below(32)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let end = (at + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
        bytes
    }
}

/// Feeds damaged samples to a reader, and names the bytes that made it panic.
pub(crate) fn feed(name: &str, samples: &[Vec<u8>], n_cases: u64, mut read: impl FnMut(&[u8])) {
    let mut damage = Damage::seeded(name);
    for number in 0..n_cases {
        let bytes = damage.damaged(samples);
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
        let shown = bytes.escape_ascii();
        assert!(outcome.is_ok(), "{name} panicked at input {number}: {shown}");
    }
}

fn samples(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn arbitrary_texts_are_values_or_refused() {
    let texts = [
        "AAPL",
        "BRK.B",
        "btc-usd",
        "EUR/USD",
        "^GSPC",
        "0.00000000000000000001",
        "1e5",
        "-0",
        "999999999999999.99999999999999999999",
        "2024-06-01T12:00:00.123456Z",
        "2024-12-31",
        "2016-12-31T23:59:60+14:00",
        "yahoo",
        "#2",
        "poll_7",
        "a81f03c20009",
        "5:00",
    ];
    feed("values", &samples(&texts), n_cases(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(symbol) = Symbol::parse(&text) {
            assert_eq!(Symbol::parse(symbol.as_str()), Ok(symbol.clone()));
        }
        if let Ok(amount) = Amount::parse(&text) {
            assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
        }
        if let Ok(instant) = Timestamp::parse(&text) {
            assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
        }
        let _ = (ProviderName::parse(&text), ExternalId::parse(&text), JobId::parse(&text));
        let _ = (KeyId::parse(&text), AuditHead::parse(&text));
    });
}

#[test]
fn arbitrary_cursors_are_refused() {
    let cursors = Cursors::new(&[7; 32]);
    let after = Position { observed_at: second(0), id: PriceId::new(7).expect("an id") };
    let right = [Order::NewestFirst, Order::OldestFirst]
        .map(|order| PricePlace { order, after }.seal(&cursors));
    let samples: Vec<_> = right.iter().map(|text| text.clone().into_bytes()).collect();
    feed("cursor", &samples, n_cases(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let opened = PricePlace::open(&cursors, &text);
        assert_eq!(opened.is_ok(), right.iter().any(|right| *right == text), "{text}");
    });
}

#[test]
fn arbitrary_files_are_rows_or_say_why_not() {
    for (name, format, text) in [
        (
            "csv",
            RowFormat::Csv,
            "symbol,price,timestamp\nAAPL,1.5,2024-06-01\n\"B,C\",2,\"x\"\"y\"\n",
        ),
        ("ndjson", RowFormat::Ndjson, "{\"symbol\":\"AAPL\",\"price\":1.5}\n{\"symbol\":\"B\"}\n"),
        (
            "json",
            RowFormat::JsonArray,
            r#"[{"symbol":"AAPL","price":1.5,"raw_data":{"a":[1]}},{}]"#,
        ),
    ] {
        feed(name, &samples(&[text]), n_cases(), |bytes| {
            let mut rows = Vec::new();
            let mut reader = RowReader::new(format, Columns::default());
            let half = bytes.len() / 2;
            let fed = reader.feed(&bytes[..half], &mut rows);
            if fed.and_then(|()| reader.feed(&bytes[half..], &mut rows)).is_ok() {
                let _ = reader.finish(&mut rows);
            }
        });
    }
}

#[test]
fn arbitrary_events_are_decoded_or_refused() {
    let event = r#"{"message_id":"018fd3c4-5e00-7000-8000-000000000001","type":"price.recorded",
        "schema_version":1,"price_id":7,"version":1,"symbol":"AAPL","price":1.5,"currency":"USD","volume":null,
        "timestamp":"2024-06-01T12:00:00Z","received_at":"2024-06-01T12:00:01Z","source":"yahoo",
        "raw_response_id":null,"sequence":9}"#;
    codec::event::decode(event.as_bytes()).expect("the sample is right");
    feed("event", &samples(&[event]), n_cases(), |bytes| {
        let _ = codec::event::decode(bytes);
    });
}

fn row(secs: u64) -> PriceRow {
    let id = PriceId::new(secs << 20 | 7).expect("an id");
    let observation = observed("AAPL", secs, "189.25");
    PriceRow { price: Price { id, version: 1, observation }, deleted: false, has_raw: false }
}

#[test]
fn arbitrary_stored_bytes_are_records_or_typed_errors() {
    let rows: Vec<PriceRow> = (0..40).map(row).collect();
    let mut run = Run::new(RunKind::Prices);
    rows.iter().for_each(|row| run.push_price(EventKind::Recorded, row));
    let averages = (0..40).map(|secs| {
        let price = row(secs).price;
        (price.position(), Mean::from_stored(price.observation.price.decimal()))
    });
    let averages: Vec<_> = averages.collect();
    let draft = AuditDraft::without_request(second(0), Actor::System, "a.b", "c");
    let entries = codec::audit::seal_all(AuditHead::default(), vec![draft.clone(), draft]);
    let line = SnapshotRecord::Audit(entries[0].clone());
    let right = vec![
        codec::record::encode_row(&rows[0]),
        codec::cached::encode(&rows[0].price),
        run.encode(),
        PriceBlock::encode(rows.iter()),
        AverageBlock::encode(window(5), &averages),
        codec::audit::encode_block(&entries),
        codec::snapshot::encode(&codec::snapshot::Line::Record(line)),
    ];
    assert!(PriceBlock::decode(&right[3]).is_ok() && AverageBlock::decode(&right[4]).is_ok());
    let (symbol, provider) = (symbol("AAPL"), ProviderName::manual());
    let at = rows[0].price.position();
    feed("stored", &right, n_cases(), |bytes| {
        let _ = codec::record::decode_price(symbol.clone(), at, bytes);
        let _ = codec::record::decode_mean(bytes);
        let _ = codec::record::decode_log(bytes);
        let _ = codec::record::decode_raw(bytes);
        let _ = codec::record::decode_dead_letter(1, bytes);
        let _ = codec::cached::decode(symbol.clone(), bytes);
        let _ = codec::journal::header(bytes);
        let _ = codec::journal::decode(bytes);
        let _ = codec::block::len(bytes);
        if let Ok(block) = PriceBlock::decode(bytes) {
            for index in 0..block.len().min(64) {
                let _ = block.row(&symbol, index);
            }
        }
        if let Ok(block) = AverageBlock::decode(bytes) {
            for index in 0..block.len().min(64) {
                let _ = (block.position(index), block.mean(window(5), index));
            }
        }
        let _ = codec::audit::decode_block(1, bytes);
        let _ = codec::snapshot::decode(bytes);
        let _ = codec::access::decode(KeyId::from_bytes([0; 6]), bytes);
        let _ = codec::job::decode(JobId(1), bytes);
        let _ = codec::ledger::decode_receipt(symbol.clone(), bytes);
        let _ = codec::ledger::decode_ledger(provider.clone(), bytes);
        let _ = codec::ledger::decode_assets(AssetClass::Stock, provider.clone(), bytes);
    });
}
