//! Writes header lines for HTTP/1.1.

use http::HeaderName;

use crate::token::patch::title_case;

/// Writes a header without a configured case: `Like-This`, or as its specification spells it.
pub(crate) fn write_line(text: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    match specified(name.as_str()) {
        Some(name) => text.extend_from_slice(name.as_bytes()),
        None => text.extend(title_case(name.as_str().bytes())),
    }
    write_value(text, value);
}

/// Writes a header with its name in this case.
pub(crate) fn write_cased_line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    write_value(text, value);
}

fn write_value(text: &mut Vec<u8>, value: &[u8]) {
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

/// Request headers that their specification does not spell `Like-This`, and that some servers match by case: that of SOAP 1.1
/// (§6.1.1), whose toolkits have their own header tables, and those of the WebSocket handshake (RFC 6455 §4.1), which small
/// servers parse by hand.
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
    fn names_are_title_case_unless_their_specification_differs() {
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
