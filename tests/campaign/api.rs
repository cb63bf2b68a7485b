//! An API that processes each request once it has read all of it, unless the token is invalid. Its connections break at
//! every possible point.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::tokens::Tokens;
use crate::wire::{Body, Head, Wire};

pub struct Api {
    pub ledger: Ledger,
    pub tokens: Tokens,
}

/// The point at which a connection breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Break {
    /// After the request head was read.
    BeforeBody,
    /// After the request was processed, before the response.
    BeforeAnswer,
    /// Within the response.
    UnderAnswer,
    /// By a reset after the response, which may overtake it.
    AfterAnswer,
    /// A regular close while idle.
    Idle,
    Never,
}

impl Break {
    fn at_random() -> Self {
        match fastrand::u16(..5000) {
            0..5 => Self::BeforeBody,
            5..10 => Self::BeforeAnswer,
            10..15 => Self::UnderAnswer,
            15..20 => Self::AfterAnswer,
            20..30 => Self::Idle,
            _ => Self::Never,
        }
    }
}

impl Api {
    /// Starts the API and returns its port.
    pub async fn start(self: Arc<Self>) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = self.clone();
                tokio::spawn(async move { api.talk(Wire::of(stream)).await });
            }
        });
        port
    }

    async fn talk(&self, mut wire: Wire) {
        while let Some(head) = wire.head().await {
            let id = head.word(1).trim_start_matches("/r/").parse().unwrap();
            match self.serve(&mut wire, &head, &Plan::of(id)).await {
                Break::Never => {}
                Break::Idle | Break::UnderAnswer => return,
                Break::BeforeBody | Break::BeforeAnswer | Break::AfterAnswer => return wire.reset(),
            }
        }
    }

    async fn serve(&self, wire: &mut Wire, head: &Head, plan: &Plan) -> Break {
        let (breaks, page) = (Break::at_random(), self.ledger.page(plan.id));
        if breaks == Break::BeforeBody {
            page.broken.fetch_add(1, SeqCst);
            return breaks;
        }
        match wire.body(head, plan.body()).await {
            Body::Cut => return Break::Idle,
            Body::Different => drop(page.corrupt.fetch_add(1, SeqCst)),
            Body::AsExpected => {}
        }
        if head.word(0) != plan.method {
            page.corrupt.fetch_add(1, SeqCst);
        }
        if !self.tokens.accept(head.field("authorization").unwrap_or_default()) {
            page.refused.fetch_add(1, SeqCst);
            wire.send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
            return Break::Never;
        }
        page.delivered.fetch_add(1, SeqCst);
        if !matches!(breaks, Break::Never | Break::Idle) {
            page.broken.fetch_add(1, SeqCst);
        }
        if breaks != Break::BeforeAnswer {
            wire.send(&answer(plan, breaks == Break::UnderAnswer)).await;
        }
        breaks
    }
}

fn answer(plan: &Plan, half: bool) -> Vec<u8> {
    let body = plan.answer();
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nx-id: {}\r\ncontent-length: {}\r\n\r\n", plan.id, body.len()).into_bytes();
    if plan.method != "HEAD" {
        bytes.extend(body);
    }
    if half {
        bytes.truncate(bytes.len() - bytes.len() / 3);
    }
    bytes
}
