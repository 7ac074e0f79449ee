//! The one connection to Redis that the cache and the limiter share. No adapter by itself: it
//! knows no port but the clock.
//!
//! Redis makes things faster and is never waited for: a call that takes too long is given up, and
//! after a few failures nobody calls for a while, then one probe does. Callers know what to do
//! without Redis, and every failure is counted.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};

use crate::model::{Breaker, BreakerPolicy, BreakerState};
use crate::ports::Clock;
use crate::telemetry::metrics;

/// How long a first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where Redis is, and which part of it is ours.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/database`, or `rediss://` for TLS.
    pub url: String,
    /// What all our keys begin with.
    pub prefix: String,
    /// Names the store whose prices are cached: those of another one must never be mixed in.
    pub dataset: String,
    /// The longest that one call may take before it is given up.
    pub call_timeout: Duration,
}

impl RedisOptions {
    pub fn new(url: impl Into<String>, dataset: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "tickerd:".into(),
            dataset: dataset.into(),
            call_timeout: Duration::from_millis(250),
        }
    }
}

/// Without the password.
impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisOptions").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Why Redis cannot be used, for an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the Redis URL cannot be read: {0}; write redis://user:password@host:port/database")]
    Url(String),
    #[error("the Redis URL's user or password is refused: {0}")]
    Refused(String),
    #[error("Redis cannot be reached: {0}; is the server of the URL running?")]
    Unreachable(String),
    #[error(
        "the keys `{prefix}*` in Redis belong to the data set {found}, and this one is {ours}: \
         set another prefix or another Redis database, or delete those keys if they are of no use"
    )]
    OtherDataset { prefix: String, found: String, ours: String },
}

/// A call that came to nothing. It is counted already, and logged when it is news.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("Redis failed a moment ago and is left alone")]
    LeftAlone,
    #[error("{0}")]
    Failed(String),
}

/// The connection, and whether it is worth using.
pub struct RedisLink {
    manager: ConnectionManager,
    options: RedisOptions,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
}

impl RedisLink {
    /// Connects, and makes sure that the keys of the prefix are those of our data set.
    ///
    /// # Errors
    /// See [`OpenError`]; the messages hold no password.
    pub async fn open(options: RedisOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let client = Client::open(options.url.as_str())
            .map_err(|error| OpenError::Url(error.to_string()))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(options.call_timeout))
            // Whether and when to try again is the breaker's affair.
            .set_number_of_retries(0);
        let connecting = ConnectionManager::new_with_config(client, config);
        let mut manager = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| OpenError::Unreachable(format!("no answer in {CONNECT_TIMEOUT:?}")))?
            .map_err(|error| opening(&error))?;
        // A server that is loading its data accepts connections and refuses commands.
        redis::cmd("PING")
            .query_async::<()>(&mut manager)
            .await
            .map_err(|error| opening(&error))?;
        let key = format!("{}dataset", options.prefix);
        let mut claim = redis::cmd("SET");
        claim.arg(&key).arg(&options.dataset).arg("NX").arg("GET");
        let found: Option<String> =
            claim.query_async(&mut manager).await.map_err(|error| opening(&error))?;
        match found {
            Some(found) if found != options.dataset => Err(OpenError::OtherDataset {
                prefix: options.prefix,
                found,
                ours: options.dataset,
            }),
            _ => {
                let policy = BreakerPolicy {
                    failures_to_open: 3,
                    open_for: Duration::from_secs(1),
                    probe_timeout: options.call_timeout * 2,
                };
                let breaker = Mutex::new(Breaker::new(policy, BreakerState::default()));
                Ok(Self { manager, options, breaker, clock })
            }
        }
    }

    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// Runs a script. `purpose` says in the metrics who asked.
    ///
    /// The arguments that scripts get are `keys`, then `arguments`. Once it is under way it may
    /// have its effect although the caller gets an error or goes away.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn run<T: FromRedisValue>(
        &self,
        purpose: &'static str,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T, CallError> {
        let admitted = self.breaker.lock().admit(self.clock.now());
        let Ok(permit) = admitted else {
            metrics::redis_failure(purpose, "left_alone");
            return Err(CallError::LeftAlone);
        };
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(*key);
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        let mut manager = self.manager.clone();
        let call = invocation.invoke_async::<T>(&mut manager);
        let outcome = match tokio::time::timeout(self.options.call_timeout, call).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer in {:?}", self.options.call_timeout)),
        };
        let mut breaker = self.breaker.lock();
        let was = breaker.state().name();
        match outcome {
            Ok(value) => {
                breaker.answered(permit);
                if was != "closed" && breaker.state().name() == "closed" {
                    tracing::info!("Redis answers again");
                }
                Ok(value)
            }
            Err(reason) => {
                breaker.failed(permit, self.clock.now());
                if was == "closed" && breaker.state().name() == "open" {
                    tracing::warn!(
                        reason,
                        "Redis fails and is left alone; it is tried every second"
                    );
                }
                metrics::redis_failure(purpose, "failed");
                Err(CallError::Failed(reason))
            }
        }
    }

    /// Whether Redis answers, in words when not. Asks even while it is left alone.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), String> {
        let mut manager = self.manager.clone();
        let ping = redis::cmd("PING");
        let call = ping.query_async::<()>(&mut manager);
        match tokio::time::timeout(self.options.call_timeout, call).await {
            Ok(outcome) => outcome.map_err(|error| format!("Redis fails: {error}")),
            Err(_) => Err(format!("Redis does not answer in {:?}", self.options.call_timeout)),
        }
    }
}

fn opening(error: &RedisError) -> OpenError {
    let refused = match error.kind() {
        ErrorKind::AuthenticationFailed => true,
        ErrorKind::Server(ServerErrorKind::NoPerm) => true,
        _ => matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")),
    };
    match error.kind() {
        _ if refused => OpenError::Refused(error.to_string()),
        ErrorKind::InvalidClientConfig => OpenError::Url(error.to_string()),
        _ => OpenError::Unreachable(error.to_string()),
    }
}
