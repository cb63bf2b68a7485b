//! A caller and an upstream that write HTTP/2 frames by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::caller::{PATIENCE, connect};
use crate::frames::{
    Carried, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING, PREFACE, RESET, SETTINGS, WINDOW,
    block, frames, mutate, written,
};
use crate::lawful::{changes, noise};
use crate::upstream::serve;

/// After how long without data nothing more is expected.
const QUIET: Duration = Duration::from_millis(50);

/// Valid requests, each on its own stream, then mutated; and whether none was changed.
pub fn requests(random: &mut Rng, number: u64) -> (Vec<u8>, bool) {
    let mut made = vec![Frame::new(SETTINGS, 0, 0, []), Frame::new(WINDOW, 0, 0, 1_000_000_u32.to_be_bytes())];
    for place in 0..random.u32(1..4) {
        request(random, number, place, &mut made);
    }
    let lawful = [PREFACE, &written(&made)].concat();
    let bytes = mutate_some(random, &mut made);
    let mut preface = PREFACE.to_vec();
    if random.u8(..60) == 0 {
        crate::mutate::any(random, &mut preface);
    }
    let bytes = [preface, bytes].concat();
    let plain = bytes == lawful;
    (bytes, plain)
}

fn mutate_some(random: &mut Rng, made: &mut Vec<Frame>) -> Vec<u8> {
    let changes = changes(random);
    mutate(random, made, changes)
}

fn request(random: &mut Rng, number: u64, place: u32, made: &mut Vec<Frame>) {
    let (stream, body) = (place * 2 + 1, noise(number, random.usize(..300)));
    let method = ["GET", "POST", "PUT", "HEAD"][random.usize(..4)];
    let path = format!("/m/{number}/{place}");
    let length = body.len().to_string();
    let mut fields = vec![
        (":method", method.as_bytes()),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", path.as_bytes()),
        ("authorization", b"Basic THEIRS"),
    ];
    let bodyless = matches!(method, "GET" | "HEAD");
    if !bodyless && random.bool() {
        fields.push(("content-length", length.as_bytes()));
    }
    let end = if bodyless { END_STREAM } else { 0 };
    made.push(Frame::new(HEADERS, END_HEADERS | end, stream, block(fields)));
    if !bodyless {
        data(random, stream, &body, made);
    }
}

fn data(random: &mut Rng, stream: u32, body: &[u8], made: &mut Vec<Frame>) {
    let (size, padded) = (random.usize(20..400), random.u8(..4) == 0);
    for part in body.chunks(size) {
        let frame = match padded {
            true => Frame::new(DATA, PADDED, stream, [&[3], part, &[0; 3]].concat()),
            false => Frame::new(DATA, 0, stream, part),
        };
        made.push(frame);
    }
    made.last_mut().unwrap().flags |= END_STREAM;
}

/// The responses on each stream.
#[derive(Debug, Default)]
pub struct Heard {
    pub streams: BTreeMap<u32, Vec<u8>>,
    pub ended: BTreeMap<u32, bool>,
    /// Everything expected arrived, or the connection has ended.
    pub over: bool,
}

/// Sends bytes and reads responses until all have arrived, or nothing more does.
pub async fn send(port: u16, bytes: &[u8], expected: &Carried, plain: bool) -> Result<Heard, String> {
    let mut stream = connect(port).await?;
    let _ = timeout(Duration::from_secs(5), stream.write_all(bytes)).await;
    let (mut heard, mut inbox) = (Heard::default(), Vec::with_capacity(4096));
    loop {
        while let Some((frame, used)) = Frame::read(&inbox) {
            drop(inbox.drain(..used));
            match frame.kind {
                DATA => heard.streams.entry(frame.stream).or_default().extend(frame.data().unwrap_or_default()),
                RESET => drop(heard.ended.insert(frame.stream, false)),
                GOAWAY => heard.over = true,
                _ => {}
            }
            if matches!(frame.kind, DATA | HEADERS) && frame.has(END_STREAM) {
                heard.ended.insert(frame.stream, true);
            }
        }
        let all = expected.ended.iter().all(|stream| heard.ended.contains_key(stream));
        let quiet = if plain { PATIENCE } else { QUIET };
        let wait = if all || heard.over { Duration::from_millis(1) } else { quiet };
        match timeout(wait, stream.read_buf(&mut inbox)).await {
            Ok(Ok(1..)) => {}
            end => {
                heard.over |= all || end.is_ok();
                return Ok(heard);
            }
        }
    }
}

