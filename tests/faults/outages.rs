//! PostgreSQL, Redis and Kafka taken away and brought back under writing clients of the full mode.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tickerd::app::selftest::author::Random;
use tickerd::app::selftest::chaos::{Plan, Report, Servers, Victim, run, run_under};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::service::eventually;

/// How long a server is away at most, beside what it takes to start.
const MOST_MILLIS_AWAY: u64 = 800;

/// `TICKERD_TEST_OUTAGES=20 TICKERD_TEST_FULL_KILLS=50` for the figures in docs/faults.md.
fn count(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a count"))
}

/// Servers of a test's own, which nobody else would miss.
struct Own {
    directory: PathBuf,
    urls: Servers,
    /// Ends, and the servers with it, when nobody writes to it any more.
    _keeper: Child,
}

impl Own {
    /// None where the servers are not installed, which is told.
    async fn start() -> Option<Self> {
        for name in ["postgres", "redis", "kafka"] {
            crate::servers::offered(name)?;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
        let tell_and_wait = "cat $TICKERD_SERVICES_DIR/environment; echo; cat >/dev/null";
        let mut keeper = Command::new(script)
            .args(["run", "postgres", "redis", "kafka", "--", "sh", "-c", tell_and_wait])
            .env("TICKERD_SERVICES_FSYNC", "on")
            .env("TICKERD_SERVICES_ENGINE", "none")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script runs");
        let mut lines = BufReader::new(keeper.stdout.take().expect("piped")).lines();
        let (mut directory, mut urls) = (None, Servers::default());
        while let Some(line) = lines.next_line().await.expect("read").filter(|l| !l.is_empty()) {
            let (name, value) = line.split_once('=').expect("a variable");
            let value = value.to_owned();
            match name {
                "TICKERD_SERVICES_DIR" => directory = Some(PathBuf::from(value)),
                "TICKERD_TEST_POSTGRES_URL" => urls.postgres_url = Some(value),
                "TICKERD_TEST_REDIS_URL" => urls.redis_url = Some(value),
                "TICKERD_TEST_KAFKA_URL" => urls.kafka_brokers = Some(value),
                _ => {}
            }
        }
        let Some(directory) = directory else {
            crate::servers::missing("postgres", "servers do not start as processes, to be killed");
            return None;
        };
        Some(Self { directory, urls, _keeper: keeper })
    }

    fn server(&self, name: &str, url: Option<&String>) -> Server {
        let url = url.expect("it runs");
        let authority = url.rsplit_once('@').map_or(url.as_str(), |(_, behind)| behind);
        let authority = authority.rsplit_once("//").map_or(authority, |(_, behind)| behind);
        let address = authority.split('/').next().unwrap_or_default().to_owned();
        let directory = self.directory.join(name);
        let pid = std::fs::read_to_string(directory.join("pid")).expect("its number");
        let pid = pid.trim().parse().expect("a number");
        let polite = if name == "postgres" { "-INT" } else { "-TERM" };
        Server { directory, address, polite, pid, child: None }
    }
}

struct Server {
    directory: PathBuf,
    address: String,
    /// Tells it to end soon. PostgreSQL waits for its clients after TERM; Java does not hear INT when
    /// its parents do not.
    polite: &'static str,
    pid: u32,
    /// Once it was started again.
    child: Option<Child>,
}

impl Server {
    async fn answers(&self) -> bool {
        TcpStream::connect(&self.address).await.is_ok()
    }

    async fn take_away(&mut self, signal: &str) {
        let pid = self.pid.to_string();
        let killed = Command::new("kill").args([signal, &pid]).status().await.expect("kill runs");
        assert!(killed.success(), "the server had ended by itself");
        match &mut self.child {
            Some(child) => drop(child.wait().await.expect("ended")),
            None => eventually(async || !is_running(self.pid)).await,
        }
        // What it had started holds its socket a moment longer.
        eventually(async || !self.answers().await).await;
    }

