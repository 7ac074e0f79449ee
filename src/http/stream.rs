//! The live stream, as server-sent events and over a WebSocket: the same messages on both.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::Data;
use poem::web::websocket::{
    BoxWebSocketUpgraded, CloseCode, Message, WebSocket, WebSocketConfig, WebSocketStream,
};
use poem::{Body, IntoResponse, Response};
use poem_openapi::param::{Header, Query};
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::{ApiResponse, OpenApi};

use super::doors::Caller;
use super::error::ApiError;
use super::params::{PauseParam, SequenceParam, StreamTypes, SymbolsParam, TypesParam};
use super::{Services, Tag};
use crate::model::{Actor, Sequence};
use crate::ports::{Clock, LogEntry};
use crate::services::access::Access;
use crate::services::live::{
    Delivery, EndReason, Filter, Live, Request, SubscribeError, Subscription,
};
use crate::telemetry::metrics;

/// Something is sent at least this often, so that both sides notice when the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a WebSocket client may take to accept what is sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// When to come back after the stream has ended.
const RETRY: Duration = Duration::from_secs(1);
/// Clients of the WebSocket have nothing to say; this bounds what they may send.
const MAX_CLIENT_MESSAGE_BYTES: usize = 4 * 1024;

pub struct StreamApi {
    live: Arc<Live>,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
}

impl StreamApi {
    pub fn new(services: &Services) -> Self {
        Self {
            live: Arc::clone(&services.live),
            access: Arc::clone(&services.access),
            clock: Arc::clone(&services.clock),
        }
    }

    async fn subscribe(
        &self,
        symbols: Option<SymbolsParam>,
        types: Option<TypesParam>,
        since: Option<SequenceParam>,
        conflate: Option<PauseParam>,
        caller: &Caller,
    ) -> Result<Reader, ApiError> {
        let types = types.map_or(StreamTypes::ALL, |types| types.0);
        let request = Request {
            filter: Filter {
                symbols: symbols.map(|symbols| symbols.0.into_iter().collect()),
                prices: types.prices,
                averages: types.averages,
            },
            since: since.map(|since| since.0),
            conflate: conflate.map(|pause| pause.0),
        };
        let subscription = self.live.subscribe(request).await.map_err(|error| match error {
            SubscribeError::Store(error) => error.into(),
            SubscribeError::Full(_) => unavailable("too-many-streams", &error, 5),
            SubscribeError::Stopping => unavailable("stopping", &error, 1),
        })?;
        let (access, clock) = (Arc::clone(&self.access), Arc::clone(&self.clock));
        Ok(Reader { subscription, actor: caller.actor, access, clock })
    }
}

fn unavailable(code: &'static str, error: &SubscribeError, retry_after_secs: u64) -> ApiError {
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string());
    ApiError { retry_after_secs: Some(retry_after_secs), ..error }
}

#[OpenApi(tag = "Tag::Streams")]
impl StreamApi {
    /// Prices and averages as they are stored, as server-sent events
    ///
    /// `event: price` has `{symbol, price, timestamp, provider, currency, received_at, price_id,
    /// kind}`, where `kind` is `price.recorded`, `price.corrected` or `price.deleted`; `event:
    /// average` has `{symbol, window, moving_average, timestamp}`. The `id` of a message is its
    /// place in the log of changes: sent back as `Last-Event-ID` (or `since`) the stream continues
    /// behind it without gap or double, also over a restart of the service. Where the log no longer
    /// reaches back that far, the first message is `event: reset`: read again what you know.
    /// `event: end` says why the service closes the stream: it stops, the client is too slow, the
    /// store fails, or the key was revoked or has expired. A comment is sent every 15 s.
    #[oai(path = "/v1/stream", method = "get", operation_id = "stream")]
    async fn stream(
        &self,
        /// Only these, as `AAPL,BTC-USD,EUR/USD`; all when left out
        symbols: Query<Option<SymbolsParam>>,
        /// Only these of `price` and `average`, with a comma between them
        types: Query<Option<TypesParam>>,
        /// Continue behind this `id`; from now on when left out
        since: Query<Option<SequenceParam>>,
        /// Deliver at most once in this time (`250ms`), and of prices and averages only the newest
        conflate: Query<Option<PauseParam>>,
        /// As `since`, and before it: browsers send it when they reconnect
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<SequenceParam>>,
        caller: Data<&Caller>,
    ) -> Result<EventStream, ApiError> {
        let since = last_event_id.0.or(since.0);
        let resumed = since.is_some();
        let reader = self.subscribe(symbols.0, types.0, since, conflate.0, &caller).await?;
        Ok(EventStream { reader, resumed })
    }

