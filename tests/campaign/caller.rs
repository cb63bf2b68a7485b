//! A caller with a connection that it keeps while it works.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::ledger::Seen;
use crate::plan::Plan;
use crate::wire::{Body, Head, Wire};

pub struct Caller {
    port: u16,
    wire: Option<Wire>,
    /// The longest response time.
    pub longest: Duration,
}

impl Caller {
    pub fn to(port: u16) -> Self {
        Self { port, wire: None, longest: Duration::ZERO }
    }

    /// Makes a request and reads its response.
    pub async fn call(&mut self, plan: &Plan) -> Seen {
        let mut wire = match self.wire.take().filter(Wire::is_fresh) {
            Some(wire) => wire,
            None => Wire::of(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()),
        };
        let began = Instant::now();
        wire.send(&request(plan)).await;
        let seen = match wire.head().await {
            Some(head) => judge(&mut wire, &head, plan).await,
            None => Seen::Wrong("nothing".to_owned()),
        };
        self.longest = self.longest.max(began.elapsed());
        if seen == Seen::Served {
            self.wire = Some(wire);
        }
        seen
    }
}

async fn judge(wire: &mut Wire, head: &Head, plan: &Plan) -> Seen {
    let code = head.field("proxy-status").and_then(|status| status.split('"').nth(1));
    let status = head.word(1).parse().unwrap_or_default();
    match (status, code) {
        (status, Some(code)) => Seen::Own(status, code.to_owned()),
        (401, None) => Seen::Refused,
        (200, None) if head.field("x-id") != Some(&*plan.id.to_string()) => Seen::Wrong("another's answer".to_owned()),
        (200, None) if plan.method == "HEAD" => Seen::Served,
        (200, None) => match wire.body(head, plan.answer()).await {
            Body::AsExpected => Seen::Served,
            Body::Different => Seen::Wrong("another body".to_owned()),
            Body::Cut => Seen::Cut,
        },
        (_, None) => Seen::Wrong(head.line.clone()),
    }
}

fn request(plan: &Plan) -> Vec<u8> {
    let (body, mut bytes) = (plan.body(), Vec::new());
    bytes.extend(format!("{} /r/{} HTTP/1.1\r\nhost: localhost\r\n", plan.method, plan.id).bytes());
    if !plan.chunked {
        let none = body.is_empty() && plan.is_idempotent();
        let length = if none { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        bytes.extend(format!("{length}\r\n").bytes());
        bytes.extend(body);
        return bytes;
    }
    bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
    for chunk in body.chunks(1 + plan.id % 9000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
