//! Forwards interim responses (RFC 9110 §15.2) to HTTP/1.1 callers, unless part of an earlier response is still being written.
//! hyper's server cannot send them, so they are written to the socket when hyper flushes. `100 Continue` applies to a single hop
//! and is handled in [`super::expect`].

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, StatusCode, header, request};
use tokio::io::AsyncWrite;

use super::expect::Signal;
use super::headers::known::KnownHeaders;
use super::headers::response::pass_on;
use super::headers::text::write_line;
use super::headers::view::CallerView;
use crate::proxy::listen::Listener;
use crate::proxy::settings::{Base, UpstreamSettings};
use crate::proxy::socket::Socket;

/// Interim responses that wait to be written to a caller.
#[derive(Default)]
pub(crate) struct Interim {
    text: RefCell<Vec<u8>>,
    /// Whether hyper may be in the middle of writing a response.
    pub(crate) unsent: Cell<bool>,
}

/// How much may wait: an upstream may send many, and a caller need not read.
const MAX_WAITING: usize = 16 << 10;

impl Interim {
    fn add<'a>(&self, status: StatusCode, mut headers: HeaderMap, view: impl FnOnce() -> CallerView<'a>) {
        if self.unsent.get() || self.text.borrow().len() >= MAX_WAITING {
            return;
        }
        let known = KnownHeaders::of(&headers);
        pass_on(&mut headers, known, view);
        // An interim response never has a body (RFC 9110 §8.6).
        headers.remove(header::CONTENT_LENGTH);
        let mut text = self.text.borrow_mut();
        text.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", status.as_str(), reason(status)).as_bytes());
        headers.iter().for_each(|(name, value)| write_line(&mut text, name, value.as_bytes()));
        text.extend_from_slice(b"\r\n");
    }

    /// Writes what is waiting.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, socket: &mut Socket) -> Poll<io::Result<()>> {
        let mut text = self.text.borrow_mut();
        while !text.is_empty() {
            let written = ready!(Pin::new(&mut *socket).poll_write(cx, &text))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            text.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

/// How many interim responses a server may still send for one request.
pub(crate) struct Allowance {
    responses: u8,
    bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { responses: 16, bytes: 64 << 10 }
    }
}

impl Allowance {
    /// Counts one interim response of this size.
    pub(crate) fn take(&mut self, bytes: usize) -> io::Result<()> {
        let left = self.responses.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        let too_much = || {
            io::Error::new(io::ErrorKind::InvalidData, "more than 16 interim responses, or more than 64 KiB of them")
        };
        (self.responses, self.bytes) = left.ok_or_else(too_much)?;
        Ok(())
    }
}

/// The approximate size of a head.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum()
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}

/// The context for forwarding the interim responses of one attempt.
pub(crate) struct InterimResponses<'a> {
    pub(crate) receiver: &'a InterimReceiver,
    /// The caller's request head.
    pub(crate) request: &'a request::Parts,
    pub(crate) settings: &'a UpstreamSettings,
    /// The upstream's base URL.
    pub(crate) base: &'a Base,
}

impl InterimResponses<'_> {
    /// Forwards one interim response.
    pub(crate) fn forward(&self, status: StatusCode, headers: HeaderMap) {
        let view = || CallerView::of(self.request, &self.receiver.listener.authority, self.settings, self.base);
        self.receiver.forward(status, headers, view);
    }
}

/// The receiver of the interim responses to one request.
pub(crate) struct InterimReceiver {
    /// Opens the gate for the body, if the caller expects `100 Continue`.
    pub(crate) signal: Option<Rc<Signal>>,
    /// The caller's interim responses, if it can receive any.
    pub(crate) caller: Option<Rc<Interim>>,
    /// The listener that accepted the caller.
    pub(crate) listener: Rc<Listener>,
}

impl InterimReceiver {
    fn forward<'a>(&self, status: StatusCode, headers: HeaderMap, view: impl FnOnce() -> CallerView<'a>) {
        if status == StatusCode::CONTINUE {
            self.signal.iter().for_each(|signal| signal.open());
        } else if let Some(caller) = &self.caller {
            caller.add(status, headers, view);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::proxy::settings::Listen;

    const HINTS: StatusCode = StatusCode::EARLY_HINTS;

    fn add_hints(interim: &Interim) {
        interim.add(HINTS, hints(), || unreachable!("nothing names the upstream"));
    }

    fn receiver(signal: Option<Rc<Signal>>, caller: Option<Rc<Interim>>) -> InterimReceiver {
        let listener = Rc::new(Listener { listen: Listen::Localhost(0), authority: "localhost".to_owned() });
        InterimReceiver { signal, caller, listener }
    }

    fn hints() -> HeaderMap {
        let lines = [("x-hint", "</a>"), ("keep-alive", "x"), ("content-length", "5")];
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect()
    }

    #[tokio::test]
    async fn an_interim_response_is_dropped_while_another_response_is_being_written() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (interim, mut socket) = (Interim::default(), Socket::Unix(ours));
        interim.unsent.set(true);
        add_hints(&interim);
        interim.unsent.set(false);
        add_hints(&interim);
        std::future::poll_fn(|cx| interim.poll_write(cx, &mut socket)).await.unwrap();
        drop(socket);
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "HTTP/1.1 103 Early Hints\r\nX-Hint: </a>\r\n\r\n");
    }

    #[test]
    fn unread_interim_responses_do_not_pile_up() {
        let interim = Interim::default();
        (0..10_000).for_each(|_| add_hints(&interim));
        assert!((MAX_WAITING..MAX_WAITING + 100).contains(&interim.text.borrow().len()));
    }

    #[test]
    fn only_a_100_opens_the_gate() {
        let (signal, caller) = (Rc::<Signal>::default(), Rc::<Interim>::default());
        let view = || unreachable!("nothing names the upstream");
        let both = receiver(Some(signal.clone()), Some(caller.clone()));
        both.forward(HINTS, hints(), view);
        assert!(!signal.is_open() && !caller.text.borrow().is_empty());
        caller.text.borrow_mut().clear();
        both.forward(StatusCode::CONTINUE, HeaderMap::new(), view);
        assert!(signal.is_open() && caller.text.borrow().is_empty());
        receiver(None, None).forward(HINTS, hints(), view);
    }
}
