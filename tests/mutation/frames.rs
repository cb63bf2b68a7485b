//! HTTP/2 frames (RFC 9113 §4), written and read by hand, and their mutations.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use crate::mutate::any;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub fn write(&self, bytes: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        bytes.extend_from_slice(&length[1..]);
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
    }

    /// Reads the first frame and returns it with its length.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let head = bytes.get(..9)?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
        let payload = bytes.get(9..9 + length)?.to_vec();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some((Self { kind: head[3], flags: head[4], stream, payload }, 9 + length))
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The content of a DATA frame without padding.
    pub fn data(&self) -> Option<&[u8]> {
        if !self.has(PADDED) {
            return Some(&self.payload);
        }
        let (padding, rest) = self.payload.split_first()?;
        rest.get(..rest.len().checked_sub(usize::from(*padding))?)
    }
}

pub fn written(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut bytes));
    bytes
}

/// All complete frames, and whether no bytes are left.
pub fn frames(mut bytes: &[u8]) -> (Vec<Frame>, bool) {
    let mut frames = Vec::new();
    while let Some((frame, used)) = Frame::read(bytes) {
        frames.push(frame);
        bytes = &bytes[used..];
    }
    (frames, bytes.is_empty())
}

/// A header block without dynamic table and Huffman code (RFC 7541 §6.2.2).
pub fn block<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name.as_bytes(), value] {
            match text.len().checked_sub(127) {
                None => bytes.push(u8::try_from(text.len()).unwrap()),
                Some(more) => bytes.extend([127, (more % 128 + 128) as u8, (more / 128) as u8]),
            }
            bytes.extend(text);
        }
    }
    bytes
}

/// What the frames carry, read strictly: each stream's data up to its end, and which streams are opened.
#[derive(Debug, Default)]
pub struct Carried {
    pub begun: BTreeSet<u32>,
    pub data: BTreeMap<u32, Vec<u8>>,
    pub ended: BTreeSet<u32>,
}

