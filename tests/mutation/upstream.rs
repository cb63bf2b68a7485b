//! Upstreams that record each request, in HTTP/1.1 by hand and in HTTP/2 with a library. The HTTP/1.1 one responds to
//! `/b/a/…` with given bytes.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request as Asked, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::reading::End;
use crate::request::{Request, one};

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub serial: u64,
    pub request: Request,
    pub state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Whole,
    /// Its connection or stream ended early.
    Begun,
    /// It is not a request to a strict reader.
    Broken,
}

/// The response of a case.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Written one after the other.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the connection is closed afterwards.
    pub closes: bool,
}

#[derive(Default)]
pub struct Upstream {
    log: Mutex<Vec<Seen>>,
    serial: AtomicU64,
    script: Mutex<Script>,
}

/// The body of a regular response.
pub fn said(serial: u64, target: &[u8]) -> Vec<u8> {
    format!("answer {serial} {}", target.escape_ascii()).into_bytes()
}

/// Listens, with a task per connection.
pub async fn serve<F>(mut talk: impl FnMut(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(talk(stream));
        }
    });
    port
}

impl Upstream {
    pub async fn http1(self: Arc<Self>) -> u16 {
        serve(move |stream| {
            let upstream = self.clone();
            async move { upstream.talk(stream).await }
        })
        .await
    }

    pub async fn http2(self: Arc<Self>) -> u16 {
        serve(move |stream| {
            let upstream = self.clone();
            async move {
                let Ok(mut streams) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = streams.accept().await {
                    let upstream = upstream.clone();
                    tokio::spawn(async move { upstream.serve_http2(request, respond).await });
                }
            }
        })
        .await
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    pub fn play(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    fn note(&self, request: Request, state: State) -> u64 {
        let serial = self.serial.fetch_add(1, SeqCst);
        self.log.lock().unwrap().push(Seen { serial, request, state });
        serial
    }

    fn forget(&self, begun: Request) {
        self.note(begun, State::Begun);
    }

    async fn talk(&self, mut stream: TcpStream) {
        let (mut inbox, mut continued) = (Vec::with_capacity(4096), false);
        loop {
            match one(&inbox) {
                (Some(request), End::Whole(used)) => {
                    drop(inbox.drain(..used));
                    continued = false;
                    if !self.reply(&mut stream, request).await {
                        return;
                    }
                    continue;
                }
                (request, End::Broken) => {
                    let bytes = Request { body: inbox, ..request.unwrap_or_default() };
                    self.note(bytes, State::Broken);
                    return;
                }
                (Some(request), _) if !continued && request.fields.iter().any(|(name, _)| name == b"expect") => {
                    continued = true;
                    let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
                }
                _ => {}
            }
            if !matches!(stream.read_buf(&mut inbox).await, Ok(1..)) {
                if let (Some(request), _) = one(&inbox) {
                    self.note(request, State::Begun);
                }
                return;
            }
        }
    }

    /// Responds, and returns whether another request may follow.
    async fn reply(&self, stream: &mut TcpStream, request: Request) -> bool {
        let (target, of_head) = (request.target.clone(), request.method == b"HEAD");
        let last = request.last;
        let serial = self.note(request, State::Whole);
        if target.starts_with(b"/b/a/") {
            let script = self.script.lock().unwrap().clone();
            for piece in &script.pieces {
                if stream.write_all(piece).await.is_err() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
            return !script.closes;
        }
        let body = said(serial, &target);
        let mut bytes =
            format!("HTTP/1.1 200 OK\r\nX-Serial: {serial}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend(if of_head { &[] } else { &body[..] });
        stream.write_all(&bytes).await.is_ok() && !last
    }

    async fn serve_http2(&self, request: Asked<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (head, mut body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("", |target| target.as_str()).as_bytes().to_vec();
        let lines = head.headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
        let mut request = Request {
            method: head.method.as_str().into(),
            target: target.clone(),
            fields: lines.collect(),
            ..Request::default()
        };
        while let Some(data) = body.data().await {
            let Ok(data) = data else { return self.forget(request) };
            let _ = body.flow_control().release_capacity(data.len());
            request.body.extend_from_slice(&data);
        }
        let Ok(trailers) = body.trailers().await else { return self.forget(request) };
        let trailers = trailers.unwrap_or_default();
        request.trailers =
            trailers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect();
        let serial = self.note(request, State::Whole);
        let answer = Response::builder().header("x-serial", serial).body(()).unwrap();
        if let Ok(mut stream) = respond.send_response(answer, head.method == "HEAD") {
            let _ = stream.send_data(said(serial, &target).into(), true);
        }
    }
}
