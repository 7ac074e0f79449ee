//! Writes steps over HTTP, and again until they are answered.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::author::{Author, Key, PROVIDER, Reply, Step};

/// How long a request may take. A service that is killed resets its connections at once.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two attempts while the service is away.
const PAUSE: Duration = Duration::from_millis(5);

/// One client of a service whose address changes when it is started again.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: watch::Receiver<String>,
}

/// How a request ended.
enum Outcome {
    Answered(StatusCode, Value),
    /// Nobody knows whether it was done.
    InDoubt,
}

impl Client {
    /// # Errors
    /// When the machine offers no client.
    pub fn new(base: watch::Receiver<String>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { http, base })
    }

    /// Writes the author's next step and tells him the answer.
    ///
    /// # Errors
    /// When the answer contradicts what he was told before, or is none that the step can have.
    pub async fn write_next(&self, author: &mut Author) -> anyhow::Result<()> {
        let step = author.next_step();
        let mut sent_before = false;
        loop {
            if let Outcome::Answered(status, body) = self.ask(request(&step)).await {
                let reply = reply(&step, status, &body)?;
                return author.told(&step, &reply, sent_before).map_err(anyhow::Error::msg);
            }
            sent_before = true;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads a price by its id: its value, or none when there is no such price.
    ///
    /// # Errors
    /// When the answer is neither.
    pub async fn read(&self, id: u64) -> anyhow::Result<Option<rust_decimal::Decimal>> {
        loop {
            match self.ask((Method::GET, format!("/prices/{id}"), None)).await {
                Outcome::Answered(StatusCode::OK, body) => {
                    let price: rust_decimal::Decimal = body["price"].to_string().parse()?;
                    return Ok(Some(price.normalize()));
                }
                Outcome::Answered(StatusCode::NOT_FOUND, _) => return Ok(None),
                Outcome::Answered(status, body) => {
                    bail!("price {id} was answered {status}: {body}")
                }
                Outcome::InDoubt => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn ask(&self, (method, path, body): (Method, String, Option<Value>)) -> Outcome {
        let base = self.base.borrow().clone();
        let request = self.http.request(method, format!("{base}{path}"));
        let request = match &body {
            Some(body) => with_json(request, body),
            None => request,
        };
        let Ok(response) = request.send().await else { return Outcome::InDoubt };
        let status = response.status();
        let Ok(text) = response.text().await else { return Outcome::InDoubt };
        match status {
            // Refused for now: overloaded, full, or its store is away.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => Outcome::InDoubt,
            _ => Outcome::Answered(status, serde_json::from_str(&text).unwrap_or_default()),
        }
    }
}

fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

fn request(step: &Step) -> (Method, String, Option<Value>) {
    let number = |price: &rust_decimal::Decimal| {
        price.to_string().parse::<serde_json::Number>().expect("a decimal is a number")
    };
    match step {
        Step::Record { key, price } | Step::Repeat { key, price } => {
            let Key { symbol, observed_at, external_id } = key;
            let body = json!({
                "symbol": symbol,
                "price": number(price),
                "timestamp": observed_at.to_string(),
                "source": PROVIDER,
                "external_id": external_id,
            });
            (Method::POST, "/prices".to_owned(), Some(body))
        }
        Step::Correct { id, price } => {
            let body = json!({ "price": number(price) });
            (Method::PUT, format!("/prices/{id}"), Some(body))
        }
        Step::Delete { id } => (Method::DELETE, format!("/prices/{id}"), None),
    }
}

fn reply(step: &Step, status: StatusCode, body: &Value) -> anyhow::Result<Reply> {
    let id = || body["id"].as_u64().context("an answer without an id");
    let version = || {
        let version = body["version"].as_u64().context("an answer without a version")?;
        anyhow::Ok(u32::try_from(version)?)
    };
    Ok(match (step, status) {
        (Step::Record { .. } | Step::Repeat { .. }, StatusCode::CREATED) => {
            Reply::Stored { id: id()?, version: version()? }
        }
        (Step::Record { .. } | Step::Repeat { .. }, StatusCode::OK) => {
            Reply::Duplicate { id: id()?, version: version()? }
        }
        (Step::Record { .. } | Step::Repeat { .. }, StatusCode::CONFLICT) => Reply::Conflict,
        (Step::Correct { .. }, StatusCode::OK) => Reply::Corrected { version: version()? },
        (Step::Delete { .. }, StatusCode::OK) => Reply::Deleted,
        (_, StatusCode::NOT_FOUND) => Reply::Unknown,
        _ => bail!("{step:?} was answered {status}: {body}"),
    })
}