    /// Again and again, because what the killed one held may be free only a little later.
    async fn bring_back(&mut self) {
        eventually(async || {
            let mut child = start_again(&self.directory);
            self.pid = child.id().expect("it runs");
            let mut has_ended = false;
            eventually(async || {
                has_ended = child.try_wait().expect("known").is_some();
                has_ended || self.answers().await
            })
            .await;
            self.child = Some(child);
            !has_ended
        })
        .await;
    }
}

fn start_again(directory: &Path) -> Child {
    Command::new(directory.join("run")).kill_on_drop(true).spawn().expect("it starts")
}

/// Also false when it has ended and nobody asked how.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Takes a server away as often as wanted, by turns politely and not, with writes before and after.
async fn disturb(victim: &Victim, server: &mut Server, n_outages: u32, random: &mut Random) {
    for outage in 0..n_outages {
        some_writes(victim).await;
        server.take_away(if outage % 2 == 0 { "-KILL" } else { server.polite }).await;
        tokio::time::sleep(Duration::from_millis(random.below(MOST_MILLIS_AWAY))).await;
        server.bring_back().await;
        victim.ask_again();
        some_writes(victim).await;
    }
}

/// Waits until the clients have written something.
async fn some_writes(victim: &Victim) {
    let before = victim.n_written();
    eventually(async || victim.n_written() >= before + 60).await;
}

fn assert_clean(name: &str, n_times: u32, report: &Report) {
    let Report { tally, findings, stream, contradictions, .. } = report;
    println!(
        "{name} taken away {n_times} times: {} writes acknowledged, {} sent again, {} prices, \
         {} versions, {} averages, {} stream messages compared: {} lost, {} double, {} wrong, \
         {} wrong averages; stream {} missed, {} repeated",
        tally.n_acknowledged(),
        tally.n_sent_again,
        findings.n_prices,
        findings.n_versions,
        findings.n_averages,
        report.n_stream_messages,
        findings.n_lost,
        findings.n_double,
        findings.n_wrong,
        findings.n_wrong_averages,
        stream.n_missed,
        stream.n_repeated,
    );
    assert!(report.is_clean(), "{name}: {findings:#?} {stream:?} {contradictions:?}");
    assert!(findings.n_averages > 20, "{name}: {findings:?}");
}

fn plan(own: &Own, directory: &Path, seed: u64) -> Plan {
    Plan {
        program: env!("CARGO_BIN_EXE_tickerd").into(),
        n_kills: 0,
        soak: None,
        servers: own.urls.clone(),
        n_clients: 32,
        seed,
        directory: directory.join(seed.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_of_the_full_mode_is_killed_nothing_is_lost_or_doubled() {
    let Some(own) = Own::start().await else { return };
    let Servers { postgres_url, redis_url, kafka_brokers } = &own.urls;
    let directory = tempfile::tempdir().expect("a directory");
    let n_outages = count("TICKERD_TEST_OUTAGES", 1);
    // They run until the end: what was started again ends with its `Server`.
    let mut servers = [
        ("postgres", own.server("postgres", postgres_url.as_ref())),
        ("redis", own.server("redis", redis_url.as_ref())),
        ("kafka", own.server("kafka", kafka_brokers.as_ref())),
    ];
    for (seed, (name, server)) in (1..).zip(&mut servers) {
        let plan = plan(&own, directory.path(), seed);
        let report = run_under(&plan, async |victim: &mut Victim| {
            disturb(victim, server, n_outages, &mut Random(seed)).await;
            Ok(())
        });
        assert_clean(name, n_outages, &report.await.expect("the service lives"));
    }
    let n_kills = count("TICKERD_TEST_FULL_KILLS", 1);
    let plan = Plan { n_kills, ..plan(&own, directory.path(), 4) };
    let report = run(&plan, |_| ()).await.expect("the service starts again");
    assert_clean("the service", n_kills, &report);
}
