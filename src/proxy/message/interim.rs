//! What a server says ahead of its answer (RFC 9110 §15.2): an HTTP/1.1 caller is told, as far as no part of an earlier
//! answer stands in the way. hyper's server has no way to say it, so it is written to the socket where hyper flushes.
//! `100 Continue` is another matter, between each two neighbours: see [`super::expect`].

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

/// What waits to be written to a caller ahead of an answer.
#[derive(Default)]
pub(crate) struct Interim {
    text: RefCell<Vec<u8>>,
    /// Whether a part of something else is on its way.
    pub(crate) unsent: Cell<bool>,
}

/// So much waits at most: an upstream may talk on, and a caller need not read.
const MOST: usize = 16 << 10;

impl Interim {
    fn add<'a>(&self, status: StatusCode, mut headers: HeaderMap, view: impl FnOnce() -> CallerView<'a>) {
        if self.unsent.get() || self.text.borrow().len() >= MOST {
            return;
        }
        let known = KnownHeaders::of(&headers);
        pass_on(&mut headers, known, view);
        // It never has a body (RFC 9110 §8.6).
        headers.remove(header::CONTENT_LENGTH);
        let mut text = self.text.borrow_mut();
        text.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", status.as_str(), reason(status)).as_bytes());
        headers.iter().for_each(|(name, value)| write_line(&mut text, name, value.as_bytes()));
        text.extend_from_slice(b"\r\n");
    }

    /// Writes what waits.
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

/// What a server may still say ahead of one answer.
pub(crate) struct Allowance {
    answers: u8,
    bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { answers: 16, bytes: 64 << 10 }
    }
}

impl Allowance {
    /// It has said so much more.
    pub(crate) fn take(&mut self, bytes: usize) -> io::Result<()> {
        let left = self.answers.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        let too_much = || {
            io::Error::new(io::ErrorKind::InvalidData, "more than 16 interim responses, or more than 64 KiB of them")
        };
        (self.answers, self.bytes) = left.ok_or_else(too_much)?;
        Ok(())
    }
}

/// How long such a head is, about.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum()
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}

/// What an upstream says ahead of its answer to one attempt, and who hears it.
pub(crate) struct InterimResponses<'a> {
    /// Who hears it.
    pub(crate) receiver: &'a InterimReceiver,
    /// What the caller asked for.
    pub(crate) asked: &'a request::Parts,
    /// The upstream's settings.
    pub(crate) settings: &'a UpstreamSettings,
    /// The upstream's base.
    pub(crate) base: &'a Base,
}

impl InterimResponses<'_> {
    /// The upstream has said this.
    pub(crate) fn forward(&self, status: StatusCode, headers: HeaderMap) {
        let view = || CallerView::of(self.asked, &self.receiver.listener.authority, self.settings, self.base);
        self.receiver.forward(status, headers, view);
    }
}

/// Who hears what an upstream says ahead of its answer to one request.
pub(crate) struct InterimReceiver {
    /// Asks for the body, where the caller waits to be asked.
    pub(crate) asked: Option<Rc<Signal>>,
    /// Passes on what may be passed on.
    pub(crate) caller: Option<Rc<Interim>>,
    /// Where the caller came in.
    pub(crate) listener: Rc<Listener>,
}

impl InterimReceiver {
    /// The upstream has said this.
    fn forward<'a>(&self, status: StatusCode, headers: HeaderMap, view: impl FnOnce() -> CallerView<'a>) {
        if status == StatusCode::CONTINUE {
            self.asked.iter().for_each(|asked| asked.open());
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

    fn said(interim: &Interim) {
        interim.add(HINTS, hints(), || unreachable!("nothing names the upstream"));
    }

    fn ahead(asked: Option<Rc<Signal>>, caller: Option<Rc<Interim>>) -> InterimReceiver {
        let listener = Rc::new(Listener { listen: Listen::Localhost(0), authority: "localhost".to_owned() });
        InterimReceiver { asked, caller, listener }
    }

    fn hints() -> HeaderMap {
        let lines = [("x-hint", "</a>"), ("keep-alive", "x"), ("content-length", "5")];
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect()
    }

    #[tokio::test]
    async fn what_is_said_ahead_waits_for_nothing_and_is_dropped_where_something_is_in_its_way() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (interim, mut socket) = (Interim::default(), Socket::Unix(ours));
        interim.unsent.set(true);
        said(&interim);
        interim.unsent.set(false);
        said(&interim);
        std::future::poll_fn(|cx| interim.poll_write(cx, &mut socket)).await.unwrap();
        drop(socket);
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "HTTP/1.1 103 Early Hints\r\nX-Hint: </a>\r\n\r\n");
    }

    #[test]
    fn what_nobody_reads_does_not_pile_up() {
        let interim = Interim::default();
        (0..10_000).for_each(|_| said(&interim));
        assert!((MOST..MOST + 100).contains(&interim.text.borrow().len()));
    }

    #[test]
    fn only_what_was_asked_for_asks_for_a_body() {
        let (asked, caller) = (Rc::<Signal>::default(), Rc::<Interim>::default());
        let view = || unreachable!("nothing names the upstream");
        let both = ahead(Some(asked.clone()), Some(caller.clone()));
        both.forward(HINTS, hints(), view);
        assert!(!asked.is_open() && !caller.text.borrow().is_empty());
        caller.text.borrow_mut().clear();
        both.forward(StatusCode::CONTINUE, HeaderMap::new(), view);
        assert!(asked.is_open() && caller.text.borrow().is_empty());
        ahead(None, None).forward(HINTS, hints(), view);
    }
}
