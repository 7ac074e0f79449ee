//! Standard output, as the verbs write to it.
//!
//! `println!` panics when whoever reads has had enough (`tickerd config show | head -3`). Every verb
//! therefore writes here and passes the error on, and [`nobody_reads`] tells it from a failure.

use std::io::{self, ErrorKind, Write};

/// The exit code of a program whose reader has gone, as a shell reports those that the signal ends.
pub(super) const READER_GONE: u8 = 128 + 13;

/// Standard output. Its errors say whether the reader has gone.
pub(super) struct Out;

pub(super) fn out() -> Out {
    Out
}

/// A remark for people, on standard error. That nobody reads it any more is no reason to stop.
pub(super) fn remark(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(named)
    }
}

/// A broken pipe by another name: connections break in the same way, and those are failures.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
struct ReaderGone;

fn named(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderGone),
        _ => error,
    }
}

/// Whether the verb ended because nobody reads what it writes.
pub(super) fn nobody_reads(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io_error = cause.downcast_ref::<io::Error>();
        io_error.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<ReaderGone>())
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn only_the_reader_of_standard_output_is_taken_for_one_that_has_gone() {
        let of_a_pipe = Err::<(), _>(named(ErrorKind::BrokenPipe.into())).context("writing");
        let of_a_connection = Err::<(), _>(io::Error::from(ErrorKind::BrokenPipe)).context("send");
        let of_a_full_disk = Err::<(), _>(named(ErrorKind::StorageFull.into())).context("writing");
        let told = [of_a_pipe, of_a_connection, of_a_full_disk]
            .map(|outcome| outcome.as_ref().is_err_and(nobody_reads));
        assert_eq!(told, [true, false, false]);
    }
}
