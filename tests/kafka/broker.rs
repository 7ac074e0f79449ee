//! A broker of a test's own, which it may kill.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::eventually;

/// Ends with the test: `scripts/services` stops when its command does, which reads from us.
pub(crate) struct Broker {
    services: Child,
    directory: PathBuf,
    pub(crate) address: String,
    restarted: Option<Child>,
}

impl Broker {
    /// A fresh broker; none where Kafka is not to be had.
    pub(crate) fn start() -> Option<Self> {
        crate::servers::offered("kafka")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let mut services = Command::new(script)
            .args(["run", "kafka", "--", "sh", "-c", "env; echo; cat"])
            .env("TICKERD_SERVICES_ENGINE", "none")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/services runs");
        let stdout = services.stdout.take().expect("piped");
        let mut broker =
            Self { services, directory: PathBuf::new(), address: String::new(), restarted: None };
        for line in BufReader::new(stdout).lines() {
            let line = line.expect("a line");
            match line.split_once('=') {
                Some(("TICKERD_SERVICES_DIR", directory)) => broker.directory = directory.into(),
                Some(("TICKERD_TEST_KAFKA_URL", address)) => broker.address = address.to_owned(),
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        if broker.address.is_empty() {
            crate::servers::missing("kafka", "it does not start as a process, to be killed");
            return None;
        }
        Some(broker)
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut restarted) = self.restarted.take() {
            restarted.kill().expect("killed");
            restarted.wait().expect("gone");
            return;
        }
        let pids = std::fs::read_to_string(self.directory.join("pids")).expect("the pids");
        let pid = pids.split_whitespace().next().expect("a pid");
        let status = Command::new("kill").args(["-KILL", pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Starts it again with its data and on its port.
    pub(crate) async fn restart(&mut self) {
        let run = self.directory.join("kafka/run");
        // A test that is killed takes it along.
        let broker = Command::new("setpriv").arg("--pdeathsig=KILL").arg(run).spawn();
        self.restarted = Some(broker.expect("the broker runs"));
        eventually("the broker listens again", async || {
            tokio::net::TcpStream::connect(&self.address).await.ok()
        })
        .await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(restarted) = &mut self.restarted {
            // Gone already is as good.
            let _ = restarted.kill();
            let _ = restarted.wait();
        }
        drop(self.services.stdin.take());
        let _ = self.services.wait();
    }
}
