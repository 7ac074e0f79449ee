//! `selftest`: the promise, tried on this machine.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::out::{out, remark};
use crate::app::run::VERSION;
use crate::app::selftest::chaos::{Plan, Report, Servers, WINDOWS, run};
use crate::ports::{Clock, SystemClock};

#[derive(Debug, Args)]
pub(super) struct SelftestArgs {
    /// Kill the service again and again under writing clients, then look for what is lost, doubled
    /// or wrong
    #[arg(long, required_unless_present = "soak")]
    chaos: bool,
    /// How often
    #[arg(long, default_value_t = 20, requires = "chaos")]
    kills: u32,
    /// Let the clients write for this long (`10m`) and watch the memory of the service; after the
    /// kills, if there are any
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    soak: Option<Duration>,
    /// Keep the data in this PostgreSQL instead of a file, in a schema of its own that stays
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Cache in this Redis
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Carry events over this Kafka, in topics of its own that stay
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Clients that write at the same time
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Decides what is written and when the service is killed; a new one when absent
    #[arg(long)]
    seed: Option<u64>,
    /// Where to work, a directory that does not exist yet; a temporary one when absent
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn selftest(args: SelftestArgs) -> anyhow::Result<ExitCode> {
    let seed = args.seed.unwrap_or_else(|| SystemClock.now().as_micros().unsigned_abs());
    let directory = args.work_dir.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("tickerd-selftest-{}", std::process::id()))
    });
    if args.clients == 0 {
        bail!("--clients: somebody has to write");
    }
    let plan = Plan {
        program: std::env::current_exe().context("this program does not know where it is")?,
        n_kills: if args.chaos { args.kills } else { 0 },
        soak: args.soak,
        servers: Servers {
            postgres_url: args.postgres,
            redis_url: args.redis,
            kafka_brokers: args.kafka,
        },
        n_clients: args.clients,
        seed,
        directory,
    };
    let bar = super::import::progress(Some(u64::from(plan.n_kills)));
    let report = run(&plan, |n_kills| bar.set_position(u64::from(n_kills))).await?;
    bar.finish_and_clear();
    if args.json {
        writeln!(out(), "{}", as_json(&report))?;
    } else {
        print(&report)?;
    }
    if report.is_clean() {
        std::fs::remove_dir_all(&plan.directory)?;
        return Ok(ExitCode::SUCCESS);
    }
    let kept = plan.directory.display();
    remark(format_args!("tickerd: the promise is broken; all is kept in {kept}"));
    Ok(ExitCode::FAILURE)
}

/// The start that this share of all was not longer than.
fn quantile(sorted: &[Duration], per_cent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * per_cent / 100).copied().unwrap_or_default()
}

fn as_json(report: &Report) -> Value {
    let Report { plan, tally, findings, stream, .. } = report;
    let millis = |per_cent| quantile(&report.starts, per_cent).as_millis() as u64;
    json!({
        "version": VERSION,
        "seed": plan.seed,
        "kills": plan.n_kills,
        "clients": plan.n_clients,
        "seconds": report.elapsed.as_secs_f64(),
        "acknowledged": tally.n_acknowledged(),
        "recorded": tally.n_recorded,
        "duplicates": tally.n_duplicates,
        "corrected": tally.n_corrected,
        "deleted": tally.n_deleted,
        "sent_again": tally.n_sent_again,
        "read_after_kill": report.n_read_after_kill,
        "start_ms": { "p50": millis(50), "p99": millis(99), "max": millis(100) },
        "prices": findings.n_prices,
        "versions": findings.n_versions,
        "averages": findings.n_averages,
        "windows": WINDOWS,
        "lost": findings.n_lost,
        "double": findings.n_double,
        "wrong": findings.n_wrong,
        "wrong_averages": findings.n_wrong_averages,
        "stream": {
            "messages": report.n_stream_messages,
            "missed": stream.n_missed,
            "repeated": stream.n_repeated,
            "wrong": stream.n_wrong,
        },
        "memory": report.memory.map(|memory| json!({
            "at_first": memory.at_first,
            "at_last": memory.at_last,
            "flat": memory.is_flat(),
        })),
        "contradictions": report.contradictions,
        "faults": findings.faults,
        "clean": report.is_clean(),
    })
}

fn print(report: &Report) -> io::Result<()> {
    let Report { plan, tally, findings, stream, .. } = report;
    let millis = |per_cent| quantile(&report.starts, per_cent).as_millis();
    writeln!(
        out(),
        "{} kills of the service under {} writing clients",
        plan.n_kills,
        plan.n_clients
    )?;
    writeln!(out(), "  seed            {}", plan.seed)?;
    writeln!(out(), "  took            {:.1} s", report.elapsed.as_secs_f64())?;
    writeln!(
        out(),
        "  acknowledged    {} writes: {} recorded, {} duplicates, {} corrected, {} deleted",
        tally.n_acknowledged(),
        tally.n_recorded,
        tally.n_duplicates,
        tally.n_corrected,
        tally.n_deleted
    )?;
    writeln!(out(), "  sent again      {} times, because no answer had come", tally.n_sent_again)?;
    writeln!(out(), "  read after kill {} prices", report.n_read_after_kill)?;
    writeln!(out(), "  start to ready  {} ms, at most {} ms", millis(50), millis(100))?;
    writeln!(
        out(),
        "  compared        {} prices, {} versions, {} averages, {} stream messages",
        findings.n_prices,
        findings.n_versions,
        findings.n_averages,
        report.n_stream_messages
    )?;
    writeln!(
        out(),
        "  found           {} lost, {} double, {} wrong, {} wrong averages",
        findings.n_lost,
        findings.n_double,
        findings.n_wrong,
        findings.n_wrong_averages
    )?;
    writeln!(
        out(),
        "  on the stream   {} missed, {} repeated, {} wrong",
        stream.n_missed,
        stream.n_repeated,
        stream.n_wrong
    )?;
    if let Some(memory) = &report.memory {
        let mib = |bytes| bytes as f64 / f64::from(1 << 20);
        writeln!(
            out(),
            "  memory          {:.1} MiB at first, {:.1} MiB at last",
            mib(memory.at_first),
            mib(memory.at_last)
        )?;
    }
    for fault in report.contradictions.iter().chain(&findings.faults) {
        writeln!(out(), "  ! {fault}")?;
    }
    Ok(())
}
