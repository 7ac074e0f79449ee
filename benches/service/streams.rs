//! Many readers of one stream: how long until the last of them has a price.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::Connection;
use super::service::{self, Service};

const N_PRICES: usize = 50;

pub(crate) async fn measure(service: &Service, n_streams: usize) {
    let (seen, mut sightings) = mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    for _ in 0..n_streams {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let ask = service::get("/v1/stream?symbols=LIVE&types=price");
        stream.write_all(&ask).await.expect("sent");
        let mut head = [0; 4 * 1024];
        let n_read = stream.read(&mut head).await.expect("read");
        assert!(head[..n_read].starts_with(b"HTTP/1.1 200"), "a stream was refused");
        let seen = seen.clone();
        readers.spawn(async move {
            let mut received = vec![0; 16 * 1024];
            loop {
                let n_read = stream.read(&mut received).await.expect("read");
                let now = Instant::now();
                let text = String::from_utf8_lossy(&received[..n_read]);
                for _ in text.matches("\"symbol\":\"LIVE\"") {
                    let _ = seen.send(now);
                }
            }
        });
    }
    let mut connection = Connection::open(service.address).await;
    let (mut each, mut last) = (Vec::new(), Vec::new());
    for number in 0..N_PRICES {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let sent = Instant::now();
        let price = format!(r#"{{"symbol":"LIVE","price":{}}}"#, 100 + number);
        connection.call(&service::post_price(&price)).await;
        let mut times = Vec::with_capacity(n_streams);
        while times.len() < n_streams {
            let wait = tokio::time::timeout(Duration::from_secs(30), sightings.recv());
            let seen = wait.await.expect("every stream brings every price").expect("they read");
            times.push(seen.duration_since(sent).as_secs_f64() * 1e3);
        }
        last.push(times.iter().copied().fold(0.0, f64::max));
        each.append(&mut times);
    }
    println!("| memory with {n_streams} streams open | {:.1} MiB |", service.resident_mib());
    each.sort_by(f64::total_cmp);
    last.sort_by(f64::total_cmp);
    let at = |times: &[f64], share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "| {n_streams} streams, from sending a price to having it | p50 {:.1} ms, p99 {:.1} ms |",
        at(&each, 0.5),
        at(&each, 0.99)
    );
    println!("| until the last of them has it | p50 {:.1} ms |", at(&last, 0.5));
    readers.shutdown().await;
}
