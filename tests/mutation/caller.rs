//! Callers: one that sends arbitrary bytes, and a regular one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer::{Answer, answer};
use crate::reading::End;
use crate::request::{Requests, Rest};

/// Longer than any step takes, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may stay open after something that is not a request.
const LINGER: Duration = Duration::from_millis(300);

/// The responses to the bytes sent.
#[derive(Debug, Default)]
pub struct Heard {
    pub answers: Vec<Answer>,
    /// Bytes after them that are not a response.
    pub rest: Vec<u8>,
    /// The connection was reset, so earlier responses may be lost.
    pub reset: bool,
    /// Nothing more arrived, and the connection stayed open.
    pub hangs: bool,
}

pub async fn connect(port: u16) -> Result<TcpStream, String> {
    for _ in 0..100 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("nobody accepts".to_owned())
}

/// Sends bytes and reads the responses. Then it closes its sending side, unless the last bytes are not a request.
pub async fn send(port: u16, pieces: &[&[u8]], read: &Requests) -> Result<Heard, String> {
    let (whole, broken) = (read.whole.len(), read.rest == Rest::Broken);
    let methods: Vec<_> = read.whole.iter().chain(&read.begun).map(|one| one.method.clone()).collect();
    let methods = &methods[..];
    let mut stream = connect(port).await?;
    for piece in pieces {
        // If it stops reading, it may have sent the reason.
        if !matches!(timeout(PATIENCE, stream.write_all(piece)).await, Ok(Ok(()))) {
            break;
        }
    }
    let (mut heard, mut finished) = (Heard::default(), false);
    loop {
        hear(&mut heard, methods, false);
        if heard.answers.len() >= whole && !broken && !finished {
            finished = true;
            let _ = stream.shutdown().await;
        }
        let wait = if heard.answers.len() >= whole && !finished { LINGER } else { PATIENCE };
        match timeout(wait, stream.read_buf(&mut heard.rest)).await {
            Ok(Ok(1..)) => {}
            Ok(end) => {
                heard.reset = end.is_err();
                hear(&mut heard, methods, true);
                return Ok(heard);
            }
            Err(_) if !finished && heard.answers.len() >= whole => {
                finished = true;
                let _ = stream.shutdown().await;
            }
            Err(_) => {
                heard.hangs = true;
                return Ok(heard);
            }
        }
    }
}

/// Extracts complete responses.
fn hear(heard: &mut Heard, methods: &[Vec<u8>], over: bool) {
    while !heard.rest.is_empty() {
        // A malformed request may be refused like the HEAD request that it starts with.
        let head_alone = over && heard.rest.ends_with(b"\r\n\r\n");
        let other = if head_alone { &b"HEAD"[..] } else { b"GET" };
        let method = methods.get(heard.answers.len()).map_or(other, |method| method);
        match answer(&heard.rest, method) {
            Ok(answer) => match answer.end {
                End::Whole(_) if answer.closes && !over => return,
                End::Whole(used) => {
                    let used = if answer.closes { heard.rest.len() } else { used };
                    drop(heard.rest.drain(..used));
                    heard.answers.push(answer);
                }
                _ => return,
            },
            Err(_) => return,
        }
    }
}

/// A caller with a kept connection.
pub struct Caller {
    port: u16,
    stream: Option<TcpStream>,
    inbox: Vec<u8>,
}

impl Caller {
    pub fn to(port: u16) -> Self {
        Self { port, stream: None, inbox: Vec::new() }
    }

    /// Makes a request and reads the response, which nothing may follow.
    pub async fn ask(&mut self, method: &str, path: &str) -> Result<Answer, String> {
        let body = if method == "POST" { "Content-Length: 4\r\n\r\nbody" } else { "\r\n" };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic THEIRS\r\n{body}");
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.port).await?,
        };
        self.inbox.clear();
        let _ = stream.write_all(request.as_bytes()).await;
        loop {
            let read = timeout(PATIENCE, stream.read_buf(&mut self.inbox)).await;
            let over = match read {
                Err(_) => return Err(format!("no end of the answer: {}", self.inbox.escape_ascii())),
                Ok(read) => !matches!(read, Ok(1..)),
            };
            match answer(&self.inbox, method.as_bytes()) {
                Ok(answer) if over => return Ok(answer),
                Ok(Answer { closes: true, .. }) | Err(End::Cut) if !over => {}
                Ok(answer) => match answer.end {
                    End::Whole(used) if used < self.inbox.len() => {
                        return Err(format!("bytes behind the answer: {}", self.inbox[used..].escape_ascii()));
                    }
                    End::Whole(_) => return Ok(self.keep(stream, answer)),
                    End::Broken | End::Doubtful => return Ok(answer),
                    End::Cut => {}
                },
                Err(_) => return Err(format!("no answer: \"{}\"", self.inbox.escape_ascii())),
            }
        }
    }

    fn keep(&mut self, stream: TcpStream, answer: Answer) -> Answer {
        let says_close = answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        self.stream = (!says_close).then_some(stream);
        answer
    }
}
