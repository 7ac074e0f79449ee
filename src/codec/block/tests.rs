use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::codec::record::PriceRow;
use crate::model::{
    Amount, Currency, ExternalId, Mean, Observation, Price, ProviderName, RollingMean, Symbol,
    TimeSource, Window,
};

fn symbol() -> Symbol {
    Symbol::parse("BTC-USD").expect("a symbol")
}

fn amounts() -> impl Strategy<Value = Amount> {
    let tick = (0_i128..100_000_000, Just(2_u32));
    let any = (0_i128..10_i128.pow(28), 0_u32..=20);
    prop_oneof![8 => tick, 1 => any].prop_filter_map("out of bounds", |(mantissa, scale)| {
        Amount::try_from(Decimal::try_from_i128_with_scale(mantissa, scale).ok()?).ok()
    })
}

fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1_700_000_000_000_000_i64..1_700_000_900_000_000,
        1 => -62_135_596_800_000_000_i64..=253_402_300_799_999_999,
    ]
}

fn ids() -> impl Strategy<Value = u64> {
    prop_oneof![4 => (1_u64..1 << 33).prop_map(|counter| counter << 20 | 7), 1 => 0_u64..1 << 53]
}

fn external_ids() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        3 => Just(None),
        3 => any::<u64>().prop_map(|n| Some(format!("#{n}"))),
        1 => "[!-~]{1,12}".prop_map(Some),
        1 => "t0{0,2}[0-9]{1,3}".prop_map(Some),
    ]
}

prop_compose! {
    fn any_row()(
        id in ids(),
        observed_at in micros(),
        received_at in micros(),
        price in amounts(),
        volume in proptest::option::of(amounts()),
        external_id in external_ids(),
        provider in prop_oneof![Just("manual"), Just("kraken")],
        currency in prop_oneof![Just("USD"), Just("USDT")],
        version in prop_oneof![4 => Just(1_u32), 1 => any::<u32>()],
        deleted: bool,
        has_raw: bool,
        source in 0..3,
    ) -> PriceRow {
        let observation = Observation {
            symbol: symbol(),
            provider: ProviderName::parse(provider).expect("a name"),
            observed_at: Timestamp::from_micros(observed_at).expect("a time"),
            external_id: external_id.map(|text| ExternalId::parse(&text).expect("an id")),
            price,
            volume,
            currency: Currency::parse(currency).expect("a currency"),
            received_at: Timestamp::from_micros(received_at).expect("a time"),
            time_source: match source {
                0 => TimeSource::Provider,
                1 => TimeSource::DateOnly,
                _ => TimeSource::Received,
            },
            raw: None,
        };
        let id = PriceId::new(id).expect("an id");
        PriceRow { price: Price { id, version, observation }, deleted, has_raw }
    }
}

fn assert_round_trip(mut rows: Vec<PriceRow>) {
    rows.sort_by_key(|row| row.price.position());
    let bytes = PriceBlock::encode(rows.iter());
    assert_eq!(len(&bytes), Ok(rows.len()));
    let block = PriceBlock::decode(&bytes).expect("a block");
    assert_eq!(block.len(), rows.len());
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(block.position(index), Ok(row.price.position()));
        assert_eq!(block.row(&symbol(), index).as_ref(), Ok(row));
        let found = block.index_of(row.price.id).expect("known");
        assert_eq!(rows[found].price.id, row.price.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_prices_come_back_as_they_were(rows in proptest::collection::vec(any_row(), 1..80)) {
        assert_round_trip(rows);
    }

    #[test]
    fn prices_that_are_alike_but_for_one_come_back_too(
        row in any_row(), odd in any_row(), n_rows in 1_usize..600, at in any::<prop::sample::Index>(),
    ) {
        let mut rows = vec![row; n_rows];
        rows[at.index(n_rows)] = odd;
        assert_round_trip(rows);
    }

    #[test]
    fn means_come_back_to_the_last_digit(
        prices in proptest::collection::vec(amounts(), 1..60),
        window in 1_u64..=7,
        others in proptest::collection::vec((0_i128..1 << 96, 0_u32..=28), 0..3),
    ) {
        let window = Window::new(window).expect("a window");
        let mut rolling = RollingMean::new(window);
        let others = others.into_iter().map(|(mantissa, scale)| {
            Mean::from_stored(Decimal::from_i128_with_scale(mantissa, scale))
        });
        let averages: Vec<(Position, Mean)> = prices
            .into_iter()
            .filter_map(|price| rolling.push(price))
            .chain(others)
            .enumerate()
            .map(|(n, mean)| {
                let observed_at = Timestamp::from_secs(n as i64).expect("a time");
                (Position { observed_at, id: PriceId::MIN }, mean)
            })
            .collect();
        // A block is never empty.
        prop_assume!(!averages.is_empty());
        let block = AverageBlock::decode(&AverageBlock::encode(window, &averages));
        let block = block.expect("a block");
        let decoded: Vec<(Position, Mean)> = (0..block.len())
            .map(|index| (block.position(index).expect("a position"), block.mean(window, index)))
            .collect();
        prop_assert_eq!(decoded, averages);
    }

    #[test]
    fn bytes_that_are_no_block_are_an_error_and_never_a_panic(bytes: Vec<u8>) {
        let _ = len(&bytes);
        if let Ok(block) = PriceBlock::decode(&bytes) {
            let _ = block.row(&symbol(), 0);
        }
        let _ = AverageBlock::decode(&bytes);
    }
}

#[test]
fn a_block_of_ticks_takes_few_bytes_a_price() {
    let rows: Vec<PriceRow> = (0..512_u64)
        .map(|n| {
            let mix = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let received_at = Timestamp::from_secs(1_800_000_000).expect("a time");
            let observed_at = 1_700_000_000_000 + n as i64 * 500 + (mix % 300) as i64;
            let cents = Decimal::new(6_000_000 + (n * 3 + mix % 50) as i64, 2);
            let observation = Observation {
                symbol: symbol(),
                provider: ProviderName::manual(),
                observed_at: Timestamp::from_millis(observed_at).expect("a time"),
                external_id: None,
                price: Amount::try_from(cents).expect("an amount"),
                volume: None,
                currency: Currency::USD,
                received_at,
                time_source: TimeSource::Provider,
                raw: None,
            };
            let id = PriceId::new((n + 1) << ID_LOW_BITS).expect("an id");
            PriceRow {
                price: Price { id, version: 1, observation },
                deleted: false,
                has_raw: false,
            }
        })
        .collect();
    let n_bytes = PriceBlock::encode(rows.iter()).len();
    assert!(n_bytes < 512 * 3, "{n_bytes} bytes for 512 prices");
}
