//! What is asked: methods and bodies mixed, each derived from the call's number.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;

/// The largest body that is kept for a repeat, as configured.
pub const KEPT: usize = 64 << 10;

/// One call.
pub struct Call {
    pub id: usize,
    pub method: Method,
    sent: usize,
    /// How long the answer is to be.
    pub answer: usize,
}

impl Call {
    pub fn of(id: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(id as u64);
        let method = match random.u8(..20) {
            0..=9 => Method::GET,
            10..=14 => Method::POST,
            15..=16 => Method::PUT,
            17 => Method::PATCH,
            18 => Method::DELETE,
            _ => Method::HEAD,
        };
        let mut length = || match random.u8(..100) {
            0 => random.usize(..2 * KEPT),
            1..=9 => random.usize(..16 << 10),
            10..=59 => random.usize(..1 << 10),
            _ => 0,
        };
        let answer = length();
        let bodyless = matches!(method, Method::GET | Method::HEAD | Method::DELETE);
        let sent = if bodyless { 0 } else { length() };
        Self { id, method, sent, answer }
    }

    pub fn request(&self) -> Request<Full<Bytes>> {
        let sent = body(self.id, self.sent);
        let request = Request::builder().method(&self.method).uri(format!("/calls/{}", self.id));
        let request = request.header("host", "localhost").header("x-id", self.id).header("x-answer", self.answer);
        request.header("x-sum", sum(&sent)).body(Full::new(sent)).unwrap()
    }

    /// Whether it can be sent once more after a refusal.
    pub fn is_kept(&self) -> bool {
        self.sent <= KEPT
    }

    /// RFC 9110 §9.2.2.
    pub fn is_idempotent(&self) -> bool {
        !matches!(self.method, Method::POST | Method::PATCH)
    }
}

/// A body that no other call has.
pub fn body(id: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(31) ^ id) as u8).collect()
}

/// FNV-1a.
pub fn sum(bytes: &[u8]) -> String {
    let fold = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}
