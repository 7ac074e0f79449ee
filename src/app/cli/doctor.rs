//! `doctor`: tests each enabled provider step by step, and says what to do about what fails.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::Common;
use super::client::root_cause;
use super::out::out;
use crate::app::providers;
use crate::model::{AssetClass, Symbol};
use crate::ports::provider::{FailureClass, PriceProvider, ProviderError};
use crate::ports::{Clock, SystemClock};

/// The longest wait for one step; the quote has the provider's own time-out.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    common: Common,
    /// A JSON array
    #[arg(long)]
    json: bool,
}

/// A step that failed, and what to do about it.
struct Ill {
    detail: String,
    remedy: String,
}

struct Step {
    name: &'static str,
    took: Duration,
    outcome: Result<String, Ill>,
}

/// Asks each enabled provider for one quote, and looks at the way there first. The quote is a real
/// call that its budget does not count.
///
/// Exit code 1 when a provider that is enabled cannot be used.
pub(super) async fn doctor(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load(Vec::new())?.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (enabled, options) = providers::build(&config, &clock, None);
    let mut report = Vec::new();
    let mut all_well = true;
    for provider in enabled {
        let name = provider.profile().name.to_string();
        if !args.json {
            writeln!(out(), "{name}")?;
        }
        let mut steps = Vec::new();
        let mut said = Ok(());
        examine(provider.as_ref(), &mut |step: Step| {
            all_well &= step.outcome.is_ok();
            if !args.json && said.is_ok() {
                said = print_step(&step);
            }
            steps.push(told(&step));
        })
        .await;
        said?;
        report.push(json!({ "provider": name, "enabled": true, "steps": steps }));
    }
    for (name, why) in options.off {
        if !args.json {
            writeln!(out(), "{name}\n  off      {why}")?;
        }
        report.push(json!({ "provider": name.as_str(), "enabled": false, "reason": why }));
    }
    if args.json {
        writeln!(out(), "{}", Value::Array(report))?;
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Goes as far as the first step that fails.
async fn examine(provider: &dyn PriceProvider, tell: &mut impl FnMut(Step)) {
    let base = provider.profile().base_url.as_deref().and_then(|url| url.parse().ok());
    let Some(base): Option<reqwest::Url> = base else { return };
    let mut passes = |step: Step| {
        let passes = step.outcome.is_ok();
        tell(step);
        passes
    };
    if through_a_proxy() {
        let proxied = async { Ok("through the proxy of the environment".to_owned()) };
        passes(timed("network", proxied).await);
    } else {
        let mut addresses = Vec::new();
        if !passes(timed("dns", resolve(&base, &mut addresses)).await)
            || !passes(timed("connect", connect(&addresses)).await)
        {
            return;
        }
    }
    if base.scheme() == "https" && !passes(timed("tls", encrypt(&base)).await) {
        return;
    }
    passes(timed("quote", sample(provider)).await);
}

async fn timed(name: &'static str, step: impl Future<Output = Result<String, Ill>>) -> Step {
    let started = Instant::now();
    let outcome = step.await;
    Step { name, took: started.elapsed(), outcome }
}

fn through_a_proxy() -> bool {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|value| !value.is_empty()))
}

