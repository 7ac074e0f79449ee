//! Streams of several API processes: each shows everything, whichever process took it in or
//! computed it.

use std::time::Duration;

use crate::installation::{Installation, Process};

/// Place and content of each message, in the order in which they came.
type Seen = Vec<(u64, String)>;

struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(installation: &Installation, process: &Process, since: Option<u64>) -> Self {
        let url = format!("{}/v1/stream?types=price,average", process.base);
        let mut request = installation.http.get(url);
        if let Some(since) = since {
            request = request.header("last-event-id", since);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    async fn read(mut self, n_messages: usize) -> Seen {
        let mut seen = Seen::new();
        while seen.len() < n_messages {
            let chunk = tokio::time::timeout(Duration::from_secs(120), self.response.chunk()).await;
            let chunk = chunk.expect("something in time").expect("a sound stream");
            self.text += std::str::from_utf8(&chunk.expect("no end")).expect("UTF-8");
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(id), Some(data)) = (line("id: "), line("data: ")) {
                    seen.push((id.parse().expect("a sequence"), data.to_owned()));
                }
            }
        }
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_api_process_streams_everything_whoever_computed_it() {
    const N_PRICES: u64 = 20;
    const SYMBOLS: [&str; 2] = ["AAPL", "BTC-USD"];
    let Some(installation) = Installation::new() else { return };
    let apis = [installation.start("api").await, installation.start("api").await];
    let worker = installation.start("relay,averager").await;
    let _heir = installation.start("relay,averager").await;
    // Every price, and its average once there are five of a symbol.
    let n_messages = SYMBOLS.len() * (2 * N_PRICES as usize - 4);
    let streams = [
        Stream::open(&installation, &apis[0], None).await,
        Stream::open(&installation, &apis[1], None).await,
    ];
    let [one, other] = streams.map(|stream| stream.read(n_messages));
    let mut worker = Some(worker);
    let write = async {
        for n in 1..=N_PRICES {
            // Each process takes in one of the two, at the same time.
            tokio::join!(
                installation.post_price(&apis[0], SYMBOLS[n as usize % 2], n, n),
                installation.post_price(&apis[1], SYMBOLS[(n as usize + 1) % 2], n, n),
            );
            if n == N_PRICES / 2 {
                // The second half is averaged by another process than the first.
                worker.take().expect("killed once").kill().await;
            }
        }
    };
    let (one, other, ()) = tokio::join!(one, other, write);
    assert_eq!(one, other, "both processes stream the same");
    assert!(one.is_sorted_by(|a, b| a.0 < b.0), "in order and each once: {one:?}");
    let n_averages = one.iter().filter(|(_, data)| data.contains("moving_average")).count();
    assert_eq!(n_averages, SYMBOLS.len() * (N_PRICES as usize - 4), "{one:?}");

    // A client that moves from one process to the other misses nothing and sees nothing twice.
    let (seen, rest) = one.split_at(one.len() / 3);
    let since = seen.last().map(|(id, _)| *id);
    let moved = Stream::open(&installation, &apis[1], since).await.read(rest.len()).await;
    assert_eq!(moved, rest);
}
