//! Floor 4: the REST resources, what stands before them, and the server.
//!
//! A request passes `server` (connections, deadlines) → `front` (request id, host, aliases, query
//! names, problem bodies, metrics) → the resource. Resources read, call one service, map.

pub mod error;
pub mod front;
pub mod params;
pub mod query_names;
pub mod server;
mod spec;
pub mod values;

pub mod averages;
pub mod bars;
pub mod batch;
pub mod jobs;
pub mod prices;
pub mod quotes;
pub mod stream;
pub mod system;

pub mod dashboard;

use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Route};
use poem_openapi::{OpenApiService, Tags};

use crate::model::Window;
use crate::ports::{Clock, Store};
use crate::services::assets::AssetLists;
use crate::services::gauges::Gauges;
use crate::services::health::Health;
use crate::services::ingest::Ingest;
use crate::services::jobs::Jobs;
use crate::services::live::Live;
use crate::services::query::Query;
use crate::services::quotes::Quotes;
use crate::services::route::Router;

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
    pub health: Arc<Health>,
    pub gauges: Arc<Gauges>,
    pub clock: Arc<dyn Clock>,
    /// Renders `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What configuration says about the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// How old the newest price may be before it is stale, unless the request says otherwise.
    pub quote_max_age: Duration,
    /// The window of an average when the request names none.
    pub default_window: Window,
    /// Bytes of a JSON body; batches are not bound by it.
    pub max_body_bytes: usize,
    /// Bytes of a batch.
    pub max_batch_bytes: u64,
    /// How long a client may take to send a body, and between two parts of a batch.
    pub body_timeout: Duration,
    /// Host names answered to; empty means all.
    pub allowed_hosts: Vec<String>,
    /// Some prices are replayed or simulated, and every answer says so.
    pub demo: bool,
    pub version: &'static str,
    pub mode: &'static str,
    /// Every setting, as it may be shown.
    pub shown: Vec<ShownSetting>,
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
    system::ProbesApi,
    system::SystemApi,
);

fn document(services: &Services, settings: &ApiSettings) -> OpenApiService<Resources, ()> {
    let resources = (
        prices::PricesApi::new(services, settings),
        prices::OldSymbolsApi::new(services),
        batch::BatchApi::new(services, settings),
        quotes::QuotesApi::new(services, settings),
        jobs::JobsApi::new(services),
        averages::AveragesApi::new(services, settings),
        bars::BarsApi::new(services),
        stream::StreamApi::new(services),
        system::ProbesApi::new(services),
        system::SystemApi::new(services, settings),
    );
    OpenApiService::new(resources, "tickerd", settings.version)
        .description("Prices from several providers, kept durably, averaged and served.")
}

/// The `OpenAPI` document as pretty JSON.
pub fn openapi_json(services: &Services, settings: &ApiSettings) -> String {
    spec::with_nulls(&document(services, settings).spec())
}

/// Health, readiness and metrics alone, for a process that does not serve the API.
pub fn probes(services: &Services, settings: &ApiSettings) -> BoxEndpoint<'static> {
    let api = OpenApiService::new(system::ProbesApi::new(services), "tickerd", settings.version);
    let names = query_names::QueryNames::of_document(&api.spec());
    let routes = Route::new().nest("/", api);
    front::Front::new(routes, names, settings.clone(), services.clock.as_ref()).boxed()
}

/// The whole API, ready to be served.
pub fn endpoint(services: &Services, settings: &ApiSettings) -> BoxEndpoint<'static> {
    let api = document(services, settings);
    let spec = spec::with_nulls(&api.spec());
    let names = query_names::QueryNames::of_document(&spec);
    let docs = api.swagger_ui();
    let spec = Arc::new(spec);
    let routes = Route::new().nest("/", api).nest("/docs", docs).at(
        "/openapi.json",
        poem::get(poem::endpoint::make_sync(move |_| {
            poem::Response::builder().content_type("application/json").body(String::clone(&spec))
        })),
    );
    let routes = dashboard::Dashboard::before(routes);
    front::Front::new(routes, names, settings.clone(), services.clock.as_ref()).boxed()
}
