//! Both ends of HTTP/2, frame by frame.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, client, server};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::wire::LONG;

/// One request as an upstream of HTTP/2 has it.
pub(in crate::proxy::tests) struct Asked {
    pub(in crate::proxy::tests) request: Request<RecvStream>,
    pub(in crate::proxy::tests) respond: SendResponse<Bytes>,
    /// The number of its connection, from one.
    pub(in crate::proxy::tests) connection: usize,
}

impl Asked {
    /// Answers with this status and body.
    pub(in crate::proxy::tests) fn answer(&mut self, status: u16, body: impl Into<Bytes>) {
        let head = Response::builder().status(status).body(()).unwrap();
        self.respond.send_response(head, false).unwrap().send_data(body.into(), true).unwrap();
    }
}

/// An upstream of HTTP/2 without TLS that hands each request to `answer`. Returns its address and how many have connected.
pub(in crate::proxy::tests) async fn api<F>(
    answer: impl Fn(Asked) -> F + Clone + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    api_as(server::Builder::new(), answer).await
}

/// The same, and it speaks in this way.
pub(in crate::proxy::tests) async fn api_as<F>(
    builder: server::Builder,
    answer: impl Fn(Asked) -> F + Clone + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::<AtomicUsize>::default();
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::spawn(talk(builder.clone(), stream, number, answer.clone()));
        }
    });
    (address, connections)
}

/// Serves one connection. A request to `/goaway` is the last one taken on it; one to `/required` is not taken.
pub(in crate::proxy::tests) async fn talk<F>(
    builder: server::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    answer: impl Fn(Asked) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(mut streams) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = streams.accept().await {
        if request.uri().path() == "/goaway" {
            streams.graceful_shutdown();
        }
        if request.uri().path() == "/required" {
            streams.abrupt_shutdown(h2::Reason::HTTP_1_1_REQUIRED);
            continue;
        }
        tokio::spawn(answer(Asked { request, respond, connection }));
    }
}

/// All of a body, and its trailers.
pub(in crate::proxy::tests) async fn read(body: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut whole = Vec::new();
    while let Some(data) = tokio::time::timeout(LONG, body.data()).await.expect("no data comes") {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok((whole, body.trailers().await?))
}

/// A caller of HTTP/2.
pub(in crate::proxy::tests) async fn caller(address: SocketAddr) -> client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (caller, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    caller
}

/// A GET of this path.
pub(in crate::proxy::tests) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://localhost{path}")).body(()).unwrap()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(in crate::proxy::tests) struct Answered {
    pub(in crate::proxy::tests) head: http::response::Parts,
    pub(in crate::proxy::tests) body: String,
    pub(in crate::proxy::tests) trailers: Option<HeaderMap>,
}

/// Sends a request without a body and reads the answer.
pub(in crate::proxy::tests) async fn ask(
    caller: &client::SendRequest<Bytes>,
    request: Request<()>,
) -> Result<Answered, h2::Error> {
    let mut caller = caller.clone().ready().await?;
    let (answer, _) = caller.send_request(request, true)?;
    answered(answer).await
}

/// Reads an answer.
pub(in crate::proxy::tests) async fn answered(answer: client::ResponseFuture) -> Result<Answered, h2::Error> {
    let (head, mut body) = tokio::time::timeout(LONG, answer).await.expect("no answer comes")?.into_parts();
    let (body, trailers) = read(&mut body).await?;
    Ok(Answered { head, body: String::from_utf8(body).unwrap(), trailers })
}
