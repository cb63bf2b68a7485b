use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use http::{HeaderValue, Request};
use hyper::body::{Frame, SizeHint};

use super::*;
use crate::proxy::message::headers::Rules;
use crate::proxy::message::headers::outgoing::OutgoingHeaders;
use crate::proxy::tests::support::fixture;
use crate::token::patch::{Owned, Patch};
use http::HeaderName;

/// A request with no headers set except the host.
pub(in crate::proxy::upstream::http1) fn outbound(request: Request<Script>) -> UpstreamRequest<'static, Script> {
    static AUTHORITY: HeaderValue = HeaderValue::from_static("api");
    let (head, body) = request.into_parts();
    let rules = Rules::new(&fixture::settings("x"), &Owned::default(), None);
    let (head, rules, patch) =
        (Box::leak(Box::new(head)), Box::leak(Box::new(rules)), Box::leak(Box::<Patch>::default()));
    let headers = OutgoingHeaders {
        rules,
        callers: &head.headers,
        patch,
        signature: Vec::new(),
        authority: &AUTHORITY,
        proxy_credentials: None,
        encoding: None,
    };
    UpstreamRequest { target: head.uri.clone(), headers, body, head }
}

/// A body of these frames, of which the first `ready` have arrived.
pub(in crate::proxy::upstream::http1) struct Script {
    pub(in crate::proxy::upstream::http1) frames: VecDeque<Frame<Bytes>>,
    pub(in crate::proxy::upstream::http1) length: Option<u64>,
    pub(in crate::proxy::upstream::http1) ready: Rc<Cell<usize>>,
}

