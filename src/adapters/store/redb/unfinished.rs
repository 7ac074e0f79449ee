//! A file that somebody was killed while making. redb sizes a new file, writes its header, syncs,
//! and only then marks the file as its own; one without the mark it refuses for ever. Nothing was
//! stored in such a file yet, so it is made anew.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// The file begins with redb's mark.
const MARK_BYTES: usize = 9;
/// The first page is the header; what is stored lies behind it.
const HEADER_BYTES: usize = 4_096;

/// Empties the file at `path` if its making was cut short. A file that holds anything, or that
/// another process has open, stays as it is.
pub(super) fn empty_if_unfinished(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // Whoever makes it at this moment has it locked, and may have finished when the lock is free.
    if holds_nothing(&file)? && file.try_lock().is_ok() && holds_nothing(&file)? {
        tracing::warn!(file = %path.display(), "the file was not made to its end; making it anew");
        file.set_len(0)?;
    }
    Ok(())
}

/// Whether the file has no mark and only zeros behind the header. A finished one is told by its
/// first byte.
fn holds_nothing(mut file: &File) -> io::Result<bool> {
    file.rewind()?;
    for (index, byte) in BufReader::new(file).bytes().enumerate() {
        if byte? != 0 && !(MARK_BYTES..HEADER_BYTES).contains(&index) {
            return Ok(false);
        }
    }
    Ok(true)
}