    /// The messages of `/v1/stream` over a WebSocket
    ///
    /// Each is a text `{"type": …, "id": …, "data": …}`. The service closes with code 1001 when it
    /// stops, 1008 when the client is too slow or its key was revoked or has expired, and 1011 when
    /// the store fails. What a client sends is not read.
    #[oai(path = "/v1/ws", method = "get", operation_id = "stream_ws")]
    async fn websocket(
        &self,
        /// Only these, as `AAPL,BTC-USD,EUR/USD`; all when left out
        symbols: Query<Option<SymbolsParam>>,
        /// Only these of `price` and `average`, with a comma between them
        types: Query<Option<TypesParam>>,
        /// Continue behind this `id`; from now on when left out
        since: Query<Option<SequenceParam>>,
        /// Deliver at most once in this time (`250ms`), and of prices and averages only the newest
        conflate: Query<Option<PauseParam>>,
        websocket: WebSocket,
        caller: Data<&Caller>,
    ) -> Result<Upgrade, ApiError> {
        let reader = self.subscribe(symbols.0, types.0, since.0, conflate.0, &caller).await?;
        let config = WebSocketConfig::default().max_message_size(Some(MAX_CLIENT_MESSAGE_BYTES));
        let upgrade = websocket.config(config).on_upgrade(move |socket| async move {
            if let Err(error) = talk(socket, reader).await {
                tracing::debug!(%error, "a WebSocket ended early");
            }
        });
        Ok(Upgrade(upgrade.boxed()))
    }
}

/// A message in both its forms.
struct Outgoing {
    kind: &'static str,
    id: Sequence,
    /// JSON.
    data: String,
}

impl Outgoing {
    /// The names and times in it are of character sets that JSON needs no escapes for.
    fn entry(entry: &LogEntry) -> Self {
        let id = entry.sequence();
        match entry {
            LogEntry::Price(event) => Self {
                kind: "price",
                id,
                data: format!(
                    r#"{{"symbol":"{}","price":{},"timestamp":"{}","provider":"{}","currency":"{}","received_at":"{}","price_id":{},"kind":"{}"}}"#,
                    event.symbol,
                    event.price.decimal(),
                    event.observed_at,
                    event.provider,
                    event.currency,
                    event.received_at,
                    event.price_id,
                    event.kind.name()
                ),
            },
            LogEntry::Average { average, .. } => Self {
                kind: "average",
                id,
                data: format!(
                    r#"{{"symbol":"{}","window":{},"moving_average":{},"timestamp":"{}"}}"#,
                    average.symbol,
                    average.window,
                    average.mean.decimal(),
                    average.at.observed_at
                ),
            },
        }
    }

