//! `POST /prices/batch`: many prices in one request, read as they arrive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object, OpenApi};

use super::doors::Caller;
use super::error::ApiError;
use super::prices::NewPrice;
use super::{ApiSettings, Services, Tag};
use crate::services::bulk::{Bulk, BulkError, BulkOptions, BulkReport};
use crate::services::draft::TimeFormat;
use crate::services::ingest::Ingest;
use crate::services::rows::{Columns, RowFormat};

/// What is read away behind rows that cannot be read.
const MAX_READ_AWAY_BYTES: usize = 8 << 20;

/// What became of the rows. Rows that count as stored or duplicates are durable.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct BatchReport {
    pub read: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub rejected: u64,
    /// The first 1,000 rejected rows
    pub errors: Vec<RowError>,
}

/// Why a row was not stored.
#[derive(Debug, Object)]
#[oai(read_only_all)]
pub struct RowError {
    /// The line in CSV and NDJSON, the place in a JSON array, from 1
    pub line: u64,
    pub detail: String,
}

impl From<BulkReport> for BatchReport {
    fn from(report: BulkReport) -> Self {
        let errors = report.errors.into_iter();
        Self {
            read: report.n_read,
            stored: report.n_stored,
            duplicates: report.n_duplicates,
            rejected: report.n_rejected,
            errors: errors.map(|(line, detail)| RowError { line, detail }).collect(),
        }
    }
}

/// A body of rows that has not been read yet.
struct RowsBody {
    format: RowFormat,
    body: Body,
}

const FORMATS: [(&str, RowFormat); 3] = [
    ("application/json", RowFormat::JsonArray),
    ("application/x-ndjson", RowFormat::Ndjson),
    ("text/csv", RowFormat::Csv),
];

impl<'a> ApiExtractor<'a> for RowsBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        NewPrice::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let text = || MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let content = FORMATS
            .into_iter()
            .map(|(content_type, format)| MetaMediaType {
                content_type,
                schema: match format {
                    RowFormat::JsonArray => Vec::<NewPrice>::schema_ref(),
                    RowFormat::Ndjson | RowFormat::Csv => text(),
                },
            })
            .collect();
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let content_type = request.header(header::CONTENT_TYPE).unwrap_or("application/json");
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let format = FORMATS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(essence));
        let Some((_, format)) = format else {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "send rows as application/json, application/x-ndjson or text/csv",
            )
            .into());
        };
        Ok(Self { format, body: body.take()? })
    }
}

pub struct BatchApi {
    ingest: Arc<Ingest>,
    max_bytes: u64,
    timeout: Duration,
}

impl BatchApi {
    pub fn new(services: &Services, settings: &ApiSettings) -> Self {
        Self {
            ingest: Arc::clone(&services.ingest),
            max_bytes: settings.max_batch_bytes,
            timeout: settings.body_timeout,
        }
    }

    /// Reads all rows. What follows those that cannot be read is read away up to a limit, because a
    /// client that is still sending when the connection closes never sees the answer.
    async fn read(&self, bulk: &mut Bulk, body: Body) -> Result<(), ApiError> {
        let mut parts = body.into_bytes_stream();
        let outcome = self.read_rows(bulk, &mut parts).await;
        if outcome.as_ref().is_err_and(|error| error.status == StatusCode::BAD_REQUEST) {
            let mut n_bytes = 0;
            let rest = async {
                while let Some(Ok(part)) = parts.next().await {
                    n_bytes += part.len();
                    if n_bytes > MAX_READ_AWAY_BYTES {
                        break;
                    }
                }
            };
            // Whether it came in time or not, the answer is the same.
            let _ = tokio::time::timeout(self.timeout, rest).await;
        }
        outcome
    }

    async fn read_rows(
        &self,
        bulk: &mut Bulk,
        parts: &mut (impl Stream<Item = std::io::Result<Bytes>> + Unpin),
    ) -> Result<(), ApiError> {
        let mut n_bytes = 0_u64;
        loop {
            let part = tokio::time::timeout(self.timeout, parts.next()).await.map_err(|_| {
                let detail = "the body stopped arriving; rows before this may be stored";
                ApiError::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
            })?;
            let Some(part) = part else { return Ok(()) };
            let part = part.map_err(|error| {
                ApiError::new(StatusCode::BAD_REQUEST, "malformed-body", error.to_string())
            })?;
            n_bytes += part.len() as u64;
            if n_bytes > self.max_bytes {
                let detail = format!("a batch has at most {} bytes", self.max_bytes);
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
            }
            bulk.feed(&part).await?;
        }
    }
}

#[OpenApi(prefix_path = "/prices", tag = "Tag::Prices")]
impl BatchApi {
    /// Store many prices
    ///
    /// Rows come as a JSON array, as NDJSON or as CSV with a header line, with the fields of
    /// `POST /prices`. A rejected row does not stop the rest. Rows are stored in portions; when the
    /// request ends early, send all of it again: what was stored counts as duplicates.
    #[oai(path = "/batch", method = "post", operation_id = "store_prices")]
    async fn store(
        &self,
        caller: Data<&Caller>,
        rows: RowsBody,
    ) -> Result<Json<BatchReport>, ApiError> {
        let columns = Columns { refuse_unknown: true, ..Columns::default() };
        // An entry for each portion that is stored.
        let ingest = self.ingest.audited(caller.draft("price.batch", ""));
        let mut bulk = Bulk::new(
            Arc::new(ingest),
            BulkOptions {
                format: rows.format,
                columns,
                time_format: TimeFormat::Rfc3339,
                number_repeats: false,
            },
        );
        self.read(&mut bulk, rows.body).await?;
        let (report, outcome) = bulk.finish().await;
        outcome?;
        Ok(Json(report.into()))
    }
}

impl From<BulkError> for ApiError {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Unreadable(error) => {
                Self::new(StatusCode::BAD_REQUEST, "malformed-body", error.to_string())
            }
            BulkError::Store(error) => error.into(),
        }
    }
}
