//! The error for invalid HTTP/1.1 from an upstream.

use std::io;

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
