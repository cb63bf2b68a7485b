//! Header lines as HTTP/1.1 writes them.

use http::HeaderName;

/// A line with its name as most write it: each word begins with a capital.
pub(crate) fn write_line(text: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let start = text.len();
    text.extend_from_slice(name.as_str().as_bytes());
    let mut begins = true;
    for letter in text.iter_mut().skip(start) {
        if begins {
            letter.make_ascii_uppercase();
        }
        begins = *letter == b'-';
    }
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}
