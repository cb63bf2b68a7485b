use super::*;

fn read(text: &str) -> io::Result<Option<Head>> {
    HeadReader::default().read(&mut BytesMut::from(text), &Cell::default())
}

fn head(lines: &str) -> Head {
    read(&format!("HTTP/1.1 {lines}\r\n\r\n")).unwrap().unwrap()
}

/// The framing of the body, as text.
fn follows(rest: &BodyFraming) -> String {
    match rest {
        BodyFraming::Ended => "nothing".to_owned(),
        BodyFraming::Tunnel => "a tunnel".to_owned(),
        BodyFraming::Length(length) => length.to_string(),
        BodyFraming::Connection => "all".to_owned(),
        BodyFraming::Chunked(_) => "chunks".to_owned(),
    }
}

#[test]
fn framing_depends_on_status_then_coding_then_length() {
    for (lines, expected) in [
        ("200 OK\r\nContent-Length: 5", "5"),
        ("200 OK\r\nContent-Length: 0", "nothing"),
        ("200 OK\r\nContent-Length: 5, 5", "5"),
        ("200 OK\r\nContent-Length: 5\r\nContent-Length: 5", "5"),
        ("200 OK", "all"),
        ("200 OK\r\nTransfer-Encoding: chunked", "chunks"),
        ("200 OK\r\nTransfer-Encoding: CHUNKED", "chunks"),
        ("200 OK\r\nTransfer-Encoding: identity, , chunked", "chunks"),
        ("200 OK\r\nTransfer-Encoding: chunked, chunked", "chunks"),
        ("200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "chunks"),
        ("200 OK\r\nTransfer-Encoding: identity", "all"),
        ("200 OK\r\nTransfer-Encoding:\r\nContent-Length: 5", "5"),
        ("200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", "chunks"),
        ("204 No Content\r\nContent-Length: 5", "nothing"),
        ("304 Not Modified\r\nTransfer-Encoding: chunked", "nothing"),
        ("304 Not Modified\r\nTransfer-Encoding: gzip, chunked", "nothing"),
        ("103 Early Hints\r\nContent-Length: 5", "nothing"),
        ("103 Early Hints\r\nContent-Length: -1\r\nContent-Length: 5", "nothing"),
        ("100 Continue\r\nTransfer-Encoding: gzip", "nothing"),
        ("101 Switching Protocols", "a tunnel"),
    ] {
        assert_eq!(follows(&head(lines).rest), expected, "{lines}");
    }
}

#[test]
fn an_unknown_coding_is_an_error() {
    for codings in ["gzip, chunked", "chunked, gzip", "gzip", "x", "chunked;q=1", "gzip\r\nTransfer-Encoding: chunked"]
    {
        for version in ["1.1", "1.0"] {
            let text = format!("HTTP/{version} 200 OK\r\nTransfer-Encoding: {codings}\r\n\r\n");
            assert!(read(&text).is_err(), "{text:?}");
        }
    }
}

#[test]
fn a_response_to_head_has_no_body_and_keeps_its_length() {
    for lines in ["Content-Length: 5", "Content-Length: 5\r\ncontent-length: 5", "Content-Length: 5, 5"] {
        let mut reader = HeadReader { of_head: true, ..HeadReader::default() };
        let mut inbox = BytesMut::from(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nrest").as_str());
        let head = reader.read(&mut inbox, &Cell::default()).unwrap().unwrap();
        assert_eq!((follows(&head.rest).as_str(), &inbox[..]), ("nothing", &b"rest"[..]));
        let lengths: Vec<_> = head.parts.headers.get_all("content-length").iter().collect();
        assert_eq!(lengths, ["5"], "{lines}");
    }
}

#[test]
fn lengths_are_forwarded_once_and_only_if_meaningful() {
    for (lines, expected) in [
        ("200 OK\r\nContent-Length: 5, 5", &["5"][..]),
        ("200 OK\r\nContent-Length: 5,", &["5"]),
        ("200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5", &["5"]),
        ("304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 5", &["5"]),
        ("304 Not Modified\r\nContent-Length: 5, 5", &["5"]),
        ("204 No Content\r\nContent-Length: 0\r\nContent-Length: 0", &[]),
        ("103 Early Hints\r\nContent-Length: 5", &[]),
        ("200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", &[]),
    ] {
        let headers = head(lines).parts.headers;
        assert_eq!(headers.get_all("content-length").iter().collect::<Vec<_>>(), expected, "{lines}");
    }
}

#[test]
fn invalid_heads_are_errors() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\x01\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding x: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 099 No\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>",
        "SSH-2.0-x\r\n",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

#[test]
fn persistence_depends_on_version_and_connection_header() {
    for (text, expected) in [
        ("HTTP/1.1 204 N", true),
        ("HTTP/1.0 204 N", false),
        ("HTTP/1.0 204 N\r\nConnection: Keep-Alive", true),
        ("HTTP/1.1 204 N\r\nConnection: x, CLOSE", false),
        ("HTTP/1.1 204 N\r\nConnection: close\r\nConnection: keep-alive", false),
        ("HTTP/1.1 204 N\r\nConnection: keep-alive, close", false),
        ("HTTP/1.1 200 N\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", false),
        ("HTTP/1.1 200 N\r\nTransfer-Encoding: chunked, chunked", false),
        ("HTTP/1.0 200 N\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked", false),
        ("HTTP/1.1 200 N\r\nX : 1\r\nTransfer-Encoding: chunked", true),
    ] {
        assert_eq!(read(&format!("{text}\r\n\r\n")).unwrap().unwrap().keep_alive, expected, "{text}");
    }
}

#[test]
fn a_head_is_read_once_it_is_complete() {
    let text = "HTTP/1.1 200 Fine\r\nX-A: 1\r\nx-a:  2 \r\nX-B:\r\n\r\n";
    for length in 0..text.len() {
        let mut inbox = BytesMut::from(&text[..length]);
        assert!(HeadReader::default().read(&mut inbox, &Cell::default()).unwrap().is_none(), "{length}");
        assert_eq!(inbox.len(), length);
    }
    let head = read(text).unwrap().unwrap().parts;
    let lines: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(lines, [("x-a", "1"), ("x-a", "2"), ("x-b", "")]);
    assert_eq!(head.extensions.get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine");
    assert!(read("HTTP/1.1 200 OK\r\n\r\n").unwrap().unwrap().parts.extensions.is_empty());
}

#[test]
fn a_head_that_arrives_in_pieces_is_read_once_it_is_complete() {
    let whole = b"HTTP/1.1 200\nX-A : 1\r\nX-B: 2\r\n\tthree\n\r\nrest";
    for piece in 1..=whole.len() {
        let (mut reader, mut inbox) = (HeadReader::default(), BytesMut::new());
        let mut pieces = whole.chunks(piece);
        let head = pieces.by_ref().find_map(|piece| {
            inbox.extend_from_slice(piece);
            reader.read(&mut inbox, &Cell::default()).unwrap()
        });
        let headers = head.unwrap().parts.headers;
        assert_eq!((&headers["x-a"], &headers["x-b"]), (&HeaderValue::from(1), &HeaderValue::from_static("2 three")));
        pieces.for_each(|piece| inbox.extend_from_slice(piece));
        assert_eq!(inbox, "rest");
    }
}

#[test]
fn a_reason_phrase_may_be_missing_or_any_bytes() {
    for status in [100_u16, 101, 103, 200, 204, 302, 304, 404, 500, 599] {
        for (after, reason) in [(&b""[..], None), (b" ", None), (b" D\xe9plac\xe9", None), (b" So", Some(&b"So"[..]))] {
            for end in ["\r\n", "\n"] {
                let text = [format!("HTTP/1.1 {status}").as_bytes(), after, end.as_bytes(), end.as_bytes()].concat();
                let head =
                    HeadReader::default().read(&mut BytesMut::from(&text[..]), &Cell::default()).unwrap().unwrap();
                assert_eq!(head.parts.status, status, "{}", text.escape_ascii());
                let found = head.parts.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
                assert_eq!(found.filter(|found| !found.is_empty()), reason, "{}", text.escape_ascii());
            }
        }
    }
}

#[test]
fn the_size_of_a_head_is_limited() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(MAX_HEAD));
    assert!(read(&long).is_err() && read(&long[..MAX_HEAD]).unwrap().is_none());
    let lines = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(count));
    for count in [128, 129, 257, lenient::MAX_LINES] {
        assert_eq!(read(&lines(count)).unwrap().unwrap().parts.headers.len(), count);
    }
    let error = read(&lines(lenient::MAX_LINES + 1)).err().unwrap();
    assert_eq!(error.to_string(), "more than 5000 header lines");
}

