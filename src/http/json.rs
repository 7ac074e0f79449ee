//! JSON answers written straight from their fields: floor 4.
//!
//! poem-openapi's payload of the same name builds a tree of the whole answer first. That cost more
//! than finding the price (docs/benchmarks.md), so the answers that are asked for often or have many
//! rows are [`Written`]; their records say twice what they look like, and a test compares the two.

use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON, Type};
use serde::Serialize;

use super::error::ApiError;

/// An answer in JSON; in the document it looks like [`Json`].
pub struct Written<T>(pub T);

impl<T: Type> Payload for Written<T> {
    const CONTENT_TYPE: &'static str = <Json<T> as Payload>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let mut response = Response::from(Body::from(body));
                let content_type = HeaderValue::from_static(Self::CONTENT_TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
                response
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written");
                ApiError::fault().into_response()
            }
        }
    }
}

impl<T: ToJSON + Serialize> ApiResponse for Written<T> {
    fn meta() -> MetaResponses {
        <Json<T> as ApiResponse>::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::Any;
    use rust_decimal::Decimal;
    use serde_json::json;

    use super::super::averages::AverageRecord;
    use super::super::bars::{BarList, BarRecord};
    use super::super::prices::{LatestRecord, PriceRecord};
    use super::super::values::Exact;
    use super::*;

    fn agree(record: &(impl ToJSON + Serialize)) {
        let written = serde_json::to_value(record).expect("written");
        assert_eq!(Some(written), record.to_json());
    }

    #[test]
    fn what_is_written_is_what_the_document_says() {
        let exact = Exact(Decimal::new(1, 20));
        let text = || "text \"quoted\"".to_owned();
        let price = |volume, external_id, raw_data| PriceRecord {
            id: 7,
            symbol: text(),
            price: exact,
            volume,
            timestamp: text(),
            source: text(),
            currency: text(),
            external_id,
            received_at: text(),
            version: 2,
            raw_data,
        };
        agree(&price(None, None, None));
        agree(&price(Some(exact), Some(text()), Some(Any(json!({"b": [1, null], "a": 0.10})))));
        agree(&LatestRecord {
            symbol: text(),
            price: exact,
            timestamp: text(),
            provider: text(),
            source: text(),
            currency: text(),
            received_at: text(),
            stale: true,
        });
        agree(&AverageRecord {
            symbol: text(),
            moving_average: exact,
            window_size: 5,
            window: 5,
            timestamp: text(),
        });
        let bar = BarRecord {
            timestamp: text(),
            open: exact,
            high: exact,
            low: exact,
            close: exact,
            volume: None,
            count: 3,
            provisional: false,
        };
        agree(&BarList { symbol: text(), interval: text(), bars: vec![bar] });
    }
}
