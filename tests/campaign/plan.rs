//! The content of each request, derived from its number, so that both ends know it.

use std::sync::LazyLock;

/// The largest body kept for a repeat.
const KEPT: usize = 64 << 10;

const LARGEST: usize = 100 << 10;

/// A request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub id: usize,
    pub method: &'static str,
    pub chunked: bool,
    body: usize,
    answer: usize,
}

impl Plan {
    pub fn of(id: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(id as u64);
        let method = match random.u8(..100) {
            0..40 => "GET",
            40..70 => "POST",
            70..85 => "PUT",
            85..90 => "PATCH",
            90..95 => "DELETE",
            _ => "HEAD",
        };
        let body = match random.u16(..1000) {
            _ if matches!(method, "GET" | "HEAD" | "DELETE") => 0,
            0..5 => LARGEST - random.usize(..1000),
            5..50 => random.usize(..KEPT),
            _ => random.usize(..2000),
        };
        Self { id, method, chunked: body > 0 && random.bool(), body, answer: random.usize(..3000) }
    }

    pub fn body(&self) -> &'static [u8] {
        self.noise(self.body)
    }

    pub fn answer(&self) -> &'static [u8] {
        self.noise(self.answer)
    }

    fn noise(&self, length: usize) -> &'static [u8] {
        static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let mut random = fastrand::Rng::with_seed(3);
            std::iter::repeat_with(|| random.u8(..)).take(LARGEST + 1009).collect()
        });
        // Different for each request, so that a mix-up is noticed.
        &NOISE[self.id % 1009..][..length]
    }

    /// Whether its body is kept for a repeat.
    pub fn is_kept(&self) -> bool {
        self.body <= KEPT
    }

    /// RFC 9110 §9.2.2.
    pub fn is_idempotent(&self) -> bool {
        !matches!(self.method, "POST" | "PATCH")
    }
}
