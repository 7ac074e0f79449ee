//! The whole service beside what one would use instead, over real connections, in one run:
//!
//!     cargo bench --bench service [-- PRICES [ROUNDS]]
//!     TICKERD_SERVICES_FSYNC=on scripts/services run postgres -- cargo bench --bench service
//!
//! The service is the release binary with every door on: a key, limits, metrics, the host check.
//! Beside it stand a bare hyper server that answers a body of the same size, and, where there is a
//! URL of one, PostgreSQL with a table and an index. All of them and the clients share this machine.
//! What is compared is measured in turn, round after round, so that a machine that gets slower is
//! slower for all; the table has the median of the rounds with the least and the most.

mod bare;
mod client;
mod plain;
mod service;
mod streams;
mod table;

use std::time::{Duration, Instant};

use plain::Plain;
use service::Service;
use table::Table;

// As in the binary, for the bare server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// When nobody says otherwise.
const ROUNDS: usize = 5;
const FOR: Duration = Duration::from_secs(2);
/// What a start needed and freed goes back to the system little by little.
const IDLE: Duration = Duration::from_secs(30);
const CONNECTIONS: [usize; 3] = [1, 32, 256];
const N_SYMBOLS: u64 = 50;
const N_STREAMS: usize = 1_000;
/// Rows of one imported batch.
const N_AT_ONCE: u64 = 50_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == bare::ARGUMENT) {
        let body = arguments.get(1).cloned().unwrap_or_default();
        runtime.block_on(bare::serve(body));
        return;
    }
    let numbers: Vec<u64> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    let n_prices = numbers.first().copied().unwrap_or(1_000_000);
    let n_rounds = numbers.get(1).map_or(ROUNDS, |rounds| *rounds as usize);
    runtime.block_on(measure(n_prices, n_rounds));
}

async fn measure(n_prices: u64, n_rounds: usize) {
    let plain = Plain::offered().await;
    let mut service = Service::start().await;
    let mut table = Table::default();
    println!("{n_prices} prices, {n_rounds} rounds of {} s", FOR.as_secs());
    println!("load average before: {}", service::load_average());
    println!("| memory when started | {:.1} MiB |", service.resident_mib());
    tokio::time::sleep(IDLE).await;
    println!("| memory when idle | {:.1} MiB |", service.resident_mib());
    cold_starts(n_rounds).await;

    import(&service, plain.as_ref(), n_prices, &mut table).await;
    hot_reads(&service, n_rounds, &mut table).await;
    writes(&service, plain.as_ref(), n_rounds, &mut table).await;
    questions(&service, plain.as_ref(), n_rounds, &mut table).await;
    table.print();

    println!("| memory after all this | {:.1} MiB |", service.resident_mib());
    streams::measure(&service, N_STREAMS).await;
    println!("| memory after {N_STREAMS} streams | {:.1} MiB |", service.resident_mib());
    service.kill();
    let started = Instant::now();
    service.start_again().await;
    println!(
        "| ready after kill -9, {n_prices} prices and the writes | {:.0} ms |",
        started.elapsed().as_secs_f64() * 1e3
    );
    service.stop();
    let told = service.compact();
    let a_price = |bytes: &str| {
        told[bytes].as_f64().unwrap_or_default() / told["prices"].as_f64().unwrap_or(1.0)
    };
    println!(
        "| bytes a price, averages and log included | {:.1}, {:.1} after `compact`, of {} prices |",
        a_price("bytes_before"),
        a_price("bytes_after"),
        told["prices"]
    );
    println!("load average after: {}", service::load_average());
    if let Some(plain) = plain {
        plain.clean().await;
    }
}

/// From nothing at all to the first `/ready`, with a directory of its own each time.
async fn cold_starts(n_rounds: usize) {
    let mut millis = Vec::new();
    for _ in 0..n_rounds {
        let started = Instant::now();
        let mut service = Service::start().await;
        millis.push(started.elapsed().as_secs_f64() * 1e3);
        service.stop();
    }
    println!("| cold start to ready | {} ms |", table::spread(&millis));
}

async fn import(service: &Service, plain: Option<&Plain>, n_prices: u64, table: &mut Table) {
    let mut next = 0;
    while next < n_prices {
        let until = (next + N_AT_ONCE).min(n_prices);
        let rows: String = (next..until).map(|n| row(n) + "\n").collect();
        let started = Instant::now();
        service.post("/prices/batch", "application/x-ndjson", rows.as_bytes()).await;
        let rate = (until - next) as f64 / started.elapsed().as_secs_f64();
        table.add("import, rows/s", "tickerd", rate);
        if let Some(plain) = plain {
            let rate = plain.copy(next..until).await;
            table.add("import, rows/s", "PostgreSQL COPY", rate);
        }
        next = until;
    }
}

