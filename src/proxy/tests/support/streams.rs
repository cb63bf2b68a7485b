//! Both ends of HTTP/2.

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

/// A request as an HTTP/2 upstream receives it.
pub(in crate::proxy::tests) struct IncomingRequest {
    pub(in crate::proxy::tests) request: Request<RecvStream>,
    pub(in crate::proxy::tests) respond: SendResponse<Bytes>,
    /// The number of its connection, from one.
    pub(in crate::proxy::tests) connection: usize,
}

impl IncomingRequest {
    /// Responds with this status and body.
    pub(in crate::proxy::tests) fn respond_with(&mut self, status: u16, body: impl Into<Bytes>) {
        let head = Response::builder().status(status).body(()).unwrap();
        self.respond.send_response(head, false).unwrap().send_data(body.into(), true).unwrap();
    }
}

/// Starts an HTTP/2 upstream without TLS that hands each request to `handler`. Returns its address and the number of its
/// connections.
pub(in crate::proxy::tests) async fn api<F>(
    handler: impl Fn(IncomingRequest) -> F + Clone + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    api_as(server::Builder::new(), handler).await
}

/// Does the same with a configured connection.
pub(in crate::proxy::tests) async fn api_as<F>(
    builder: server::Builder,
    handler: impl Fn(IncomingRequest) -> F + Clone + Send + 'static,
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
            tokio::spawn(talk(builder.clone(), stream, number, handler.clone()));
        }
    });
    (address, connections)
}

/// Serves one connection. A request to `/goaway` is the last one accepted on it; one to `/required` is rejected with
/// HTTP_1_1_REQUIRED.
pub(in crate::proxy::tests) async fn talk<F>(
    builder: server::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    handler: impl Fn(IncomingRequest) -> F,
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
        tokio::spawn(handler(IncomingRequest { request, respond, connection }));
    }
}

/// Reads a body and its trailers.
pub(in crate::proxy::tests) async fn read(body: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut whole = Vec::new();
    while let Some(data) = tokio::time::timeout(LONG, body.data()).await.expect("no data comes") {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok((whole, body.trailers().await?))
}

/// Connects as an HTTP/2 caller.
pub(in crate::proxy::tests) async fn caller(address: SocketAddr) -> client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (caller, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    caller
}

/// A GET for this path.
pub(in crate::proxy::tests) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://localhost{path}")).body(()).unwrap()
}

/// A complete response.
#[derive(Debug)]
pub(in crate::proxy::tests) struct FullResponse {
    pub(in crate::proxy::tests) head: http::response::Parts,
    pub(in crate::proxy::tests) body: String,
    pub(in crate::proxy::tests) trailers: Option<HeaderMap>,
}

/// Sends a request without a body and reads the response.
pub(in crate::proxy::tests) async fn ask(
    caller: &client::SendRequest<Bytes>,
    request: Request<()>,
) -> Result<FullResponse, h2::Error> {
    let mut caller = caller.clone().ready().await?;
    let (response, _) = caller.send_request(request, true)?;
    read_response(response).await
}

/// Reads a response.
pub(in crate::proxy::tests) async fn read_response(
    response: client::ResponseFuture,
) -> Result<FullResponse, h2::Error> {
    let (head, mut body) = tokio::time::timeout(LONG, response).await.expect("no response comes")?.into_parts();
    let (body, trailers) = read(&mut body).await?;
    Ok(FullResponse { head, body: String::from_utf8(body).unwrap(), trailers })
}
