//! Floor 4: the REST resources, what stands before them, and the server.
//!
//! A request passes `server` (connections, deadlines) → `front` (request id, host, aliases, query
//! names, problem bodies, metrics) → the resource. Resources read, call one service, map.

pub mod cursor;
mod docs;
pub mod document;
pub mod doors;
pub mod error;
pub mod front;
mod json;
pub mod operations;
pub mod params;
pub mod roles;
pub mod server;
mod spec;
pub mod tls;
pub mod values;

pub mod audit;
pub mod averages;
pub mod backup;
pub mod bars;
pub mod batch;
pub mod dead_letters;
pub mod jobs;
pub mod keys;
pub mod prices;
pub mod quotes;
pub mod stream;
pub mod system;

pub mod dashboard;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{EndpointExt, IntoEndpoint, Route};
use poem_openapi::{OpenApi, OpenApiService, Tags};

use crate::model::Window;
use crate::ports::{Clock, Limiter, Store};
use crate::services::access::Access;
use crate::services::assets::AssetLists;
use crate::services::dead_letters::DeadLetters;
use crate::services::gauges::Gauges;
use crate::services::health::Health;
use crate::services::ingest::Ingest;
use crate::services::jobs::Jobs;
use crate::services::live::Live;
use crate::services::query::Query;
use crate::services::quotes::Quotes;
use crate::services::route::Router;
use cursor::Cursors;
use dashboard::Dashboard;
use doors::Doors;
use front::Front;
use operations::Operations;

/// Everything the resources need.
#[derive(Clone)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub ingest: Arc<Ingest>,
    pub query: Arc<Query>,
    pub live: Arc<Live>,
    pub quotes: Arc<Quotes>,
    pub router: Arc<Router>,
    pub assets: Arc<AssetLists>,
    pub jobs: Arc<Jobs>,
    pub dead_letters: Arc<DeadLetters>,
    pub health: Arc<Health>,
    pub backup: backup::OpenBackup,
    pub gauges: Arc<Gauges>,
    pub access: Arc<Access>,
    pub limiter: Arc<dyn Limiter>,
    pub cursors: Cursors,
    pub clock: Arc<dyn Clock>,
    /// Renders `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What configuration says about the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// How old the newest price may be before it is stale, unless the request says otherwise.
    pub quote_max_age: Duration,
    /// The interval of a polling job that names neither one nor a pattern.
    pub job_interval: Duration,
    /// The window of an average when the request names none.
    pub default_window: Window,
    /// Bytes of a JSON body; batches are not bound by it.
    pub max_body_bytes: usize,
    /// Bytes of a batch.
    pub max_batch_bytes: u64,
    /// How long a client may take to send a body, and between two parts of a batch.
    pub body_timeout: Duration,
    /// Hosts, origins, proxies and limits.
    pub doors: doors::DoorSettings,
    /// Some prices are replayed or simulated, and every answer says so.
    pub demo: bool,
    pub version: &'static str,
    pub mode: &'static str,
    /// Every setting, as it may be shown; replaced when settings change.
    pub shown: Arc<ArcSwap<Vec<ShownSetting>>>,
}

/// A setting and who set it, for people to read: secrets are masked.
#[derive(Debug, Clone)]
pub struct ShownSetting {
    pub key: String,
    pub value: serde_json::Value,
    /// A file, a variable, a flag or `default`.
    pub origin: String,
}

#[derive(Tags)]
enum Tag {
    /// Prices, their versions and their symbols
    Prices,
    /// Newest prices from the providers, and how the providers do
    Quotes,
    /// Polling jobs
    Jobs,
    /// Moving averages
    Averages,
    /// Open-high-low-close bars
    Bars,
    /// Changes as they happen
    Streams,
    /// Deliveries that were given up
    #[oai(rename = "Dead letters")]
    DeadLetters,
    /// Keys, and the trail of who did what
    Access,
    /// Is the service alive, ready, and what does it measure
    System,
}

