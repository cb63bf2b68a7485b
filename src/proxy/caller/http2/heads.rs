//! Limits how long a caller may take to send a header block over HTTP/2. An unfinished one blocks all other streams (RFC 9113
//! §6.10), and h2 waits for its end without a limit.
//!
//! Only the nine-byte frame headers are read (RFC 9113 §4.1); h2 validates them.

use std::rc::Rc;
use std::time::Duration;

use crate::proxy::limits::deadline::{Deadline, Waiting};
use crate::sensor_io::Sensor;

/// The length of the connection preface.
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A parser that follows frame headers across reads.
#[derive(Debug)]
struct FrameHeaders {
    /// How many bytes of the current payload, or of the preface, are still to come.
    left: usize,
    /// The next frame header, as far as it has arrived.
    begin: [u8; 9],
    filled: usize,
    /// Whether the current frame is not a DATA frame.
    within: bool,
    /// Whether a header block is unfinished.
    head: bool,
}

impl Default for FrameHeaders {
    fn default() -> Self {
        Self { left: PREFACE, begin: [0; 9], filled: 0, within: false, head: false }
    }
}

impl FrameHeaders {
    /// Whether a frame or a header block has begun that must end soon.
    fn is_open(&self) -> bool {
        self.head || (self.within && self.left > 0) || self.filled > 0
    }

    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.left = self.left.saturating_sub(skipped);
            if self.left == 0 {
                bytes = self.begin(bytes);
            }
        }
    }

    fn begin<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = self.begin.get_mut(self.filled..).unwrap_or_default();
        let (ours, rest) = bytes.split_at(missing.len().min(bytes.len()));
        missing.iter_mut().zip(ours).for_each(|(place, byte)| *place = *byte);
        self.filled = self.filled.saturating_add(ours.len());
        if let (9, [long, middle, short, kind, flags, ..]) = (self.filled, self.begin) {
            self.filled = 0;
            self.left = usize::try_from(u32::from_be_bytes([0, long, middle, short])).unwrap_or(usize::MAX);
            self.within = kind != DATA;
            if matches!(kind, HEADERS | CONTINUATION) {
                self.head = flags & END_HEADERS == 0;
            }
        }
        rest
    }
}

/// Limits the wait for the rest of a header block.
pub(super) struct HeadTimer {
    frames: FrameHeaders,
    deadline: Rc<Deadline>,
    limit: Duration,
}

impl HeadTimer {
    pub(super) fn new(deadline: Rc<Deadline>, limit: Duration) -> Self {
        Self { frames: FrameHeaders::default(), deadline, limit }
    }
}

impl Sensor for HeadTimer {
    fn has_read(&mut self, bytes: &[u8]) {
        let before = self.frames.is_open();
        self.frames.pass(bytes);
        match self.frames.is_open() {
            false => self.deadline.clear(),
            true if before && self.deadline.waiting() == Waiting::RequestHead => {}
            true => self.deadline.wait(Waiting::RequestHead, self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Checks after each piece whether a head is open, for every way to split the bytes.
    fn open(pieces: &[(Vec<u8>, bool)]) {
        for cut in [1, 2, 9, 10_000] {
            let mut frames = FrameHeaders::default();
            frames.pass(&[b'p'; PREFACE]);
            assert!(!frames.is_open());
            for (piece, expected) in pieces {
                piece.chunks(cut).for_each(|bytes| frames.pass(bytes));
                assert_eq!(frames.is_open(), *expected, "{piece:?} in pieces of {cut}");
            }
        }
    }

    #[test]
    fn a_header_block_is_open_until_its_last_frame_is_complete() {
        open(&[
            (frame(4, 0, b""), false),
            (frame(HEADERS, END_HEADERS, &[0; 40]), false),
            (frame(HEADERS, 0, b"half"), true),
            (frame(CONTINUATION, 0, b""), true),
            (frame(CONTINUATION, END_HEADERS, &[0; 300]), false),
            (frame(HEADERS, END_HEADERS, b"abcd")[..11].to_vec(), true),
            (b"cd".to_vec(), false),
            (frame(4, 0, b"settings")[..5].to_vec(), true),
            (frame(4, 0, b"settings")[5..].to_vec(), false),
        ]);
    }

    #[test]
    fn data_frames_have_no_deadline() {
        open(&[
            (frame(DATA, 0, &[0; 1000])[..500].to_vec(), false),
            (vec![0; 509], false),
            (frame(DATA, 1, b""), false),
        ]);
    }
}
