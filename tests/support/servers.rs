//! Servers that a test may use when the environment offers them.
//!
//! `scripts/services run -- cargo test` starts them and sets `TICKERD_TEST_<NAME>_URL`.

/// The URL of a server, or none when the environment offers none.
///
/// Absent is a printed skip, or a failure when `TICKERD_TEST_REQUIRE` names the server, so that a
/// machine that should test everything cannot pass by leaving something out.
pub(crate) fn offered(name: &str) -> Option<String> {
    offered_as(name, &format!("TICKERD_TEST_{}_URL", name.to_ascii_uppercase()))
}

/// As [`offered`], by a variable of another name.
pub(crate) fn offered_as(name: &str, variable: &str) -> Option<String> {
    if let Some(url) = std::env::var(variable).ok().filter(|url| !url.is_empty()) {
        return Some(url);
    }
    missing(name, &format!("{variable} is not set (scripts/services run -- cargo test sets it)"));
    None
}

/// Tells why a test of a server is skipped, unless it must not be.
pub(crate) fn missing(name: &str, why: &str) {
    let required = std::env::var("TICKERD_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|required| required.trim() == name),
        "TICKERD_TEST_REQUIRE names {name}, but {why}"
    );
    eprintln!("skipped: {why}");
}