type Resources = (
    prices::PricesApi,
    prices::OldSymbolsApi,
    batch::BatchApi,
    quotes::QuotesApi,
    jobs::JobsApi,
    averages::AveragesApi,
    bars::BarsApi,
    stream::StreamApi,
    dead_letters::DeadLettersApi,
    backup::BackupApi,
    keys::KeysApi,
    audit::AuditApi,
    system::ProbesApi,
    system::SystemApi,
);

fn document(services: &Services, settings: &ApiSettings) -> OpenApiService<Resources, ()> {
    let resources = (
        prices::PricesApi::new(services, settings),
        prices::OldSymbolsApi::new(services),
        batch::BatchApi::new(services, settings),
        quotes::QuotesApi::new(services, settings),
        jobs::JobsApi::new(services, settings),
        averages::AveragesApi::new(services, settings),
        bars::BarsApi::new(services),
        stream::StreamApi::new(services),
        dead_letters::DeadLettersApi::new(services),
        backup::BackupApi::new(services),
        keys::KeysApi::new(services),
        audit::AuditApi::new(services),
        system::ProbesApi::new(services),
        system::SystemApi::new(services, settings),
    );
    OpenApiService::new(resources, "tickerd", settings.version)
        .description("Prices from several providers, kept durably, averaged and served.")
}

/// Every path of the document, with its methods.
pub fn paths() -> BTreeMap<String, Vec<Method>> {
    let mut paths = BTreeMap::<_, Vec<Method>>::new();
    for path in Resources::meta().into_iter().flat_map(|api| api.paths) {
        let methods = path.operations.into_iter().map(|operation| operation.method);
        paths.entry(path.path).or_default().extend(methods);
    }
    paths
}

/// The `OpenAPI` document as pretty JSON.
pub fn openapi_json(services: &Services, settings: &ApiSettings) -> String {
    let document = document::complete(&spec::with_nulls(&document(services, settings).spec()));
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// Health, readiness and metrics alone, for a process that does not serve the API, and its doors.
pub fn probes(services: &Services, settings: &ApiSettings) -> (BoxEndpoint<'static>, Arc<Doors>) {
    let api = OpenApiService::new(system::ProbesApi::new(services), "tickerd", settings.version);
    let document = document::complete(&api.spec());
    let doors = doors_of(services, settings, &document);
    let (operations, no_pages) = (api.into_endpoint(), Route::new());
    let clock = services.clock.as_ref();
    let front = Front::new(operations, no_pages, Arc::clone(&doors), settings.clone(), clock);
    (front.boxed(), doors)
}

fn doors_of(
    services: &Services,
    settings: &ApiSettings,
    document: &serde_json::Value,
) -> Arc<Doors> {
    Arc::new(Doors::new(
        Arc::clone(&services.access),
        Arc::clone(&services.limiter),
        Arc::clone(&services.clock),
        Operations::of_document(document),
        settings.doors.clone(),
    ))
}

/// The whole API, ready to be served, and its doors, whose settings may change meanwhile.
pub fn endpoint(services: &Services, settings: &ApiSettings) -> (BoxEndpoint<'static>, Arc<Doors>) {
    let api = document(services, settings);
    let known = api.spec();
    let document = document::complete(&spec::with_nulls(&known));
    let doors = doors_of(services, settings, &document);
    // The page comes with the document as poem-openapi knows it, and gets the whole one.
    let docs = docs::page(api.swagger_ui_html().replacen(&known, &document.to_string(), 1));
    let spec = Arc::new(serde_json::to_string_pretty(&document).unwrap_or_default());
    let spec = poem::get(poem::endpoint::make_sync(move |_| {
        poem::Response::builder().content_type("application/json").body(String::clone(&spec))
    }));
    let pages = Dashboard::before(Route::new().at("/docs", docs).at("/openapi.json", spec));
    let (operations, clock) = (api.into_endpoint(), services.clock.as_ref());
    let front = Front::new(operations, pages, Arc::clone(&doors), settings.clone(), clock);
    (front.boxed(), doors)
}
