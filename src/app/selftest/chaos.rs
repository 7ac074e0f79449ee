//! Many clients write while the service is killed again and again at random moments.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::author::{Author, Journal, Random, Tally};
use super::check::{Findings, check};
use super::child::{Nursery, Running};
use super::client::Client;
use super::listener::{Heard, StreamFindings, listen};
use crate::app::backends::{Parts, open_store};
use crate::app::config::Sources;
use crate::app::run::App;
use crate::model::{Timestamp, Window};
use crate::ports::SystemClock;

/// The windows whose averages are compared.
pub const WINDOWS: [u64; 3] = [1, 5, 20];
/// Symbols that all clients write.
const N_SYMBOLS: usize = 8;
/// Between the moment the service is ready and its end.
const LIFETIME_MILLIS: std::ops::Range<u64> = 50..500;
/// How long the stream may take to bring the last change.
const STREAM_DEADLINE: Duration = Duration::from_secs(120);
/// How long a client may wait for the answer to its last step once nothing disturbs any more.
const LAST_ANSWER_DEADLINE: Duration = Duration::from_secs(300);

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `tickerd` that is run.
    pub program: PathBuf,
    pub n_kills: u32,
    /// Lets the clients write undisturbed for this long, and watches the memory of the service.
    pub soak: Option<Duration>,
    /// What lies there instead of in the service's own process and file.
    pub servers: Servers,
    pub n_clients: usize,
    pub seed: u64,
    /// Where configuration, data and log are kept; must not exist.
    pub directory: PathBuf,
}

/// Servers of the full mode. A run takes a schema, keys and topics of its own there, which stay.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    pub postgres_url: Option<String>,
    pub redis_url: Option<String>,
    pub kafka_brokers: Option<String>,
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Report {
    pub plan: Plan,
    pub elapsed: Duration,
    pub tally: Tally,
    /// From the start of the process until it was ready, after each kill, shortest first.
    pub starts: Vec<Duration>,
    /// Acknowledged before a kill and read again after it.
    pub n_read_after_kill: u64,
    pub findings: Findings,
    pub stream: StreamFindings,
    pub n_stream_messages: u64,
    pub memory: Option<Memory>,
    /// Answers that contradicted earlier ones, in words.
    pub contradictions: Vec<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.findings.is_clean()
            && self.stream.is_clean()
            && self.contradictions.is_empty()
            && self.memory.is_none_or(|memory| memory.is_flat())
    }
}

/// The memory of the service during a soak, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// After [`WARM_UP`], or a tenth of a soak that is shorter than ten of it.
    pub at_first: u64,
    pub at_last: u64,
}

impl Memory {
    /// At most a tenth more than at first.
    pub fn is_flat(&self) -> bool {
        self.at_last <= self.at_first + self.at_first / 10
    }
}

/// What a service may take to reach its size.
const WARM_UP: Duration = Duration::from_secs(60);
/// Samples of the memory; the median of ten counts, because it goes up and down.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

async fn soak(running: &Running, length: Duration) -> anyhow::Result<Memory> {
    let warm_up = WARM_UP.min(length / 10);
    tokio::time::sleep(warm_up).await;
    let at_first = median_memory(running).await?;
    tokio::time::sleep(length.saturating_sub(warm_up)).await;
    Ok(Memory { at_first, at_last: median_memory(running).await? })
}

