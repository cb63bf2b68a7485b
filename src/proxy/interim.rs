//! What a server says ahead of its answer (RFC 9110 §15.2): an HTTP/1.1 caller is told, as far as no part of an earlier
//! answer stands in the way. hyper's server has no way to say it, so it is written to the socket where hyper flushes.
//! `100 Continue` is another matter, between each two neighbours: see [`super::expect`].

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, StatusCode};
use tokio::io::AsyncWrite;

use super::expect::Signal;
use super::headers::answer::strip;
use super::headers::marks::Marks;
use super::http1::write_line;
use super::socket::Socket;

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
    fn add(&self, status: StatusCode, mut headers: HeaderMap) {
        if self.unsent.get() || self.text.borrow().len() >= MOST {
            return;
        }
        let marks = Marks::of(&headers);
        strip(&mut headers, marks);
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
        let too_much = || io::Error::new(io::ErrorKind::InvalidData, "more than 16 interim answers, or 64 KiB of them");
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

/// Who hears what an upstream says ahead of its answer to one request.
pub(crate) struct Ahead {
    /// Asks for the body, where the caller waits to be asked.
    pub(crate) asked: Option<Rc<Signal>>,
    /// Passes on what may be passed on.
    pub(crate) caller: Option<Rc<Interim>>,
}

impl Ahead {
    /// The upstream has said this.
    pub(crate) fn hear(&self, status: StatusCode, headers: HeaderMap) {
        if status == StatusCode::CONTINUE {
            self.asked.iter().for_each(|asked| asked.open());
        } else if let Some(caller) = &self.caller {
            caller.add(status, headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;

    const HINTS: StatusCode = StatusCode::EARLY_HINTS;

    fn hints() -> HeaderMap {
        let lines = [("link", "</a>"), ("keep-alive", "x")];
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
        interim.add(HINTS, hints());
        interim.unsent.set(false);
        interim.add(HINTS, hints());
        std::future::poll_fn(|cx| interim.poll_write(cx, &mut socket)).await.unwrap();
        drop(socket);
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    }

    #[test]
    fn what_nobody_reads_does_not_pile_up() {
        let interim = Interim::default();
        (0..10_000).for_each(|_| interim.add(HINTS, hints()));
        assert!((MOST..MOST + 100).contains(&interim.text.borrow().len()));
    }

    #[test]
    fn only_what_was_asked_for_asks_for_a_body() {
        let (asked, caller) = (Rc::<Signal>::default(), Rc::<Interim>::default());
        let ahead = Ahead { asked: Some(asked.clone()), caller: Some(caller.clone()) };
        ahead.hear(HINTS, hints());
        assert!(!asked.is_open() && !caller.text.borrow().is_empty());
        caller.text.borrow_mut().clear();
        ahead.hear(StatusCode::CONTINUE, HeaderMap::new());
        assert!(asked.is_open() && caller.text.borrow().is_empty());
        Ahead { asked: None, caller: None }.hear(HINTS, hints());
    }
}
