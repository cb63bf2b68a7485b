//! The smallest header-injecting proxy with hyper on both sides: a fixed token, one pool, no limits, no timeouts, no
//! metrics, no logs, no repeat. Not a product.
//!
//! `hyper-spawn PORT UPSTREAM_PORT TOKEN LEGAL_ENTITY API_VERSION [CA_FILE]`; with a CA file the upstream is https.
mod pool;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pool::{Pool, Pooled};
use std::error::Error;
use std::net::Ipv4Addr;
use std::rc::Rc;
use tokio::net::TcpListener;

pub type Failure = Box<dyn Error + Send + Sync>;

const LEGAL_ENTITY: HeaderName = HeaderName::from_static("legal-entity");
const API_VERSION: HeaderName = HeaderName::from_static("api-version");

struct Proxy {
    pool: Rc<Pool>,
    headers: [(HeaderName, HeaderValue); 4],
}

impl Proxy {
    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<Pooled>, Failure> {
        let headers = request.headers_mut();
        headers.remove(CONNECTION);
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        self.pool.send(request).await
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, upstream, token, legal_entity, api_version, ca @ ..] = &arguments[..] else {
        return Err("PORT UPSTREAM_PORT TOKEN LEGAL_ENTITY API_VERSION [CA_FILE]".into());
    };
    let proxy = Proxy {
        pool: Rc::new(Pool::new(upstream.parse()?, ca.first().map(String::as_str))?),
        headers: [
            (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?),
            (LEGAL_ENTITY, HeaderValue::try_from(legal_entity)?),
            (API_VERSION, HeaderValue::try_from(api_version)?),
            (HOST, HeaderValue::from_static("localhost")),
        ],
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(port.parse()?, Rc::new(proxy)))
}

async fn serve(port: u16, proxy: Rc<Proxy>) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let proxy = Rc::clone(&proxy);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| proxy.forward(request));
            // A caller that disconnects does not matter here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
