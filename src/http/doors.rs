//! Who may pass: hosts and origins, keys and roles, and how often.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use poem::http::uri::Authority;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use super::error::ApiError;
use super::operations::{Operation, Operations};
use super::roles::Needs;
use crate::model::{Actor, AuditDraft, Client, LimitDecision, LimitRule, Quota, Role, Timestamp};
use crate::ports::{Clock, Limiter};
use crate::services::access::{Access, Identity, Refusal};
use crate::telemetry::metrics;

// Parsed once, not with every request.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the doors obey; all of it may change while the service runs.
#[derive(Debug, Clone)]
pub struct DoorSettings {
    /// Host names answered to; empty means all.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may use the service; `*` for all that have a key.
    pub cors_origins: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// What a client may ask of all operations that have no limit of their own.
    pub quota: Quota,
    pub routes: Vec<RouteLimit>,
}

/// The limit of one path of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLimit {
    /// Every method when none.
    pub method: Option<Method>,
    /// As in the document, with `{parameters}`.
    pub path: String,
    pub quota: Quota,
}

impl RouteLimit {
    fn applies_to(&self, operation: &Operation) -> bool {
        self.path == operation.path
            && self.method.as_ref().is_none_or(|method| *method == operation.method)
    }
}

/// Who makes a request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    pub role: Role,
    pub address: Option<IpAddr>,
    pub request_id: Arc<str>,
    pub at: Timestamp,
}

impl Caller {
    /// An entry of the trail about what this caller does.
    pub fn draft(&self, action: &str, target: impl Into<String>) -> AuditDraft {
        AuditDraft {
            at: self.at,
            actor: self.actor.to_string(),
            address: self.address.map(|address| address.to_string()).unwrap_or_default(),
            request_id: self.request_id.to_string(),
            action: action.to_owned(),
            target: target.into(),
            outcome: "done".to_owned(),
        }
    }
}

/// What is left of a limit, on its way into the answer.
#[derive(Debug, Clone)]
pub struct LimitNote {
    limit: Arc<Limit>,
    remaining: u32,
    reset: Duration,
}

impl LimitNote {
    /// Writes `RateLimit` and `RateLimit-Policy`.
    pub fn write(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(policy) = &self.limit.policy {
            headers.insert(RATE_LIMIT_POLICY, policy.clone());
        }
        let name = &self.limit.rule.name;
        let left = format!("\"{name}\";r={};t={}", self.remaining, whole_secs(self.reset));
        if let Ok(left) = HeaderValue::try_from(left) {
            headers.insert(RATE_LIMIT, left);
        }
    }
}

