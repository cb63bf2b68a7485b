//! A token endpoint that fails three times in ten. Its tokens live two seconds, and one in a hundred is revoked
//! earlier.

use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::wire::{Body, Wire};

const LIFE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct Tokens {
    /// When each token expires.
    ends: RwLock<Vec<Instant>>,
    calls: AtomicUsize,
    failed: AtomicUsize,
    revoked: AtomicUsize,
}

impl Tokens {
    /// Whether this `Authorization` value is valid now.
    pub fn accept(&self, authorization: &str) -> bool {
        let number = authorization.strip_prefix("Bearer t-").and_then(|number| number.parse::<usize>().ok());
        let ends = self.ends.read().unwrap();
        number.and_then(|number| ends.get(number)).is_some_and(|end| Instant::now() < *end)
    }

    /// Serves one connection.
    pub async fn talk(&self, mut wire: Wire) {
        while let Some(head) = wire.head().await {
            // The content of the request does not matter.
            if wire.body(&head, b"").await == Body::Cut {
                return;
            }
            self.calls.fetch_add(1, SeqCst);
            let (status, text) = match fastrand::u8(..100) {
                0..8 => ("500 Internal Server Error", "out of order".to_owned()),
                8..16 => ("503 Service Unavailable", String::new()),
                16..23 => ("200 OK", "{\"access_token\":".to_owned()),
                23..30 => {
                    self.failed.fetch_add(1, SeqCst);
                    return wire.reset();
                }
                _ => ("200 OK", self.issue()),
            };
            self.failed.fetch_add(usize::from(!text.ends_with('}')), SeqCst);
            let length = text.len();
            wire.send(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{text}").as_bytes()).await;
        }
    }

    fn issue(&self) -> String {
        let mut ends = self.ends.write().unwrap();
        let (number, now) = (ends.len(), Instant::now());
        let early = number % 100 == 50;
        self.revoked.fetch_add(usize::from(early), SeqCst);
        ends.push(now + if early { LIFE.mul_f64(fastrand::f64() / 2.0) } else { LIFE });
        format!("{{\"access_token\":\"t-{number}\",\"token_type\":\"Bearer\",\"expires_in\":2}}")
    }

    /// A summary.
    pub fn told(&self) -> String {
        let [calls, failed, revoked] = [&self.calls, &self.failed, &self.revoked].map(|count| count.load(SeqCst));
        format!("token endpoint: {calls} calls, {failed} failed, {revoked} tokens revoked early\n")
    }
}
