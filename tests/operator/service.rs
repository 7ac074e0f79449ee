//! The binary, started as an operator starts it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// `tickerd` with nothing of this process's environment that would configure it.
pub(crate) fn tickerd(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
    command.current_dir(directory.path()).env_clear().env("PATH", env!("PATH"));
    command.envs(crate::children::measured());
    command
}

/// A running service; it ends when it is dropped.
pub(crate) struct Service {
    pub(crate) base: String,
    pub(crate) directory: TempDir,
    /// Directories that are to last as long as it.
    pub(crate) beside: Vec<TempDir>,
    child: Child,
    /// Held open: a service whose output nobody reads cannot print.
    _card: BufReader<ChildStdout>,
}

impl Service {
    /// Starts it on a free port, with no provider to ask.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = File::create(directory.path().join("log")).expect("a file");
        let mut command = tickerd(&directory);
        command.args(["serve", "--port", "0"]).args(arguments);
        for provider in ["YAHOO", "COINGECKO", "KRAKEN"] {
            command.env(format!("TICKERD_PROVIDERS__{provider}__ENABLED"), "false");
        }
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("started");
        let mut card = BufReader::new(child.stdout.take().expect("its output"));
        let base = card.by_ref().lines().map_while(Result::ok).find_map(|line| {
            let url = line.split_whitespace().find(|word| word.starts_with("http"))?;
            Some(url.trim_end_matches('/').to_owned())
        });
        let base = base.expect("the start card tells the address");
        Self { base, directory, beside: Vec::new(), child, _card: card }
    }

    /// The lines of its log so far, whole ones only.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.path().join("log")).expect("read");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// The first line of a log of JSON that is as wanted; waits for it.
    pub(crate) fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        while Instant::now() < deadline {
            for line in self.log() {
                let line: Value = serde_json::from_str(&line)
                    .unwrap_or_else(|_| panic!("a line of the log is not JSON: {line}"));
                if wanted(&line) {
                    return line;
                }
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("it was never logged:\n{}", self.log().join("\n"));
    }

    /// Sends a signal that `kill` knows by this name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(told.expect("kill runs").success());
    }

    /// Asks it to end as a supervisor does, and waits.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().expect("ended")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Asked first, so that its way out is gone through too; one that does not hear is killed.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
