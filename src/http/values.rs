//! Values in bodies and answers: exact numbers and bodies with exact errors.

use std::borrow::Cow;
use std::str::FromStr;

use poem::http::{StatusCode, header};
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::error::{ApiError, ProblemPart};

/// A decimal as a JSON number, printed exactly and never with an exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exact(pub Decimal);

/// A JSON number as its text, so that nothing is lost before it is checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct NumberText(serde_json::Number);

impl NumberText {
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

impl Exact {
    fn number(self) -> serde_json::Number {
        let number = serde_json::Number::from_str(&self.0.to_string());
        number.expect("a plain decimal is a JSON number")
    }
}

macro_rules! number_type {
    ($name:ty) => {
        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                "number_decimal".into()
            }

            fn schema_ref() -> MetaSchemaRef {
                // A client that reads such a number as a float loses digits.
                let schema = MetaSchema::new_with_format("number", "decimal");
                MetaSchemaRef::Inline(Box::new(schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }
    };
}

number_type!(Exact);
number_type!(NumberText);

impl ToJSON for Exact {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Number(self.number()))
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(serializer)
    }
}

impl ParseFromJSON for NumberText {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::Number(number) => Ok(Self(number)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for NumberText {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Number(self.0.clone()))
    }
}

/// The limits of a body, put into each request by the front.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    pub max_bytes: usize,
    pub timeout: std::time::Duration,
}

/// A JSON body that knows where in it a mistake lies.
pub struct JsonBody<T>(pub T);

impl<T: Type> Payload for JsonBody<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + DeserializeOwned> ParsePayload for JsonBody<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let content_type = request.header(header::CONTENT_TYPE).unwrap_or("application/json");
        if !is_json(content_type) {
            let detail = "send the body as application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(status, "unsupported-media-type", detail).into());
        }
        let bytes = read(request, body.take()?).await?;
        Ok(Self(parse(&bytes)?))
    }
}

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<poem_openapi::registry::MetaRequest> {
        Some(poem_openapi::registry::MetaRequest {
            description: None,
            content: vec![poem_openapi::registry::MetaMediaType {
                content_type: Self::CONTENT_TYPE,
                schema: <Self as Payload>::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(request: &Request, body: Body) -> Result<bytes::Bytes, ApiError> {
    let limits = request.data::<BodyLimits>().copied().unwrap_or(BodyLimits {
        max_bytes: 64 * 1024,
        timeout: std::time::Duration::from_secs(10),
    });
    match tokio::time::timeout(limits.timeout, body.into_bytes_limit(limits.max_bytes)).await {
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "the body took too long to arrive",
        )),
        Ok(Err(poem::error::ReadBodyError::PayloadTooLarge)) => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("a body has at most {} bytes", limits.max_bytes),
        )),
        Ok(Err(error)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "malformed-body", error.to_string()))
        }
        Ok(Ok(bytes)) => Ok(bytes),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would take the members of an object from an array too, by their places.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let detail = "is an array and not an object".to_owned();
        return Err(ApiError::invalid(vec![ProblemPart { pointer: "#".to_owned(), detail }]));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let malformed = |error: serde_json::Error| {
        ApiError::new(StatusCode::BAD_REQUEST, "malformed-body", format!("not JSON: {error}"))
    };
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string().replace('.', "/");
        let inner = error.into_inner();
        if inner.is_data() {
            let pointer = if path == "/" { "#".to_owned() } else { format!("#/{path}") };
            let detail = inner.to_string();
            let detail = detail.split(" at line ").next().unwrap_or(&detail).to_owned();
            ApiError::invalid(vec![ProblemPart { pointer, detail }])
        } else {
            malformed(inner)
        }
    })?;
    json.end().map_err(malformed)?;
    Ok(value)
}
