//! The server: from a connection to a response.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{DATE, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{EndpointRequest, MockAnswer, bearer, empty, full, http_date, json, set};
use super::call;
use super::event::What;
use super::received::{BODY_KEPT, End, Kind, LogEntry, Received, pairs};
use super::switches::Behaviour;
use super::vendor::Vendor;
use super::vendors::dialect;
use super::wire::{Cut, Fuse, Recorded, Wire};

/// The maximum body size of a token request.
const TOKEN_REQUEST_BYTES: usize = 64 * 1024;

/// Serves `vendor` until dropped, which closes its connections.
pub(super) async fn serve(listener: TcpListener, vendor: Arc<Vendor>, numbers: Arc<AtomicU64>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
                    connections.spawn(connection(stream, vendor.clone(), number));
                }
                // Probably out of file descriptors: waits until some connections have ended.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, vendor: Arc<Vendor>, number: u64) {
    // Responses are small, so send them at once.
    let _ = stream.set_nodelay(true);
    let fuse = Fuse::default();
    let wire = Wire::new(stream, fuse.clone());
    let hang_up = vendor.switches.hang_up.clone();
    let service = service_fn(move |request| respond(vendor.clone(), request, number, fuse.clone()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(wire), service).with_upgrades();
    let mut hung_up = hang_up.subscribe();
    tokio::select! {
        // The log already records a caller that disconnects.
        _ = connection => {}
        _ = hung_up.changed() => {}
    }
}

async fn respond(
    vendor: Arc<Vendor>,
    request: Request<Incoming>,
    connection: u64,
    fuse: Fuse,
) -> Result<Response<Recorded>, Cut> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(vendor.api.base_path()).unwrap_or_default().to_owned();
    let arrival = arrival(&vendor, &head, connection);
    let is_head = head.method == http::Method::HEAD;
    let asked = EndpointRequest::new(&head);
    let (mut answer, mut entry) = if dialect(vendor.api).token_kind(&path, &asked).is_some() {
        token_request(&vendor, asked, body, &path, arrival, &fuse).await?
    } else {
        let entry = vendor.log.arrived(arrival);
        let answer = api_call(&vendor, head, body, &path, &entry, &fuse).await?;
        (answer, entry)
    };
    // The vendor's clock, not the machine's.
    set(&mut answer, DATE, &http_date(vendor.wall(), 0));
    entry.note(|received| received.status = Some(answer.status().as_u16()));
    if is_head {
        entry.complete();
    }
    Ok(answer.map(|body| Recorded::new(body, entry)))
}

fn arrival(vendor: &Vendor, head: &Parts, connection: u64) -> Received {
    let bearer = vendor.tokens.bearer(bearer(&head.headers).unwrap_or_default());
    Received {
        api: vendor.api,
        kind: Kind::Call,
        connection,
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: pairs(&head.headers),
        body: Vec::new(),
        body_length: 0,
        token: bearer.number,
        subject: bearer.subject,
        status: None,
        end: End::Open,
    }
}

async fn token_request(
    vendor: &Vendor,
    mut asked: EndpointRequest,
    body: Incoming,
    path: &str,
    mut arrival: Received,
    fuse: &Fuse,
) -> Result<(MockAnswer, LogEntry), Cut> {
    let dialect = dialect(vendor.api);
    asked.body = Limited::new(body, TOKEN_REQUEST_BYTES).collect().await.map_err(|_| Cut)?.to_bytes();
    // Some vendors state the kind in the body, which is known now.
    asked.kind = dialect.token_kind(path, &asked).unwrap_or(Kind::Login);
    arrival.kind = asked.kind;
    arrival.body = asked.body.slice(..asked.body.len().min(BODY_KEPT)).to_vec();
    arrival.body_length = asked.body.len() as u64;
    let entry = vendor.log.arrived(arrival);
    let behaviour = vendor.switches.behaviour(asked.kind).await;
    let answer = match misbehave(&behaviour, &dialect.refusal(path), fuse)? {
        Some(answer) => answer,
        None => dialect.token_reply(path, &asked, vendor),
    };
    if let Some(issued) = asked.issued.get() {
        entry.note(|received| {
            received.token = issued.number;
            received.subject.clone_from(&issued.subject);
        });
    }
    if answer.status().as_u16() >= 300 {
        vendor.tell(What::Refused { kind: asked.kind, status: answer.status().as_u16() });
    }
    Ok((answer, entry))
}

async fn api_call(
    vendor: &Arc<Vendor>,
    head: Parts,
    body: Incoming,
    path: &str,
    entry: &LogEntry,
    fuse: &Fuse,
) -> Result<MockAnswer, Cut> {
    let behaviour = vendor.switches.behaviour(Kind::Call).await;
    let dialect = dialect(vendor.api);
    let refused = match misbehave(&behaviour, &dialect.expired(), fuse)? {
        Some(answer) => Some(answer),
        None if !path.starts_with('/') => Some(json(404, &json!({ "error": "not below the base" }))),
        None => dialect.admit(&head, vendor).err().map(|answer| *answer),
    };
    let Some(refusal) = refused else {
        vendor.tell_call(&head);
        return call::answer(vendor, head, body, path, entry).await;
    };
    if !vendor.terms().hasty {
        call::hear(body, entry).await?;
    }
    Ok(refusal)
}

/// The response that the switches request; `None` if the request is to be served.
fn misbehave(behaviour: &Behaviour, refusal: &Value, fuse: &Fuse) -> Result<Option<MockAnswer>, Cut> {
    let answer = match behaviour {
        Behaviour::Serve | Behaviour::Stall => return Ok(None),
        Behaviour::Close => return Err(Cut),
        Behaviour::Reset => {
            fuse.blow();
            return Err(Cut);
        }
        Behaviour::Refuse(status) => json(*status, refusal),
        Behaviour::Fail(status, retry_after) => {
            let mut answer = full(*status, "text/plain", "out of order\n");
            if let Some(after) = retry_after {
                set(&mut answer, RETRY_AFTER, after);
            }
            answer
        }
        Behaviour::Garbage => full(200, "text/html", "<html><body>Please sign in</body></html>"),
        Behaviour::ErrorInside => json(200, refusal),
        Behaviour::Huge => json(200, &json!({ "padding": "x".repeat(8 << 20) })),
        Behaviour::Redirect(location) => {
            let mut answer = empty(307);
            set(&mut answer, LOCATION, location);
            answer
        }
        Behaviour::Reply(canned) => {
            let mut answer = full(canned.status, "application/json", canned.body.clone());
            for (name, value) in &canned.headers {
                set(&mut answer, http::HeaderName::from_static(name), value);
            }
            answer
        }
    };
    Ok(Some(answer))
}
