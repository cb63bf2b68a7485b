//! Polling with a deadline.

use std::time::{Duration, Instant};

/// The deadline.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until the condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
