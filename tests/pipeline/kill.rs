//! `kill -9` at random moments during an import: import again, and everything is there once, with
//! the right averages.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;
use tickerd::app::backends::open_redb;
use tickerd::app::config::Sources;
use tickerd::ports::Store;

use crate::averages::assert_averages;

const N_ROWS: usize = 60_000;

fn import(directory: &Path, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickerd"));
    command
        .args(["import", "--symbol", "BTC-USD", "--time-format", "unix-ms", "--json"])
        .arg("--data-dir")
        .arg(directory)
        .arg(file)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_is_finished_by_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ticks.csv");
    let mut text = String::from("timestamp,price\n");
    let mut sum = Decimal::ZERO;
    for row in 0..N_ROWS {
        // Three rows share each millisecond, as real ticks do.
        let price = Decimal::new(1_000_000 + (row as i64 * 7_919) % 5_000, 2);
        sum += price;
        writeln!(text, "{},{price}", 1_500_000_000_000_u64 + row as u64 / 3).expect("written");
    }
    std::fs::write(&file, text).expect("written");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("made");

    let mut n_killed = 0;
    for pause in [10, 40, 90, 160, 250, 400, 700] {
        let mut child = import(&data, &file).spawn().expect("started");
        // The moment of death is the point of this test, so it does sleep.
        #[expect(clippy::disallowed_methods, reason = "the kill is to come at some moment")]
        std::thread::sleep(Duration::from_millis(pause));
        let ended = child.try_wait().expect("asked");
        n_killed += u32::from(ended.is_none());
        child.kill().expect("killed");
        let output = child.wait_with_output().expect("ended");
        // Shown when the test fails.
        eprintln!("after {pause} ms: {}", String::from_utf8_lossy(&output.stderr));
        assert!(
            ended.is_none_or(|status| status.success()),
            "it ended before the kill: {output:?}"
        );
    }
    assert!(n_killed > 0, "every import had ended before it was killed");

    let output = import(&data, &file).output().expect("run");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let count = |name: &str| report[name].as_u64().expect("a count") as usize;
    assert_eq!((count("read"), count("rejected")), (N_ROWS, 0));
    assert_eq!(count("stored") + count("duplicates"), N_ROWS);

    let output = Command::new(env!("CARGO_BIN_EXE_tickerd"))
        .args(["export", "--data-dir"])
        .arg(&data)
        .current_dir(&data)
        .output()
        .expect("run");
    let exported = String::from_utf8(output.stdout).expect("text");
    let prices: Vec<Decimal> = exported
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).expect("a price").parse().expect("a number"))
        .collect();
    assert_eq!(prices.len(), N_ROWS);
    assert_eq!(prices.iter().sum::<Decimal>(), sum);

    let mut config = Sources::default().load().expect("valid").config;
    config.store.data_dir = data;
    let store = open_redb(&config).expect("the store opens");
    assert_averages(&store, &[5], "after the last import").await;
    store.close().await.expect("closed");
}
