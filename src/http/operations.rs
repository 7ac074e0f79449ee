//! The operations of the document: which one a request means, what it needs, and which query
//! parameters it knows. poem-openapi passes over parameters it does not know, and a mistyped
//! `?windw=5` must not silently mean the default.
//!
//! Only what is found here reaches the resources ([`super::front`]), so no spelling of a path can
//! get around the role that its operation needs.

use std::collections::HashMap;

use poem::http::{Method, Uri};
use serde_json::Value;

use super::error::{ApiError, ProblemPart};
use super::roles::{self, Needs};

/// One operation of the document.
#[derive(Debug)]
pub struct Operation {
    /// Its place in the list of all.
    pub index: usize,
    pub id: &'static str,
    pub method: Method,
    /// As in the document, with `{parameters}`.
    pub path: String,
    pub needs: Needs,
    query_names: Vec<String>,
}

/// What a request means.
#[derive(Debug)]
pub enum Meant<'a> {
    Operation(&'a Operation),
    /// The path is there, with these methods.
    OtherMethods(Vec<&'a Method>),
    /// No operation has this path.
    Nothing,
}

/// The operations, read from the document.
pub struct Operations {
    all: Vec<Operation>,
    /// Indices by path, for paths without parameters.
    fixed: HashMap<String, Vec<usize>>,
    /// Paths with parameters, as their segments; none stands for any text. Fixed segments come
    /// first, as in the router.
    patterns: Vec<(Vec<Option<String>>, Vec<usize>)>,
}

impl Operations {
    pub fn of_document(document: &Value) -> Self {
        let mut operations = Self { all: Vec::new(), fixed: HashMap::new(), patterns: Vec::new() };
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
                operations.add(method, path, operation);
            }
        }
        // None sorts before Some; fixed text must come before any text.
        operations.patterns.sort_by(|(one, _), (other, _)| {
            let free = |segments: &[Option<String>]| {
                segments.iter().map(Option::is_none).collect::<Vec<_>>()
            };
            free(one).cmp(&free(other))
        });
        operations
    }

    fn add(&mut self, method: Method, path: &str, operation: &Value) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let query_names = parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect();
        let name = operation["operationId"].as_str().unwrap_or_default();
        let id = roles::TABLE.iter().find(|(known, _)| *known == name);
        let index = self.all.len();
        self.all.push(Operation {
            index,
            id: id.map_or("other", |(known, _)| known),
            method,
            path: path.to_owned(),
            needs: roles::of(name),
            query_names,
        });
        if !path.contains('{') {
            self.fixed.entry(path.to_owned()).or_default().push(index);
            return;
        }
        let segment = |text: &str| (!text.starts_with('{')).then(|| text.to_owned());
        let segments: Vec<_> = path.split('/').map(segment).collect();
        match self.patterns.iter_mut().find(|(known, _)| *known == segments) {
            Some((_, indices)) => indices.push(index),
            None => self.patterns.push((segments, vec![index])),
        }
    }

    pub fn all(&self) -> &[Operation] {
        &self.all
    }

    /// What a request means. HEAD means GET.
    pub fn find(&self, method: &Method, path: &str) -> Meant<'_> {
        let Some(indices) = self.indices(path) else { return Meant::Nothing };
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let of_path = || indices.iter().map(|index| &self.all[*index]);
        match of_path().find(|operation| operation.method == method) {
            Some(operation) => Meant::Operation(operation),
            None => Meant::OtherMethods(of_path().map(|operation| &operation.method).collect()),
        }
    }

    fn indices(&self, path: &str) -> Option<&[usize]> {
        if let Some(indices) = self.fixed.get(path) {
            return Some(indices);
        }
        let fits = |segments: &[Option<String>]| {
            let mut given = path.split('/');
            segments.iter().all(|segment| match (segment, given.next()) {
                (Some(fixed), Some(given)) => fixed == given,
                (None, Some(given)) => !given.is_empty(),
                (_, None) => false,
            }) && given.next().is_none()
        };
        let found = self.patterns.iter().find(|(segments, _)| fits(segments));
        found.map(|(_, indices)| indices.as_slice())
    }
}

impl Operation {
    /// # Errors
    /// Names every parameter that the operation does not know, and every one given twice.
    pub fn check_query(&self, uri: &Uri) -> Result<(), ApiError> {
        let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return Ok(()) };
        let known = &self.query_names;
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
}