/// The kind of the next request.
#[derive(Clone, Debug, Default)]
pub enum Next {
    /// A case: its frames are generated from this seed, for the stream that it arrives on.
    Case(u64, u64),
    #[default]
    Nothing,
    /// A regular request with this response body.
    Probe(Vec<u8>),
}

/// An upstream that writes frames by hand.
#[derive(Default)]
pub struct Upstream {
    next: Mutex<Next>,
    /// Each body that a case's response may have, and whether it is unchanged.
    sent: Mutex<Vec<(Vec<u8>, bool)>>,
    /// The bytes of a case's last response.
    raw: Mutex<Vec<u8>>,
}

impl Upstream {
    pub fn expect(&self, next: Next) {
        *self.next.lock().unwrap() = next;
        self.sent.lock().unwrap().clear();
    }

    pub fn sent(&self) -> Vec<(Vec<u8>, bool)> {
        self.sent.lock().unwrap().clone()
    }

    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().unwrap().clone()
    }

    pub async fn start(self: Arc<Self>) -> u16 {
        serve(move |stream| {
            let upstream = self.clone();
            async move { upstream.talk(stream).await.unwrap_or_default() }
        })
        .await
    }

    async fn talk(&self, mut stream: TcpStream) -> Option<()> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.ok()?;
        stream.write_all(&written(&[Frame::new(SETTINGS, 0, 0, [])])).await.ok()?;
        let (mut inbox, mut window) = (Vec::with_capacity(4096), 65_535_u64);
        loop {
            let Some((frame, used)) = Frame::read(&inbox) else {
                if stream.read_buf(&mut inbox).await.ok()? == 0 {
                    return None;
                }
                continue;
            };
            drop(inbox.drain(..used));
            let mut ended = true;
            let answer = match frame.kind {
                SETTINGS | PING if frame.flags & 1 == 0 => {
                    let payload = if frame.kind == PING { frame.payload } else { Vec::new() };
                    written(&[Frame::new(frame.kind, 1, 0, payload)])
                }
                WINDOW if frame.stream == 0 => {
                    window += u64::from(u32::from_be_bytes(frame.payload.try_into().ok()?));
                    continue;
                }
                HEADERS | DATA if frame.has(END_STREAM) => {
                    let answer = self.answer(frame.stream);
                    ended = is_ended(&answer, frame.stream);
                    answer
                }
                GOAWAY => return None,
                _ => continue,
            };
            stream.write_all(&answer).await.ok()?;
            window = window.saturating_sub(answer.len() as u64);
            // Later frames would be taken for the missing part, and nobody may send without a window.
            if !ended || window < 16_000 {
                return None;
            }
        }
    }

    fn answer(&self, stream: u32) -> Vec<u8> {
        let next = self.next.lock().unwrap().clone();
        let (seed, number) = match next {
            Next::Case(seed, number) => (seed, number),
            Next::Probe(body) => return written(&lawful(stream, &body)),
            Next::Nothing => return written(&[Frame::new(RESET, 0, stream, 2_u32.to_be_bytes())]),
        };
        let mut random = Rng::with_seed(seed);
        let mut made = lawful(stream, &noise(number, random.usize(..300)));
        if random.u8(..6) == 0 {
            made.insert(
                0,
                Frame::new(HEADERS, END_HEADERS, stream, block([(":status", &b"103"[..]), ("link", b"</x>")])),
            );
        }
        let plain = written(&made);
        let bytes = mutate_some(&mut random, &mut made);
        let carried = Carried::of(&frames(&bytes).0);
        let body = carried.data.get(&stream).cloned().unwrap_or_default();
        self.sent.lock().unwrap().push((body, plain == bytes));
        self.raw.lock().unwrap().clone_from(&bytes);
        bytes
    }
}

fn is_ended(answer: &[u8], stream: u32) -> bool {
    let (frames, whole) = frames(answer);
    let resets = |frame: &Frame| frame.kind == RESET && frame.stream == stream;
    // Within an unfinished header block, every other frame is an error.
    let goes_on = |frame: &Frame| frame.kind == HEADERS && !frame.has(END_HEADERS);
    whole && !frames.iter().any(goes_on) && (frames.iter().any(resets) || Carried::of(&frames).ended.contains(&stream))
}

fn lawful(stream: u32, body: &[u8]) -> Vec<Frame> {
    let length = body.len().to_string();
    let fields = [(":status", &b"200"[..]), ("content-length", length.as_bytes()), ("x-high", b"\xe9")];
    vec![Frame::new(HEADERS, END_HEADERS, stream, block(fields)), Frame::new(DATA, END_STREAM, stream, body)]
}
