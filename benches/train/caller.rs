//! A caller with one keep-alive connection.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A call.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    method: &'static str,
    path: &'static str,
    body: usize,
}

impl Call {
    pub(crate) const fn get(path: &'static str) -> Self {
        Self { method: "GET", path, body: 0 }
    }

    pub(crate) const fn post(body: usize) -> Self {
        Self { method: "POST", path: "/post", body }
    }

    fn request(self, port: u16) -> Request<Full<Bytes>> {
        let request = Request::builder().method(Method::from_bytes(self.method.as_bytes()).unwrap()).uri(self.path);
        let request = request.header("Host", format!("127.0.0.1:{port}")).header("User-Agent", "training/1.0");
        let request = request.header("Accept", "application/json").header("Accept-Encoding", "identity");
        request.body(Full::new(Bytes::from(vec![b'x'; self.body]))).unwrap()
    }
}

/// Makes all calls in turn, `rounds` times.
pub(crate) async fn call(port: u16, calls: [Call; 5], rounds: usize) {
    let connected = async {
        loop {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    let stream = tokio::time::timeout(super::PATIENCE, connected).await.expect("bearerd listens");
    stream.set_nodelay(true).unwrap();
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for call in std::iter::repeat_n(calls, rounds).flatten() {
        let answer = sender.send_request(call.request(port)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
    }
}