    fn reset(position: Sequence, log_start: Sequence) -> Self {
        let data = format!(r#"{{"position":{position},"log_start":{log_start}}}"#);
        Self { kind: "reset", id: position, data }
    }

    fn end(position: Sequence, reason: EndReason) -> Self {
        let data = format!(r#"{{"reason":"{}"}}"#, reason.name());
        Self { kind: "end", id: position, data }
    }

    fn write_event(&self, text: &mut String) {
        let Self { kind, id, data } = self;
        // Writing into a String does not fail.
        let _ = write!(text, "event: {kind}\nid: {id}\ndata: {data}\n\n");
    }

    fn into_text(self) -> String {
        let Self { kind, id, data } = self;
        format!(r#"{{"type":"{kind}","id":{id},"data":{data}}}"#)
    }
}

/// A subscription, and whose it is.
struct Reader {
    subscription: Subscription,
    actor: Actor,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
}

impl Reader {
    /// The next messages, and whether they are the last; none when it is time for a heartbeat.
    async fn next(&mut self) -> Option<(Vec<Outgoing>, Option<EndReason>)> {
        let position = self.subscription.delivered();
        let delivery = tokio::select! {
            biased;
            delivery = self.subscription.next() => Some(delivery),
            () = self.clock.sleep(HEARTBEAT) => None,
        };
        // A stream may outlive the key that it was opened with.
        let (delivery, position) = if self.access.still_admits(self.actor) {
            (delivery?, self.subscription.delivered())
        } else {
            // What it withholds is still to be had from the same position, with another key.
            (Delivery::Ended(EndReason::Refused), position)
        };
        let (messages, end) = match delivery {
            Delivery::Entries(entries) => {
                (entries.iter().map(|entry| Outgoing::entry(entry)).collect(), None)
            }
            Delivery::Reset { position, log_start } => {
                (vec![Outgoing::reset(position, log_start)], None)
            }
            Delivery::Ended(reason) => {
                metrics::stream_ended(reason.name());
                (vec![Outgoing::end(position, reason)], Some(reason))
            }
        };
        metrics::stream_messages(messages.len() as u64);
        Some((messages, end))
    }
}

/// The answer of `/v1/stream`.
pub struct EventStream {
    reader: Reader,
    resumed: bool,
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let Self { reader, resumed } = self;
        let retry = format!("retry: {}\n", RETRY.as_millis());
        let told = reader.subscription.delivered();
        // An id without data is no message: it only tells the client where it would resume. For a
        // subscription whose symbols are quiet it keeps that place within the log's reach. A client
        // that resumes has it already.
        let first = if resumed { format!("{retry}\n") } else { format!("{retry}id: {told}\n\n") };
        let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(first))]);
        let rest = futures_util::stream::unfold(Some((reader, told)), async |state| {
            let (mut reader, mut told) = state?;
            let mut text = String::new();
            let mut ended = false;
            match reader.next().await {
                None => {
                    text.push_str(": heartbeat\n");
                    if reader.subscription.delivered() > told {
                        told = reader.subscription.delivered();
                        let _ = writeln!(text, "id: {told}");
                    }
                    text.push('\n');
                }
                Some((messages, end)) => {
                    messages.iter().for_each(|message| message.write_event(&mut text));
                    told = messages.last().map_or(told, |message| message.id);
                    ended = end.is_some();
                }
            }
            Some((Ok(Bytes::from(text)), (!ended).then_some((reader, told))))
        });
        Response::builder()
            .content_type("text/event-stream")
            .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
            // Proxies of the nginx kind hold answers back otherwise.
            .header("x-accel-buffering", "no")
            .body(Body::from_bytes_stream(first.chain(rest).map(|part| {
                part.map_err(|never: Infallible| -> std::io::Error { match never {} })
            })))
    }
}

impl ApiResponse for EventStream {
    fn meta() -> MetaResponses {
        let media = MetaMediaType {
            content_type: "text/event-stream",
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
        };
        answer(200, "The stream", vec![media])
    }

    fn register(_registry: &mut Registry) {}
}

/// The answer of `/v1/ws`.
pub struct Upgrade(BoxWebSocketUpgraded);

impl IntoResponse for Upgrade {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl ApiResponse for Upgrade {
    fn meta() -> MetaResponses {
        answer(101, "The connection is a WebSocket from here on", Vec::new())
    }

    fn register(_registry: &mut Registry) {}
}

fn answer(status: u16, description: &'static str, content: Vec<MetaMediaType>) -> MetaResponses {
    let status = Some(status);
    let headers = Vec::new();
    MetaResponses {
        responses: vec![MetaResponse { description, status, status_range: None, content, headers }],
    }
}

/// Serves one WebSocket until either side ends it.
async fn talk(socket: WebSocketStream, mut reader: Reader) -> std::io::Result<()> {
    let (mut sink, mut incoming) = socket.split();
    loop {
        let next = tokio::select! {
            next = reader.next() => next,
            // Read so that pings are answered and a closed connection is noticed.
            heard = incoming.next() => match heard {
                None | Some(Ok(Message::Close(_))) => return Ok(()),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error),
            },
        };
        let (messages, end) = match next {
            None => (vec![Message::ping(Vec::new())], None),
            Some((messages, end)) => (
                messages.into_iter().map(|message| Message::text(message.into_text())).collect(),
                end,
            ),
        };
        let send = async {
            for message in messages {
                sink.feed(message).await?;
            }
            if let Some(reason) = end {
                let code = match reason {
                    EndReason::Stopping => CloseCode::Away,
                    EndReason::TooSlow | EndReason::Refused => CloseCode::Policy,
                    EndReason::StoreFailed => CloseCode::Error,
                };
                sink.feed(Message::close_with(code, reason.name())).await?;
            }
            sink.flush().await
        };
        tokio::select! {
            sent = send => sent?,
            () = reader.clock.sleep(SEND_TIMEOUT) => {
                return Err(std::io::Error::from(std::io::ErrorKind::TimedOut));
            }
        }
        if end.is_some() {
            return Ok(());
        }
    }
}
