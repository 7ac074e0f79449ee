//! Talking to a running service.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::Common;
use super::out::out;
use super::pinned::trusting;
use crate::app::config::Config;
use crate::http::tls::certificates;

/// Which running service to talk to.
#[derive(Debug, Args, Clone, Default)]
pub(super) struct Remote {
    /// A running service, such as <http://127.0.0.1:8000>
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Its key, if it asks for one
    #[arg(long, value_name = "KEY", env = "TICKERD_KEY", hide_env_values = true)]
    pub(super) key: Option<String>,
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(60))
}

/// A client of one service.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Client {
    pub(super) fn new(base: &str, key: Option<&str>) -> anyhow::Result<Self> {
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http: builder().build()?, base, key: key.map(str::to_owned) })
    }

    /// A client of the service that this configuration is for, on this machine. When that encrypts
    /// its connections, its own certificate is trusted and no other.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub(super) fn of_config(config: &Config, key: Option<&str>) -> anyhow::Result<Self> {
        let server = &config.server;
        let host = match server.host {
            host if host.is_unspecified() => [127, 0, 0, 1].into(),
            host => host,
        };
        let address = std::net::SocketAddr::new(host, server.port);
        let base = format!("{}://{address}", server.scheme());
        let http = match server.tls_files() {
            None => builder().build()?,
            Some((cert, _)) => {
                let own = certificates(cert)?.swap_remove(0);
                builder().tls_backend_preconfigured(trusting(own)?).build()?
            }
        };
        Ok(Self { http, base, key: key.map(str::to_owned) })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Every item of a list, page by page.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut path = path.to_owned();
        loop {
            let response = self.ask(self.http.get(format!("{}{path}", self.base))).await?;
            let status = response.status().as_u16();
            let link = response.headers().get("link").and_then(|link| link.to_str().ok());
            // Ours have one relation, the next page.
            let next = link.and_then(|link| link.strip_prefix('<')?.split_once('>'));
            let next = next.map(|(next, _)| next.to_owned());
            match response.json().await.context("an answer that is not JSON")? {
                Value::Array(page) if status == 200 => items.extend(page),
                body => return Err(problem(status, &body)),
            }
            match next {
                Some(next) => path = next,
                None => return Ok(items),
            }
        }
    }

    pub(super) async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> anyhow::Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.base));
        self.send(request.header("content-type", content_type).body(body)).await
    }

    pub(super) async fn delete(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<(u16, Value)> {
        self.send(self.http.delete(format!("{}{path}", self.base)).query(query)).await
    }

    /// Hands the body of an answer on as it arrives; it may take its time as long as it moves.
    pub(super) async fn download(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .no_gzip()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(60))
            .build()?;
        let mut response = self.ask(http.get(format!("{}{path}", self.base))).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.json().await.unwrap_or_default();
            return Err(problem(status, &body));
        }
        while let Some(bytes) = response.chunk().await.context("the service broke off")? {
            take(&bytes)?;
        }
        Ok(())
    }

    /// Sends a request with the key, if there is one.
    async fn ask(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        request.send().await.map_err(|error| match root_cause(&error) {
            // Nothing was sent: the address was read before, so it is the key.
            _ if error.is_builder() => anyhow::anyhow!("--key: this cannot be sent as a key"),
            cause => anyhow::anyhow!("{} does not answer: {cause}", self.base),
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(u16, Value)> {
        let response = self.ask(request).await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text)
            .with_context(|| format!("{} answers {status}, and not with JSON", self.base))?;
        Ok((status, body))
    }
}

/// What lies behind an error of a connection; what lies between says the same at greater length.
pub(super) fn root_cause(error: &reqwest::Error) -> &dyn Error {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// What a problem says, for people.
pub(super) fn problem(status: u16, body: &Value) -> anyhow::Error {
    let detail = body["detail"].as_str().unwrap_or("no reason given");
    anyhow::anyhow!("the service answers {status}: {detail}")
}

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    remote: Remote,
    /// The whole answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn health(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let key = args.remote.key.as_deref();
    let client = match &args.remote.url {
        Some(url) => Client::new(url, key)?,
        None => Client::of_config(&args.common.load(Vec::new())?.config, key)?,
    };
    let (status, body) = client.get("/ready").await?;
    if args.json {
        writeln!(out(), "{body}")?;
    } else {
        writeln!(out(), "{}", body["status"].as_str().unwrap_or("unknown"))?;
        for (name, check) in body["checks"].as_object().into_iter().flatten() {
            if let Some(detail) = check["detail"].as_str() {
                writeln!(out(), "  {name}: {detail}")?;
            }
        }
    }
    if status != 200 {
        bail!("the service is not ready");
    }
    Ok(ExitCode::SUCCESS)
}
