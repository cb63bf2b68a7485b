//! The same API over HTTP/2. A single request can be refused or reset, and a connection can send GOAWAY.

use std::collections::{HashSet, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::CALLERS;
use crate::api::Api;
use crate::plan::Plan;

/// How many requests a new connection serves before it breaks. A request that failed on a new connection would not be
/// sent again.
const AT_LEAST: usize = 100;

/// How a request fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// RST_STREAM with REFUSED_STREAM: it was not processed.
    Refused,
    /// Reset after its head was read.
    GivenUpUnread,
    /// Reset after it was processed, before the response.
    GivenUp,
    /// Reset within the response.
    UnderAnswer,
    /// GOAWAY: it is the last one on its connection.
    GoAway,
    /// Its connection is reset, with all other requests on it.
    Reset,
    Answered,
}

impl Fate {
    fn at_random() -> Self {
        match fastrand::u16(..5000) {
            0..10 => Self::Refused,
            10..15 => Self::GivenUpUnread,
            15..20 => Self::GivenUp,
            20..25 => Self::UnderAnswer,
            25..35 => Self::GoAway,
            35..40 => Self::Reset,
            _ => Self::Answered,
        }
    }
}

/// Starts the API and returns its port.
pub async fn start(api: Arc<Api>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(api.clone(), stream));
        }
    });
    port
}

async fn talk(api: Arc<Api>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = stream.as_fd().try_clone_to_owned().unwrap();
    let Ok(mut streams) = Builder::new().handshake(stream).await else { return };
    let (tell, mut told) = mpsc::unbounded_channel();
    let (mut served, mut unanswered, mut answered) = (0, HashSet::new(), VecDeque::new());
    loop {
        tokio::select! {
            Some((id, fate)) = told.recv() => {
                unanswered.remove(&id);
                // At most one response per caller is still in flight.
                answered.push_back(id);
                answered.drain(..answered.len().saturating_sub(CALLERS));
                match fate {
                    Fate::GoAway => streams.graceful_shutdown(),
                    Fate::Reset if served > AT_LEAST => {
                        for id in unanswered.iter().chain(&answered) {
                            api.ledger.page(*id).broken.fetch_add(1, SeqCst);
                        }
                        let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
                        return;
                    }
                    _ => {}
                }
            },
            asked = streams.accept() => {
                let Some(Ok((request, respond))) = asked else { return };
                let id = request.uri().path().trim_start_matches("/r/").parse().unwrap();
                served += 1;
                unanswered.insert(id);
                let (api, tell) = (api.clone(), tell.clone());
                tokio::spawn(async move { tell.send((id, serve(&api, request, respond, &Plan::of(id)).await)) });
            }
        }
    }
}

async fn serve(api: &Api, request: Request<RecvStream>, mut respond: SendResponse<Bytes>, plan: &Plan) -> Fate {
    let (fate, page) = (Fate::at_random(), api.ledger.page(plan.id));
    let (head, mut body) = request.into_parts();
    if fate == Fate::Refused {
        respond.send_reset(Reason::REFUSED_STREAM);
        return fate;
    }
    if matches!(fate, Fate::GivenUpUnread | Fate::GivenUp | Fate::UnderAnswer) {
        page.broken.fetch_add(1, SeqCst);
    }
    if fate == Fate::GivenUpUnread {
        respond.send_reset(Reason::INTERNAL_ERROR);
        return fate;
    }
    let Some(body) = whole(&mut body).await else { return Fate::Answered };
    if body != plan.body() || head.method != plan.method {
        page.corrupt.fetch_add(1, SeqCst);
    }
    let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap());
    if !api.tokens.accept(authorization.unwrap_or_default()) {
        page.refused.fetch_add(1, SeqCst);
        let _ = respond.send_response(Response::builder().status(401).body(()).unwrap(), true);
        return fate;
    }
    page.delivered.fetch_add(1, SeqCst);
    if fate == Fate::GivenUp {
        respond.send_reset(Reason::INTERNAL_ERROR);
    } else {
        answer(&mut respond, plan, fate == Fate::UnderAnswer);
    }
    fate
}

fn answer(respond: &mut SendResponse<Bytes>, plan: &Plan, half: bool) {
    let body = plan.answer();
    let head = Response::builder().header("x-id", plan.id).header("content-length", body.len()).body(()).unwrap();
    let bodyless = plan.method == "HEAD" || body.is_empty();
    let Ok(mut stream) = respond.send_response(head, bodyless) else { return };
    if !bodyless {
        let length = if half { body.len() / 2 } else { body.len() };
        let _ = stream.send_data(Bytes::from_static(&body[..length]), !half);
    }
    if half {
        stream.send_reset(Reason::CANCEL);
    }
}

async fn whole(body: &mut RecvStream) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        let _ = body.flow_control().release_capacity(data.len());
        whole.extend_from_slice(&data);
    }
    Some(whole)
}
