//! The service as a child of this process, on a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::app::config::{Config, Sources};

/// How long a start may take.
const START_DEADLINE: Duration = Duration::from_secs(120);
const CONFIG_FILE: &str = "tickerd.toml";
/// What stands before the address on the start card.
const URL_LABEL: &str = "  url        ";

/// How children are started.
#[derive(Debug, Clone)]
pub struct Nursery {
    program: PathBuf,
    /// Where the configuration and the data lie.
    directory: PathBuf,
}

impl Nursery {
    /// Children of a program, whose configuration is written into `directory`.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn of(program: &Path, directory: &Path, settings: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join(CONFIG_FILE), settings)?;
        Ok(Self { program: program.to_owned(), directory: directory.to_owned() })
    }

    /// The configuration of the children.
    ///
    /// # Errors
    /// When what was written into the directory is not valid.
    pub fn config(&self) -> anyhow::Result<Config> {
        let flags = vec![("store.data_dir", self.data_dir().display().to_string())];
        let file = Some(self.config_file());
        Ok(Sources { file, flags, ..Sources::default() }.load()?.config)
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn config_file(&self) -> PathBuf {
        self.directory.join(CONFIG_FILE)
    }

    /// Starts the service and returns when it says that it is ready.
    ///
    /// # Errors
    /// When it ends instead, or is not ready in time.
    pub async fn start(&self) -> anyhow::Result<Running> {
        let started = Instant::now();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("service.log"))?;
        let mut child = Command::new(&self.program)
            .args(["serve", "--port", "0", "--config"])
            .arg(self.config_file())
            .arg("--data-dir")
            .arg(self.data_dir())
            .current_dir(&self.directory)
            // What the environment says about another service is not for this one.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the child has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let base = tokio::time::timeout(START_DEADLINE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(URL_LABEL) {
                    let url = rest.split_whitespace().next().unwrap_or_default();
                    return anyhow::Ok(url.trim_end_matches('/').to_owned());
                }
            }
            bail!("the service ended at its start; see {}", self.directory.display())
        })
        .await
        .context("the service did not start in time")??;
        // Whoever writes into a pipe that nobody reads stops in the end.
        let mut drain = JoinSet::new();
        drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let running = Running { child, base, _drain: drain, until_ready: Duration::ZERO };
        running.ready().await?;
        Ok(Running { until_ready: started.elapsed(), ..running })
    }
}

/// A service that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pub base: String,
    _drain: JoinSet<()>,
    /// From the start of the process until it was ready.
    pub until_ready: Duration,
}

impl Running {
    async fn ready(&self) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}/ready", self.base);
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            if http.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("the service was not ready in time")
    }

    /// The number of the process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub async fn wait(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// The memory it has in use, in bytes.
    ///
    /// # Errors
    /// When the operating system does not say: only Linux does.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let pid = self.pid().context("the service has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1_024)
    }

    /// Kills it at once, as a power cut would but for what the operating system still has.
    ///
    /// # Errors
    /// When it had ended by itself before, which no service should.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the service had ended by itself: {status}");
        }
        Ok(self.child.kill().await?)
    }
}