/// Rounded up, so that whoever waits so long has waited long enough.
fn whole_secs(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The settings, and the limit of each operation by its index.
struct Current {
    settings: DoorSettings,
    limits: Vec<Arc<Limit>>,
}

/// The limit of an operation, and what its answers say of it.
#[derive(Debug)]
struct Limit {
    rule: LimitRule,
    /// None when the name of the rule cannot stand in a header.
    policy: Option<HeaderValue>,
}

impl Limit {
    fn new(rule: LimitRule) -> Self {
        let (LimitRule { name, quota }, secs) = (&rule, whole_secs(rule.quota.window));
        let policy = format!("\"{name}\";q={};w={secs}", quota.requests);
        Self { policy: HeaderValue::try_from(policy).ok(), rule }
    }
}

/// Stands between the front and the resources.
pub struct Doors {
    access: Arc<Access>,
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    operations: Operations,
    current: ArcSwap<Current>,
}

impl Doors {
    pub fn new(
        access: Arc<Access>,
        limiter: Arc<dyn Limiter>,
        clock: Arc<dyn Clock>,
        operations: Operations,
        settings: DoorSettings,
    ) -> Self {
        let current = ArcSwap::from_pointee(Current::new(settings, &operations));
        Self { access, limiter, clock, operations, current }
    }

    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Obeys other settings from now on.
    pub fn change(&self, settings: DoorSettings) {
        self.current.store(Arc::new(Current::new(settings, &self.operations)));
    }

    /// Refuses pages of foreign hosts: a web page must not drive a service on the reader's machine
    /// by pointing its own name at it, nor by sending requests across.
    ///
    /// # Errors
    /// 403 that names the setting.
    pub fn check_host(&self, request: &Request) -> Result<(), ApiError> {
        let current = self.current.load();
        let allowed = &current.settings.allowed_hosts;
        let origin = text_of(request, &header::ORIGIN);
        let may_cross = origin.is_some_and(|origin| self.may_cross(&current.settings, origin));
        if !allowed.is_empty() {
            let authority = text_of(request, &header::HOST)
                .or_else(|| request.uri().authority().map(Authority::as_str))
                .unwrap_or_default();
            let host = host_of(authority);
            if !is_allowed(allowed, host) {
                return Err(refused(format!(
                    "the host name `{}` is not served; name it in `server.allowed_hosts`",
                    host.chars().filter(|c| !c.is_control()).take(80).collect::<String>()
                )));
            }
            if !may_cross && origin.is_some_and(|origin| !is_allowed(allowed, origin_host(origin)))
            {
                return Err(refused(
                    "a page of another origin may not use this service; name its host in \
                     `server.allowed_hosts`, or its origin in `server.cors_origins`",
                ));
            }
        }
        // Browsers say so themselves; following a link to a page is fine.
        let is_cross_site = text_of(request, &SEC_FETCH_SITE) == Some("cross-site");
        let follows_link = text_of(request, &SEC_FETCH_MODE) == Some("navigate")
            && request.method() == Method::GET;
        if is_cross_site && !follows_link && !may_cross {
            return Err(refused(
                "a page of another site may not use this service; name its origin in \
                 `server.cors_origins`",
            ));
        }
        Ok(())
    }

    fn may_cross(&self, settings: &DoorSettings, origin: &str) -> bool {
        settings.cors_origins.iter().any(|allowed| match allowed.as_str() {
            // An open service would be at the mercy of every page.
            "*" => !self.access.is_open(),
            allowed => allowed.eq_ignore_ascii_case(origin),
        })
    }

    /// The origin to be named in the answer, when its pages may read it.
    pub fn cross_origin(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        let may = self.may_cross(&self.current.load().settings, origin.to_str().ok()?);
        may.then(|| origin.clone())
    }

    /// Lets a request through to its operation, or says why not. What is left of its limit comes
    /// along for the answer.
    pub async fn admit(
        &self,
        request: &Request,
        operation: &Operation,
        request_id: &Arc<str>,
    ) -> (Option<LimitNote>, Result<Option<Caller>, ApiError>) {
        let Needs::Role(needed) = operation.needs else { return (None, Ok(None)) };
        let current = self.current.load_full();
        let peer = request.remote_addr().as_socket_addr();
        let peer = peer.map(|address| address.ip().to_canonical());
        let trusted = &current.settings.trusted_proxies;
        let (address, forwarded) = origin_of(peer, request.headers(), trusted);
        let identified = self.access.identify(presented(request), forwarded);
        let at = self.clock.now();
        let client = match identified {
            Ok(Identity { actor: Actor::Key(id), .. }) => Some(Client::Key(id)),
            Ok(Identity { actor: Actor::ConfiguredKey, .. }) => Some(Client::ConfiguredKey),
            Ok(_) => None,
            Err(_) => address.map(Client::of_address),
        };
        let mut note = None;
        if let Some(client) = client {
            let limit = Arc::clone(&current.limits[operation.index]);
            match self.limiter.check(&limit.rule, client).await {
                LimitDecision::Allowed { remaining, reset } => {
                    note = Some(LimitNote { limit, remaining, reset });
                }
                LimitDecision::Denied { retry_after } => {
                    metrics::limited(operation.id);
                    let error = limited(&limit.rule, retry_after);
                    let note = LimitNote { limit, remaining: 0, reset: retry_after };
                    return (Some(note), Err(error));
                }
            }
        }
        let caller =
            |actor, role| Caller { actor, role, address, request_id: Arc::clone(request_id), at };
        let (reason, error, caller) = match identified {
            Ok(Identity { actor, role }) if role >= needed => {
                return (note, Ok(Some(caller(actor, role))));
            }
            Ok(Identity { actor, role }) => {
                let detail = format!(
                    "this needs a key with the role `{needed}`; yours has the role `{role}`"
                );
                let error = ApiError::new(StatusCode::FORBIDDEN, "role-missing", detail);
                ("role", error, caller(actor, role))
            }
            Err(refusal) => {
                let error = unauthorised(refusal, forwarded);
                (refusal.name(), error, caller(Actor::Anonymous, Role::Read))
            }
        };
        metrics::access_refused(reason);
        let target = format!("{} {}", operation.method, operation.path);
        let draft = caller.draft("access.refused", target);
        let outcome = format!("refused: {reason}");
        self.access.note_refusal(AuditDraft { outcome, ..draft }).await;
        (note, Err(error))
    }
}

impl Current {
    fn new(settings: DoorSettings, operations: &Operations) -> Self {
        let default = LimitRule { name: "default".into(), quota: settings.quota };
        let rule = |operation: &Operation| {
            let own = settings.routes.iter().rev().find(|route| route.applies_to(operation));
            match own {
                // The methods of a path share its limit, unless it is for one of them.
                Some(RouteLimit { method, path, quota }) => {
                    let name = match method {
                        Some(method) => format!("{method} {path}"),
                        None => path.clone(),
                    };
                    LimitRule { name: name.into(), quota: *quota }
                }
                None => default.clone(),
            }
        };
        let limits = operations.all().iter().map(rule).map(Limit::new).map(Arc::new).collect();
        Self { settings, limits }
    }
}

/// The text of a header; poem's own way to it parses the name each time.
pub(super) fn text_of<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// The key of a request.
fn presented(request: &Request) -> Option<&str> {
    let bearer = text_of(request, &header::AUTHORIZATION).and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| text_of(request, &X_API_KEY))
}

