//! Files that are written by `UPDATE_GOLDEN=1` and compared otherwise.

use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares a file of the repository with what it should hold.
pub(crate) fn assert_current(name: &str, wanted: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(name), wanted).expect("written");
    }
    let found = std::fs::read_to_string(path(name)).unwrap_or_default();
    if found == wanted {
        return;
    }
    let line = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted);
    let n_same = line.count();
    panic!(
        "{name} is out of date from line {} on; renew it with `scripts/golden`\n  is:     {}\n  should: {}",
        n_same + 1,
        found.lines().nth(n_same).unwrap_or("(its end)"),
        wanted.lines().nth(n_same).unwrap_or("(its end)"),
    );
}