async fn hot_reads(service: &Service, n_rounds: usize, table: &mut Table) {
    let newest = r#"{"symbol":"HOT","price":189.84}"#;
    service.post("/prices", "application/json", newest.as_bytes()).await;
    let hot = service::get("/prices/latest?symbol=HOT");
    let body = client::body(service.address, &hot).await;
    let bare = bare::Bare::start(&body).await;
    for _ in 0..n_rounds {
        for n_connections in CONNECTIONS {
            let what = format!("GET latest, {n_connections} connections");
            let again = hot.clone();
            let load = client::drive(service.address, n_connections, FOR, move |_| again.clone());
            table.add_load(&what, "tickerd", &load.await);
            let again = hot.clone();
            let load = client::drive(bare.address, n_connections, FOR, move |_| again.clone());
            table.add_load(&what, "bare hyper", &load.await);
        }
    }
}

async fn writes(service: &Service, plain: Option<&Plain>, n_rounds: usize, table: &mut Table) {
    let hot = service::get("/prices/latest?symbol=HOT");
    for _ in 0..n_rounds {
        for n_connections in CONNECTIONS {
            let what = format!("POST /prices, {n_connections} connections");
            let load = client::drive(service.address, n_connections, FOR, service::write);
            table.add_load(&what, "tickerd", &load.await);
            let again = hot.clone();
            let load = client::drive(service.address, n_connections, FOR, move |_| again.clone());
            table.add_load(&what, "its GET latest", &load.await);
            if let Some(plain) = plain {
                table.add_load(
                    &what,
                    "PostgreSQL INSERT",
                    &plain.inserts(n_connections, FOR).await,
                );
            }
        }
    }
}

/// What a reader may ask, the path of it for a symbol, and how one would ask PostgreSQL.
type Question = (&'static str, fn(u64) -> String, &'static str);

const QUESTIONS: [Question; 3] = [
    (
        "1,000-point range",
        |symbol| format!("/prices?symbol=S{symbol}&limit=1000"),
        "select id, symbol, provider, observed_at, received_at, price from plain \
         where symbol = $1 order by observed_at desc limit 1000",
    ),
    (
        "average of 5, kept",
        |symbol| format!("/prices/S{symbol}/moving-average?window=5"),
        "select avg(price), max(observed_at) from (select price, observed_at from plain \
         where symbol = $1 order by observed_at desc limit 5) last",
    ),
    (
        "average of 200, computed",
        |symbol| format!("/prices/S{symbol}/moving-average?window=200"),
        "select avg(price), max(observed_at) from (select price, observed_at from plain \
         where symbol = $1 order by observed_at desc limit 200) last",
    ),
];

async fn questions(service: &Service, plain: Option<&Plain>, n_rounds: usize, table: &mut Table) {
    for _ in 0..n_rounds {
        for n_connections in [1, 32] {
            for (name, path, sql) in QUESTIONS {
                let what = format!("{name}, {n_connections} connections");
                let ask = move |n| service::get(&path(n % N_SYMBOLS));
                let load = client::drive(service.address, n_connections, FOR, ask);
                table.add_load(&what, "tickerd", &load.await);
                if let Some(plain) = plain {
                    let load = plain.ask(sql, n_connections, FOR).await;
                    table.add_load(&what, "PostgreSQL", &load);
                }
            }
        }
    }
}

/// A price that walks like one, each of a symbol half a second after the one before.
fn walk(n: u64) -> (String, String, i64) {
    let step = n / N_SYMBOLS;
    let mix = (n ^ 0x9E37_79B9).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let wave = (step as f64 / 700.0).sin() * 3_000.0 + (step as f64 / 31.0).sin() * 60.0;
    let cents = 6_000_000 + wave as i64 + (mix % 40) as i64;
    let micros = 1_600_000_000_000_000 + step as i64 * 500_000 + (mix % 400) as i64 * 1_000;
    (format!("S{}", n % N_SYMBOLS), format!("{}.{:02}", cents / 100, cents % 100), micros)
}

fn row(n: u64) -> String {
    let (symbol, price, micros) = walk(n);
    let at = tickerd::model::Timestamp::from_micros(micros).expect("a time");
    format!(r#"{{"symbol":"{symbol}","price":{price},"timestamp":"{at}"}}"#)
}