async fn median_memory(running: &Running) -> anyhow::Result<u64> {
    let mut samples = Vec::new();
    for _ in 0..10 {
        samples.push(running.resident_bytes()?);
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
    samples.sort_unstable();
    Ok(samples[samples.len() / 2])
}

/// What the clients share.
struct Stage {
    base: watch::Receiver<String>,
    stop: CancellationToken,
    /// Counts the kills, and by that the lives of the service.
    life: Arc<AtomicU64>,
    n_read_after_kill: Arc<AtomicU64>,
    n_written: Arc<AtomicU64>,
}

/// The service under the clients, and what may be done to it.
pub struct Victim {
    nursery: Nursery,
    running: Running,
    address: watch::Sender<String>,
    life: Arc<AtomicU64>,
    n_written: Arc<AtomicU64>,
    starts: Vec<Duration>,
}

impl Victim {
    /// Kills it and starts it again.
    ///
    /// # Errors
    /// When it had ended by itself, or does not start.
    pub async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        self.running.kill().await?;
        self.running = self.nursery.start().await?;
        self.starts.push(self.running.until_ready);
        self.address.send_replace(self.running.base.clone());
        self.ask_again();
        Ok(())
    }

    /// Steps of all clients that it has answered.
    pub fn n_written(&self) -> u64 {
        self.n_written.load(Ordering::SeqCst)
    }

    /// Makes every client read something that it was told before.
    pub fn ask_again(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs a plan. `progress` is told the number of kills so far.
///
/// # Errors
/// When the service does not start, or ends by itself, or its store cannot be read.
pub async fn run(plan: &Plan, mut progress: impl FnMut(u32)) -> anyhow::Result<Report> {
    let mut random = Random(plan.seed);
    let mut memory = None;
    let report = run_under(plan, async |victim: &mut Victim| {
        for kill in 0..plan.n_kills {
            let lifetime =
                LIFETIME_MILLIS.start + random.below(LIFETIME_MILLIS.end - LIFETIME_MILLIS.start);
            tokio::time::sleep(Duration::from_millis(lifetime)).await;
            victim.kill_and_start().await?;
            progress(kill + 1);
        }
        if let Some(length) = plan.soak {
            memory = Some(soak(&victim.running, length).await?);
        }
        Ok(())
    });
    let report = report.await?;
    Ok(Report { memory, ..report })
}

/// Lets the clients of a plan write for as long as `disturb` takes, and compares.
///
/// # Errors
/// Those of `disturb`; when the service does not start, or its store cannot be read.
pub async fn run_under(
    plan: &Plan,
    disturb: impl AsyncFnOnce(&mut Victim) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    if plan.directory.exists() {
        bail!("{} exists already", plan.directory.display());
    }
    let started = Instant::now();
    let nursery = Nursery::of(&plan.program, &plan.directory, &settings(plan)?)?;
    let running = nursery.start().await?;
    let (address, base) = watch::channel(running.base.clone());
    let stop = CancellationToken::new();
    let life = Arc::new(AtomicU64::new(0));
    let n_read_after_kill = Arc::new(AtomicU64::new(0));
    let n_written = Arc::new(AtomicU64::new(0));
    // Apart from the numbers that decide about the kills.
    let mut random = Random(!plan.seed);
    let mut clients = JoinSet::new();
    for number in 0..plan.n_clients {
        let stage = Stage {
            base: base.clone(),
            stop: stop.clone(),
            life: Arc::clone(&life),
            n_read_after_kill: Arc::clone(&n_read_after_kill),
            n_written: Arc::clone(&n_written),
        };
        let random = Random(random.below(u64::MAX));
        clients.spawn(async move { write(number, random, &stage).await });
    }
    let listening = CancellationToken::new();
    let mut listener = JoinSet::new();
    let (token, address_of_stream) = (listening.clone(), base.clone());
    let (n_heard, mut n_heard_so_far) = watch::channel(0_usize);
    listener.spawn(async move { follow(address_of_stream, token, n_heard).await });

    let mut victim = Victim { nursery, running, address, life, n_written, starts: Vec::new() };
    disturb(&mut victim).await?;

    stop.cancel();
    let mut journal = Journal::new();
    let mut tally = Tally::default();
    let mut contradictions = Vec::new();
    let written = tokio::time::timeout(LAST_ANSWER_DEADLINE, clients.join_all()).await;
    let written = written.context("the service takes no writes any more, after all is over")?;
    for (author, contradiction) in written {
        tally.add(&author.tally);
        journal.extend(author.into_journal());
        contradictions.extend(contradiction);
    }
    let n_versions = journal.values().map(|known| known.versions.len()).sum();
    // When some never come, the comparison below says which.
    let all_heard = n_heard_so_far.wait_for(|n_heard| *n_heard >= n_versions);
    let _ = tokio::time::timeout(STREAM_DEADLINE, all_heard).await;
    listening.cancel();
    let heard = listener.join_next().await.context("the listener is gone")???;
    let Victim { nursery, running, mut starts, .. } = victim;
    finish(running, &nursery).await?;
    starts.sort_unstable();
    Ok(Report {
        plan: plan.clone(),
        findings: compare(&nursery, &journal).await?,
        stream: heard.compare(&journal),
        n_stream_messages: heard.n_messages,
        elapsed: started.elapsed(),
        tally,
        starts,
        n_read_after_kill: n_read_after_kill.load(Ordering::SeqCst),
        memory: None,
        contradictions,
    })
}

/// No provider, the windows that are compared, and little said.
fn settings(plan: &Plan) -> anyhow::Result<String> {
    let defaults = Sources::default().load()?.config;
    let mut text = format!("[averages]\nwindows = {WINDOWS:?}\n[log]\nlevel = \"warn\"\n");
    let name = format!("selftest_{}", plan.seed);
    let Servers { postgres_url, redis_url, kafka_brokers } = &plan.servers;
    // What a killed process held is free again soon.
    writeln!(text, "[pipeline]\nlease = \"2s\"")?;
    if let Some(url) = postgres_url {
        writeln!(text, "[store]\nbackend = \"postgres\"\npostgres_url = {url:?}")?;
        writeln!(text, "postgres_schema = {name:?}")?;
    }
    if let Some(url) = redis_url {
        writeln!(text, "[cache]\nbackend = \"redis\"\nredis_url = {url:?}")?;
        writeln!(text, "redis_prefix = {name:?}")?;
    }
    if let Some(brokers) = kafka_brokers {
        writeln!(text, "[bus]\nbackend = \"kafka\"\nkafka_brokers = {brokers:?}")?;
        writeln!(text, "topic = {name:?}\ndead_letter_topic = \"{name}.dlq\"")?;
    }
    for name in defaults.providers.keys() {
        writeln!(text, "[providers.{name}]\nenabled = false")?;
    }
    Ok(text)
}

/// One client: writes until it is stopped, and reads after each kill what it was told before.
async fn write(number: usize, random: Random, stage: &Stage) -> (Author, Option<String>) {
    let symbols = (0..N_SYMBOLS).map(|index| format!("CHAOS-{index}")).collect();
    let start = Timestamp::from_secs(1_700_000_000).unwrap_or(Timestamp::MIN);
    let mut author = Author::new(format!("c{number}"), symbols, random, start);
    let outcome = write_until_stopped(&mut author, stage).await;
    let contradiction = outcome.err().map(|error| format!("client {number}: {error:#}"));
    (author, contradiction)
}

async fn write_until_stopped(author: &mut Author, stage: &Stage) -> anyhow::Result<()> {
    let client = Client::new(stage.base.clone())?;
    let mut life = stage.life.load(Ordering::SeqCst);
    while !stage.stop.is_cancelled() {
        client.write_next(author).await?;
        stage.n_written.fetch_add(1, Ordering::SeqCst);
        let now = stage.life.load(Ordering::SeqCst);
        if now != life {
            life = now;
            // Everything told so far was acknowledged before or after that kill, none during it.
            if let Some((id, price)) = author.any_acknowledged() {
                let shown = client.read(id).await?;
                if shown != price {
                    bail!("after kill {life} price {id} is {shown:?} instead of {price:?}");
                }
                stage.n_read_after_kill.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    Ok(())
}

/// Listens, and tells how much came.
async fn follow(
    base: watch::Receiver<String>,
    stop: CancellationToken,
    n_heard: watch::Sender<usize>,
) -> anyhow::Result<Heard> {
    let mut heard = Heard::default();
    listen(base, &mut heard, &stop, |heard| {
        n_heard.send_replace(heard.n_versions);
    })
    .await?;
    Ok(heard)
}

/// Ends the last life like all others, and lets the pipeline catch up on what that left.
async fn finish(mut running: Running, nursery: &Nursery) -> anyhow::Result<()> {
    running.kill().await?;
    let config = nursery.config()?;
    let parts = Parts::open(&config, Arc::new(SystemClock)).await?;
    App::build(&config, parts, false).await?.drain(|_| ()).await
}

async fn compare(nursery: &Nursery, journal: &Journal) -> anyhow::Result<Findings> {
    let store = open_store(&nursery.config()?).await?;
    let windows = WINDOWS.map(Window::new).into_iter().collect::<Result<Vec<_>, _>>()?;
    let findings = check(store.as_ref(), journal, &windows).await?;
    store.close().await?;
    Ok(findings)
}
