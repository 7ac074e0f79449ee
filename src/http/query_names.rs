//! Which query parameters each operation knows: poem-openapi passes over those it does not, and a
//! mistyped `?windw=5` must not silently mean the default.

use std::collections::HashMap;

use poem::http::{Method, Uri};
use serde_json::Value;

use super::error::{ApiError, ProblemPart};

/// The names, read from the `OpenAPI` document, by method and path.
pub struct QueryNames {
    fixed: HashMap<(Method, String), Vec<String>>,
    /// Paths with parameters, as their segments; none stands for any text.
    patterns: Vec<(Method, Vec<Option<String>>, Vec<String>)>,
}

impl QueryNames {
    pub fn of_document(spec: &str) -> Self {
        let document: Value = serde_json::from_str(spec).unwrap_or_default();
        let mut names = Self { fixed: HashMap::new(), patterns: Vec::new() };
        let paths = document["paths"].as_object().into_iter().flatten();
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let known = parameters
                    .filter(|parameter| parameter["in"] == "query")
                    .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
                    .collect();
                names.add(method, path, known);
            }
        }
        names
    }

    fn add(&mut self, method: Method, path: &str, known: Vec<String>) {
        if path.contains('{') {
            let segments = path
                .split('/')
                .map(|segment| (!segment.starts_with('{')).then(|| segment.to_owned()))
                .collect();
            self.patterns.push((method, segments, known));
        } else {
            self.fixed.insert((method, path.to_owned()), known);
        }
    }

    /// # Errors
    /// Names every parameter that the operation does not know, and every one given twice.
    pub fn check(&self, method: &Method, uri: &Uri) -> Result<(), ApiError> {
        let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return Ok(()) };
        let Some(known) = self.known(method, uri.path()) else { return Ok(()) };
        let mut errors = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            let detail = if !known.iter().any(|known| known == name) {
                match known.len() {
                    0 => "there are no query parameters here".to_owned(),
                    _ => format!("unknown; there are: {}", known.join(", ")),
                }
            } else if seen.contains(&name) {
                "given more than once".to_owned()
            } else {
                seen.push(name);
                continue;
            };
            let shown: String = name.chars().take(40).collect();
            errors.push(ProblemPart { pointer: format!("?{shown}"), detail });
        }
        if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
    }

    fn known(&self, method: &Method, path: &str) -> Option<&[String]> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        if let Some(known) = self.fixed.get(&(method.clone(), path.to_owned())) {
            return Some(known);
        }
        let fits = |segments: &[Option<String>]| {
            let mut given = path.split('/');
            segments.iter().all(|segment| match (segment, given.next()) {
                (Some(fixed), Some(given)) => fixed == given,
                (None, Some(given)) => !given.is_empty(),
                (_, None) => false,
            }) && given.next().is_none()
        };
        self.patterns
            .iter()
            .find(|(known, segments, _)| known == method && fits(segments))
            .map(|(_, _, names)| names.as_slice())
    }
}