#[test]
fn headers_reuse_the_given_map() {
    let map = HeaderMap::with_capacity(100);
    let room = map.capacity();
    let head = HeadReader::default().read(&mut BytesMut::from("HTTP/1.1 204 N\r\nA: b\r\n\r\n"), &Cell::new(map));
    let headers = head.unwrap().unwrap().parts.headers;
    assert_eq!((headers.len(), headers.capacity()), (1, room));
}

/// Heads, valid and invalid, and what follows them.
const HEADS: &str = "HTTP/1[.][01] [0-9]{3} [ -~]{0,5}\r\n\
    ([a-zT-]{1,9}: ?[ -~]{0,9}\r\n|[ -~\r\n]{0,5}|content-length: [0-9]{1,2}\r\n|transfer-encoding: (chunked|gzip)\r\n){0,5}\
    \r\n[a-z]{0,3}";

proptest::proptest! {
    #[test]
    fn any_head_is_rejected_or_has_a_single_framing(text in HEADS) {
        let mut inbox = BytesMut::from(&text[..]);
        if let Ok(Some(head)) = HeadReader::default().read(&mut inbox, &Cell::default()) {
            let headers = head.parts.headers;
            proptest::prop_assert!(text.as_bytes().ends_with(&inbox));
            let coded = headers.contains_key("transfer-encoding") && !head.rest.has_ended();
            proptest::prop_assert!(!(coded && headers.contains_key("content-length")));
        }
    }
}
