//! Header lines as HTTP/1.1 writes them.

use http::HeaderName;

use crate::token::patch::title_case;

/// A line of a name that nobody wrote for the upstream: `Like-This`, as most write it, or as its specification does.
pub(crate) fn write_line(text: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    match specified(name.as_str()) {
        Some(name) => text.extend_from_slice(name.as_bytes()),
        None => text.extend(title_case(name.as_str().bytes())),
    }
    write_value(text, value);
}

/// A line with its name in this case.
pub(crate) fn write_cased_line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    write_value(text, value);
}

fn write_value(text: &mut Vec<u8>, value: &[u8]) {
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

/// Names of requests that are not `Like-This` where they are specified, and that servers look up in that case alone: those
/// of SOAP 1.1 (§6.1.1), often a table of its toolkit's own, and those of WebSocket's handshake (RFC 6455 §4.1), which
/// small servers read by hand.
fn specified(name: &str) -> Option<&'static str> {
    Some(match name {
        "soapaction" => "SOAPAction",
        "sec-websocket-key" => "Sec-WebSocket-Key",
        "sec-websocket-version" => "Sec-WebSocket-Version",
        "sec-websocket-protocol" => "Sec-WebSocket-Protocol",
        "sec-websocket-extensions" => "Sec-WebSocket-Extensions",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_out_like_this_unless_its_specification_says_otherwise() {
        for (name, line) in [
            ("x-camelcase", "X-Camelcase: 1\r\n"),
            ("host", "Host: 1\r\n"),
            ("x--a_b", "X--A_b: 1\r\n"),
            ("te", "Te: 1\r\n"),
            ("soapaction", "SOAPAction: 1\r\n"),
            ("sec-websocket-key", "Sec-WebSocket-Key: 1\r\n"),
        ] {
            let mut text = Vec::new();
            write_line(&mut text, &HeaderName::from_static(name), b"1");
            assert_eq!(String::from_utf8(text).unwrap(), line);
        }
    }
}