async fn resolve(base: &reqwest::Url, into: &mut Vec<SocketAddr>) -> Result<String, Ill> {
    let host = base.host_str().unwrap_or_default().to_owned();
    let port = base.port_or_known_default().unwrap_or(443);
    let ill = |detail: String| Ill {
        detail: format!("{host}: {detail}"),
        remedy: "check the network and the name server of this machine".into(),
    };
    match timeout(STEP_TIMEOUT, lookup_host((host.trim_matches(['[', ']']), port))).await {
        Ok(Ok(addresses)) => {
            into.extend(addresses);
            match into.first() {
                Some(first) => Ok(format!("{host} is {}", first.ip())),
                None => Err(ill("has no address".into())),
            }
        }
        Ok(Err(error)) => Err(ill(error.to_string())),
        Err(_) => Err(ill("the name server does not answer".into())),
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<String, Ill> {
    let remedy = "check the firewall of this machine and its network";
    match timeout(STEP_TIMEOUT, TcpStream::connect(addresses)).await {
        Ok(Ok(stream)) => {
            let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            Ok(format!("to {peer}"))
        }
        Ok(Err(error)) => Err(Ill { detail: error.to_string(), remedy: remedy.into() }),
        Err(_) => Err(Ill { detail: "nobody answers".into(), remedy: remedy.into() }),
    }
}

/// Any answer over HTTPS proves the encryption.
async fn encrypt(base: &reqwest::Url) -> Result<String, Ill> {
    let origin = base.origin().ascii_serialization();
    let client = reqwest::Client::builder()
        .timeout(STEP_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let answer = match client {
        Ok(client) => client.head(origin).send().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(_) => Ok("the certificate is good".into()),
        Err(error) => Err(Ill {
            detail: root_cause(&error).to_string(),
            remedy: "check the clock of this machine, its CA certificates (package \
                     ca-certificates), and whether a proxy opens encrypted connections"
                .into(),
        }),
    }
}

/// One quote of something everybody knows: it proves the key as well.
async fn sample(provider: &dyn PriceProvider) -> Result<String, Ill> {
    let profile = provider.profile();
    let text = match profile.asset_classes.first() {
        Some(AssetClass::Crypto) => "BTC-USD",
        Some(AssetClass::Forex) => "EUR/USD",
        Some(AssetClass::Stock) | None => "AAPL",
    };
    let symbol = Symbol::parse(text).expect("these are symbols");
    let name = profile.name.as_str();
    let ill = |error: ProviderError| Ill {
        remedy: remedy(name, profile.has_key, &error),
        detail: error.to_string(),
    };
    let answers = provider.quotes(std::slice::from_ref(&symbol)).await.map_err(ill)?;
    match answers.into_iter().next() {
        Some((_, Ok(quote))) => {
            Ok(format!("{text} {} {} of {}", quote.price, quote.currency, quote.observed_at))
        }
        Some((_, Err(error))) => Err(ill(error)),
        None => Err(ill(ProviderError::new(FailureClass::BadPayload, "an empty answer"))),
    }
}

fn remedy(name: &str, has_key: bool, error: &ProviderError) -> String {
    match error.class {
        FailureClass::Auth if has_key => format!("set another providers.{name}.api_key"),
        FailureClass::Auth => "it refuses callers without a key for now; try again later".into(),
        FailureClass::Forbidden => {
            format!(
                "the plan of the key lacks this; set providers.{name}.enabled = false, or upgrade"
            )
        }
        FailureClass::RateLimited(window) => format!(
            "its quota a {} is used up; wait, or lower providers.{name}.budget",
            window.name()
        ),
        FailureClass::UpstreamError => "it is down or slow; the fallback chain goes on".into(),
        FailureClass::BadPayload => {
            "it answers something else than its documents say: an interception page, or a change \
             of its API"
                .into()
        }
        FailureClass::UnknownSymbol | FailureClass::NoPrice | FailureClass::BadRequest => {
            "it does not know the sample; its quotes of others may be fine".into()
        }
    }
}

fn print_step(step: &Step) -> io::Result<()> {
    let took = format!("{} ms", step.took.as_millis());
    match &step.outcome {
        Ok(detail) => writeln!(out(), "  {:<8} ok    {took:>9}  {detail}", step.name)?,
        Err(ill) => {
            writeln!(out(), "  {:<8} FAILS {took:>9}  {}", step.name, ill.detail)?;
            writeln!(out(), "  {:<8} {:>15}  {}", "", "remedy:", ill.remedy)?;
        }
    }
    Ok(())
}

fn told(step: &Step) -> Value {
    let millis = u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX);
    match &step.outcome {
        Ok(detail) => json!({ "step": step.name, "ok": true, "ms": millis, "detail": detail }),
        Err(ill) => json!({
            "step": step.name,
            "ok": false,
            "ms": millis,
            "detail": ill.detail,
            "remedy": ill.remedy,
        }),
    }
}