/// The address of the client, and whether somebody between has passed the request on.
///
/// Of `X-Forwarded-For` the last address that is no trusted proxy counts: what stands before it
/// can be invented by the client.
fn origin_of(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &[ipnet::IpNet],
) -> (Option<IpAddr>, bool) {
    let forwarded =
        headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !peer.as_ref().is_some_and(is_trusted) {
        return (peer, forwarded);
    }
    let given = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = given.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        // A text that is no address ends what can be believed.
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = Some(address.to_canonical());
        if !is_trusted(&address.to_canonical()) {
            break;
        }
    }
    (client, forwarded)
}

fn unauthorised(refusal: Refusal, forwarded: bool) -> ApiError {
    let (code, detail) = match refusal {
        Refusal::Missing if forwarded => (
            "key-missing",
            "a request that was passed on needs a key: send it as `Authorization: Bearer tkd_…`",
        ),
        Refusal::Missing => (
            "key-missing",
            "this service needs a key: send it as `Authorization: Bearer tkd_…` or `X-API-Key`",
        ),
        Refusal::Unknown => ("key-unknown", "the service does not know this key"),
        Refusal::Revoked => ("key-revoked", "this key was revoked"),
        Refusal::Expired => ("key-expired", "this key has expired"),
    };
    ApiError::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn limited(rule: &LimitRule, retry_after: Duration) -> ApiError {
    let Quota { requests, window } = rule.quota;
    let secs = whole_secs(retry_after).max(1);
    let detail = format!(
        "at most {requests} requests in {} s here; come back in {secs} s",
        whole_secs(window)
    );
    ApiError {
        retry_after_secs: Some(secs),
        ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail)
    }
}

fn refused(detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "host-not-allowed", detail)
}

fn is_allowed(allowed: &[String], host: &str) -> bool {
    allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

fn origin_host(origin: &str) -> &str {
    host_of(origin.split_once("://").map_or(origin, |(_, authority)| authority))
}

/// The host in `host:port`, `[::1]:port` or either without a port.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_told_from_the_port() {
        for (authority, host) in
            [("localhost:8000", "localhost"), ("[::1]:80", "::1"), ("127.0.0.1", "127.0.0.1")]
        {
            assert_eq!(host_of(authority), host);
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_about_its_client() {
        let proxy: Vec<ipnet::IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        for (from, header, expected) in [
            ("192.0.2.1", Some("198.51.100.7"), "192.0.2.1"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", Some("198.51.100.7"), "198.51.100.7"),
            ("10.0.0.1", Some("1.1.1.1, 198.51.100.7, 10.0.0.2"), "198.51.100.7"),
            ("10.0.0.1", Some("198.51.100.7, nonsense"), "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert("x-forwarded-for", HeaderValue::from_static(value));
            }
            let (client, forwarded) = origin_of(from.parse().ok(), &headers, &proxy);
            assert_eq!(client.map(|client| client.to_string()).as_deref(), Some(expected));
            assert_eq!(forwarded, header.is_some());
        }
    }
}
