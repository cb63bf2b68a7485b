//! A strict reader of requests.

use crate::reading::{End, Field, Head, chunked, head, is_token, items, length, measured};

/// A request that was read.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub fields: Vec<Field>,
    pub trailers: Vec<Field>,
    pub body: Vec<u8>,
    /// Nothing after it on the connection may be read as a request.
    pub last: bool,
    /// The end of its trailers is uncertain, and so is everything after them.
    pub doubtful: bool,
}

/// All requests, and what follows them.
#[derive(Debug, Default)]
pub struct Requests {
    pub whole: Vec<Request>,
    /// The incomplete last request.
    pub begun: Option<Request>,
    pub rest: Rest,
}

/// What follows the last whole request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rest {
    #[default]
    Nothing,
    Cut,
    Broken,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framing {
    Length(u64),
    Chunked,
}

/// Reads all requests.
pub fn requests(mut bytes: &[u8]) -> Requests {
    let mut read = Requests::default();
    loop {
        if bytes.is_empty() {
            return read;
        }
        let (request, end) = one(bytes);
        match (end, request) {
            (End::Whole(used), Some(request)) => {
                let last = request.last;
                read.whole.push(request);
                bytes = &bytes[used..];
                if last {
                    read.rest = if bytes.is_empty() { Rest::Nothing } else { Rest::Broken };
                    return read;
                }
            }
            (End::Cut, begun) => {
                (read.begun, read.rest) = (begun, Rest::Cut);
                return read;
            }
            (_, begun) => {
                (read.begun, read.rest) = (begun, Rest::Broken);
                return read;
            }
        }
    }
}

/// Reads one request; `None` if its head cannot be read.
pub fn one(bytes: &[u8]) -> (Option<Request>, End) {
    let read = match head(bytes, false) {
        Ok(read) => read,
        Err(end) => return (None, end),
    };
    let Some((mut request, framing)) = understood(&read) else { return (None, End::Broken) };
    let rest = &bytes[read.used..];
    let (body, trailers, end) = match framing {
        Framing::Chunked => {
            let (body, trailers, end) = chunked(rest, false);
            request.doubtful = end == End::Doubtful;
            (body, trailers, if request.doubtful { End::Broken } else { end })
        }
        Framing::Length(length) => {
            let (body, end) = measured(rest, length);
            (body, Vec::new(), end)
        }
    };
    (request.body, request.trailers) = (body, trailers);
    (Some(request), if let End::Whole(used) = end { End::Whole(read.used + used) } else { end })
}

fn understood(head: &Head) -> Option<(Request, Framing)> {
    let mut words = head.start.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return None,
    };
    let printable = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    if words.next().is_some() || !is_token(method) || target.is_empty() || !target.iter().all(printable) {
        return None;
    }
    let codings: Vec<_> = head.all(b"transfer-encoding").flat_map(items).collect();
    let framing = match codings[..] {
        [] => Framing::Length(length(head).ok()?.unwrap_or(0)),
        [coding] if coding.eq_ignore_ascii_case(b"chunked") && !old => Framing::Chunked,
        _ => return None,
    };
    let keeps = if old { head.lists(b"connection", b"keep-alive") } else { !head.lists(b"connection", b"close") };
    let request = Request {
        method: method.to_vec(),
        target: target.to_vec(),
        fields: head.fields.clone(),
        // With both kinds of framing (RFC 9112 §6.1), nothing after it is accepted.
        last: !keeps || (framing == Framing::Chunked && head.all(b"content-length").next().is_some()),
        ..Request::default()
    };
    Some((request, framing))
}

#[test]
fn requests_are_read_one_after_the_other() {
    let told = |text: &str| {
        let read = requests(text.as_bytes());
        let whole: Vec<_> = read.whole.iter().map(|one| String::from_utf8_lossy(&one.target).into_owned()).collect();
        (whole.concat(), read.rest)
    };
    let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(told(&format!("{get}{get}")), ("/a/a".to_owned(), Rest::Nothing));
    assert_eq!(told(&format!("{get}GET /")), ("/a".to_owned(), Rest::Cut));
    let both = "POST /b HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(told(&format!("{both}{get}")), ("/b".to_owned(), Rest::Broken));
    assert_eq!(told("POST /b HTTP/1.1\r\nTransfer-Encoding: chunked, x\r\n\r\n"), (String::new(), Rest::Broken));
    assert_eq!(told("GET  /b HTTP/1.1\r\n\r\n"), (String::new(), Rest::Broken));
    assert_eq!(told(&format!("GET /a HTTP/1.0\r\n\r\n{get}")), ("/a".to_owned(), Rest::Broken));
}