impl Carried {
    pub fn of(frames: &[Frame]) -> Self {
        let mut carried = Self::default();
        for frame in frames {
            if frame.kind == HEADERS {
                carried.begun.insert(frame.stream);
            }
            if frame.kind == DATA && !carried.ended.contains(&frame.stream) {
                carried.data.entry(frame.stream).or_default().extend(frame.data().unwrap_or_default());
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.has(END_STREAM) {
                carried.ended.insert(frame.stream);
            }
        }
        carried
    }
}

/// Mutates frames, then perhaps their bytes.
pub fn mutate(random: &mut Rng, frames: &mut Vec<Frame>, changes: usize) -> Vec<u8> {
    let mut lengths = Vec::new();
    let mut raw = 0;
    for _ in 0..changes {
        match random.u8(..10) {
            0..4 => one(random, frames),
            4..6 => insert(random, frames),
            6..8 => payload(random, frames),
            8 => lengths.push((random.usize(..=frames.len()), random.u8(..))),
            _ => raw += 1,
        }
    }
    let mut bytes = Vec::new();
    for (place, frame) in frames.iter().enumerate() {
        let at = bytes.len();
        frame.write(&mut bytes);
        for (_, by) in lengths.iter().filter(|(wrong, _)| *wrong == place) {
            bytes[at + usize::from(*by % 3)] ^= (*by).max(1);
        }
    }
    (0..raw).for_each(|_| any(random, &mut bytes));
    bytes
}

fn one(random: &mut Rng, frames: &mut Vec<Frame>) {
    if frames.is_empty() {
        return;
    }
    let (at, other) = (random.usize(..frames.len()), random.usize(..frames.len()));
    match random.u8(..8) {
        0 => frames[at].kind = random.u8(..12),
        1 => frames[at].flags ^= 1 << random.u8(..8),
        2 => frames[at].stream = [0, 1, 2, 3, 5, 7, 0x7fff_ffff, 0x8000_0001][random.usize(..8)],
        3 => frames.swap(at, other),
        4 => drop(frames.remove(at)),
        5 => frames.insert(other, frames[at].clone()),
        6 => frames.truncate(at),
        _ => {
            let times = random.usize(1..60);
            let copy = frames[at].clone();
            drop(frames.splice(at..at, std::iter::repeat_n(copy, times)));
        }
    }
}

/// Inserts unrelated frames.
fn insert(random: &mut Rng, frames: &mut Vec<Frame>) {
    let stream = [0, 1, 1, 3, 9][random.usize(..5)];
    let word = [0, 1, 0x7fff_ffff, 0xffff_ffff, 0x8000_0000][random.usize(..5)];
    let word = u32::to_be_bytes(word).to_vec();
    let setting = |random: &mut Rng| [&[0, random.u8(..9)][..], &word].concat();
    let frame = match random.u8(..14) {
        0 => Frame::new(RESET, 0, stream, word),
        1 => Frame::new(WINDOW, 0, stream, word),
        2 => Frame::new(SETTINGS, 0, 0, setting(random)),
        3 => Frame::new(SETTINGS, random.u8(..2), stream, vec![0; random.usize(..13)]),
        4 => Frame::new(PING, random.u8(..2), 0, vec![7; 8]),
        5 => Frame::new(PING, 0, stream, vec![7; random.usize(..10)]),
        6 => Frame::new(GOAWAY, 0, 0, [&word[..], &u32::to_be_bytes(random.u32(..15))].concat()),
        7 => Frame::new(CONTINUATION, random.u8(..8), stream, block([("x", &b"y"[..])])),
        8 => Frame::new(2, 0, stream, [&u32::to_be_bytes(stream)[..], &[9]].concat()),
        9 => Frame::new(5, 4, stream, [&u32::to_be_bytes(2)[..], &block([(":method", &b"GET"[..])])].concat()),
        10 => Frame::new(random.u8(10..), random.u8(..), stream, word),
        11 => Frame::new(DATA, random.u8(..16), stream, vec![random.u8(..9); random.usize(..50)]),
        12 => Frame::new(HEADERS, END_HEADERS | random.u8(..2), stream, garbage(random)),
        _ => Frame::new(HEADERS, random.u8(..), stream, block([("x-trailer", &b"THEIRS"[..]), ("te", b"gzip")])),
    };
    let times = if random.u8(..8) == 0 { random.usize(1..150) } else { 1 };
    let at = random.usize(..=frames.len());
    drop(frames.splice(at..at, std::iter::repeat_n(frame, times)));
}

fn payload(random: &mut Rng, frames: &mut [Frame]) {
    let Some(frame) = random.choice(frames.iter_mut()) else { return };
    match (frame.kind, random.u8(..3)) {
        (HEADERS, 0) => frame.payload.extend(garbage(random)),
        (HEADERS, 1) => {
            let at = [0, frame.payload.len()][random.usize(..2)];
            drop(frame.payload.splice(at..at, field(random)));
        }
        _ => any(random, &mut frame.payload),
    }
}

/// Arbitrary bytes for the header decoder.
fn garbage(random: &mut Rng) -> Vec<u8> {
    match random.u8(..7) {
        0 => vec![0x80],
        1 => vec![0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        2 => vec![0x3f, 0xe1, 0xff, 0xff, 0x07],
        3 => vec![0xbe; random.usize(1..100)],
        4 => vec![0x00, 0xff, 0xff, 0x03, b'x'],
        5 => vec![0x00, 0x81, 0xff, 0x81, 0xff],
        _ => (0..random.usize(..40)).map(|_| random.u8(..)).collect(),
    }
}

/// Fields that HTTP/2 does not allow, or that a caller may not set.
fn field(random: &mut Rng) -> Vec<u8> {
    let fields: &[(&str, &[u8])] = &[
        (":path", b"/theirs"),
        (":path", b""),
        (":method", b"CONNECT"),
        (":authority", b"theirs.example"),
        (":scheme", b""),
        (":status", b"101"),
        (":status", b"103"),
        (":status", b"2000"),
        (":status", b"204"),
        (":unknown", b"x"),
        ("connection", b"close"),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"h2c"),
        ("content-length", b"5"),
        ("content-length", b"0"),
        ("content-length", b"99999999999999999999"),
        ("host", b"theirs.example"),
        ("Authorization", b"THEIRS"),
        ("authorization", b"THEIRS"),
        ("x-legal-entity", b"THEIRS"),
        ("x_legal_entity", b"THEIRS"),
        ("x-forwarded-for", b"THEIRS"),
        ("te", b"trailers, gzip"),
        ("x-lines", b"a\r\nAuthorization: THEIRS"),
        ("x\r\ny", b"THEIRS"),
        ("x-nul", b"\0"),
        ("", b"nameless"),
        ("x-high", b"\x80\xff"),
        ("x-spaces", b" a "),
        ("cookie", b"a=b"),
        ("expect", b"100-continue"),
    ];
    let (name, value) = fields[random.usize(..fields.len())];
    block([(name, value)])
}

#[test]
fn what_is_written_is_read() {
    let long = vec![b'x'; 300];
    let made =
        [Frame::new(HEADERS, 5, 1, block([("x", &long[..])])), Frame::new(DATA, PADDED | 1, 3, vec![2, 7, 0, 0])];
    let (read, whole) = frames(&written(&made));
    assert!(whole && read[0].payload[3..6] == [127, 173, 1], "{read:?}");
    let carried = Carried::of(&read);
    assert_eq!((&carried.data[&3][..], carried.ended.len(), carried.begun.len()), (&[7][..], 2, 1));
    assert!(!frames(&written(&made)[..20]).1);
}
