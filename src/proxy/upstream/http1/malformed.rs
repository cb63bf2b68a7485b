//! What an upstream sent is not HTTP/1.1.

use std::io;

/// What came is not HTTP.
pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