impl Script {
    pub(in crate::proxy::upstream::http1) fn of(frames: &[&'static str], length: Option<u64>) -> Self {
        let frames = frames.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect();
        Self { frames, length, ready: Rc::new(Cell::new(usize::MAX)) }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ready.get() == 0 {
            return Poll::Pending;
        }
        self.ready.set(self.ready.get() - 1);
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// A buffer with more than one owner.
struct Shared(Arc<String>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A stream that takes this many bytes per write.
struct Slow {
    taken: Vec<u8>,
    at_once: usize,
    writes: usize,
}

impl Slow {
    fn new(at_once: usize) -> Self {
        Self { taken: Vec::new(), at_once, writes: 0 }
    }
}

impl AsyncWrite for Slow {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.at_once);
        self.taken.extend_from_slice(&bytes[..taken]);
        self.writes += 1;
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn poll(sending: &mut RequestWriter<Script>, transport: &mut Slow) -> Poll<Result<(), WriteError>> {
    sending.poll(transport, &mut Context::from_waker(Waker::noop()))
}

/// The request as bytes, written in pieces of this size.
fn wire(head: &[(&str, &str)], body: Script, at_once: usize) -> String {
    let mut request = Request::post("/a%2Fb?c=%20").body(body).unwrap();
    for (name, value) in head {
        request.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    let (mut sending, mut transport) = (RequestWriter::default(), Slow::new(at_once));
    sending.begin(outbound(request));
    assert!(!sending.has_begun());
    assert!(matches!(poll(&mut sending, &mut transport), Poll::Ready(Ok(()))));
    assert!(sending.is_done() && sending.has_begun());
    String::from_utf8(transport.taken).unwrap()
}

const LINE: &str = "POST /a%2Fb?c=%20 HTTP/1.1\r\nHost: api\r\n";

#[test]
fn the_body_determines_the_framing() {
    let none = || Script::of(&[], Some(0));
    assert_eq!(wire(&[], none(), 99), format!("{LINE}Content-Length: 0\r\n\r\n"), "servers may require a length");
    assert_eq!(wire(&[("content-length", "0")], none(), 99), format!("{LINE}Content-Length: 0\r\n\r\n"));
    let known = || Script::of(&["hel", "lo"], Some(5));
    let expected = format!("{LINE}Content-Length: 5\r\n\r\nhello");
    assert_eq!(wire(&[], known(), 99), expected);
    assert_eq!(wire(&[("content-length", "5")], known(), 99), expected);
    assert_eq!(wire(&[("content-length", "5"), ("content-length", "5")], known(), 99), expected);
    let chunked = format!("{LINE}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    let unknown = || Script::of(&["hel", "", "lo"], None);
    assert_eq!(wire(&[], unknown(), 99), chunked);
    assert_eq!(wire(&[("content-length", "7")], unknown(), 99), chunked);
}

#[test]
fn names_are_title_case_and_equal_names_keep_their_order() {
    let head = [("x-legal-entity", "b"), ("etag", "\"x\""), ("x-legal-entity", "a"), ("x-", "")];
    let expected = "X-Legal-Entity: b\r\nX-Legal-Entity: a\r\nEtag: \"x\"\r\nX-: \r\nContent-Length: 0\r\n\r\n";
    assert_eq!(wire(&head, Script::of(&[], Some(0)), 99), format!("{LINE}{expected}"));
}

#[test]
fn the_target_is_absolute_only_with_an_authority() {
    for target in ["/", "*", "http://api.example.com:81/a?b"] {
        let request = Request::get(target).body(Script::of(&[], Some(0))).unwrap();
        let mut sending = RequestWriter::default();
        sending.begin(outbound(request));
        assert_eq!(String::from_utf8(sending.text).unwrap(), format!("GET {target} HTTP/1.1\r\nHost: api\r\n\r\n"));
    }
}

#[test]
fn partial_writes_lose_no_bytes() {
    let long: &'static str = Box::leak("0123456789".repeat(1000).into_boxed_str());
    for length in [None, Some(20_003)] {
        let frames = || {
            let mut script = Script::of(&[long, "abc", long], length);
            let trailers = [(header::ETAG, "x".parse().unwrap())].into_iter().collect();
            script.frames.push_back(Frame::trailers(trailers));
            script
        };
        let whole = wire(&[], frames(), usize::MAX);
        match length {
            Some(_) => assert!(whole.ends_with(&format!("\r\n\r\n{long}abc{long}"))),
            None => {
                let body = format!("\r\n\r\n2710\r\n{long}\r\n3\r\nabc\r\n2710\r\n{long}\r\n0\r\nEtag: x\r\n\r\n");
                assert!(whole.ends_with(&body));
            }
        }
        for at_once in [1, 7, 4096, 10_001] {
            assert_eq!(wire(&[], frames(), at_once), whole, "{at_once}");
        }
    }
}

#[test]
fn a_small_body_is_written_with_its_head_and_a_pause_does_not_delay_it() {
    let (mut sending, mut transport) = (RequestWriter::default(), Slow::new(usize::MAX));
    let body = Script::of(&["one", "two", "three"], None);
    let ready = body.ready.clone();
    ready.set(2);
    sending.begin(outbound(Request::put("/").body(body).unwrap()));
    assert!(poll(&mut sending, &mut transport).is_pending());
    assert!(transport.taken.ends_with(b"3\r\none\r\n3\r\ntwo\r\n") && transport.writes == 1 && !sending.is_done());
    ready.set(9);
    assert!(poll(&mut sending, &mut transport).is_ready());
    assert!(transport.taken.ends_with(b"5\r\nthree\r\n0\r\n\r\n") && transport.writes == 2);
}

#[test]
fn sent_data_is_freed() {
    let long = Arc::new("x".repeat(2 * COPY_LIMIT));
    for length in [None, Some(long.len() as u64)] {
        let mut body = Script::of(&[], length);
        body.frames.push_back(Frame::data(Bytes::from_owner(Shared(long.clone()))));
        let (mut sending, mut transport) = (RequestWriter::default(), Slow::new(usize::MAX));
        sending.begin(outbound(Request::put("/").body(body).unwrap()));
        assert!(poll(&mut sending, &mut transport).is_ready());
        assert_eq!(Arc::strong_count(&long), 1, "of {length:?}");
    }
}

#[test]
fn a_body_of_the_wrong_length_is_an_error() {
    for frames in [&["hel"][..], &["hello", "!"], &["hello!"]] {
        let mut sending = RequestWriter::default();
        let mut body = Script::of(frames, Some(5));
        if frames.len() == 2 {
            body.length = Some(4);
        }
        sending.begin(outbound(Request::put("/").body(body).unwrap()));
        let end = poll(&mut sending, &mut Slow::new(99));
        assert!(matches!(end, Poll::Ready(Err(WriteError::Body(BodyError::Length)))), "{frames:?}");
    }
}

#[test]
fn a_write_of_zero_bytes_is_an_error() {
    let mut sending = RequestWriter::default();
    sending.begin(outbound(Request::put("/").body(Script::of(&[], Some(0))).unwrap()));
    assert!(matches!(poll(&mut sending, &mut Slow::new(0)), Poll::Ready(Err(WriteError::Transport(_)))));
    assert!(!sending.has_begun());
}
