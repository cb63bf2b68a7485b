//! The counts of the measured time, and their JSON object.
use crate::sample::Sample;

#[derive(Default)]
pub struct Tally {
    pub done: u64,
    /// Responses outside 2xx, and the last such status.
    pub refused: u64,
    pub last_refusal: u16,
    pub errors: u64,
    pub reconnects: u64,
    /// Nanoseconds from when a request was due to the last byte of its response.
    pub latencies: Vec<u64>,
}

pub struct Window {
    pub seconds: f64,
    /// The usage of the processes under test.
    pub peer: Sample,
    /// The usage of this process. Near 1 s per second, the load generator is the bottleneck.
    pub own: Sample,
}

pub fn json(mut tally: Tally, window: &Window) -> String {
    tally.latencies.sort_unstable();
    let quantile = |share| quantile(&tally.latencies, share);
    let requests = tally.done.max(1) as f64;
    let fields = [
        ("done", tally.done as f64),
        ("rps", tally.done as f64 / window.seconds),
        ("cpu_us", window.peer.cpu as f64 / 1e3 / requests),
        ("switches", window.peer.switches as f64 / requests),
        ("generator", window.own.cpu as f64 / 1e9 / window.seconds),
        ("p50", quantile(0.5)),
        ("p99", quantile(0.99)),
        ("p999", quantile(0.999)),
        ("max", quantile(1.0)),
        ("refused", tally.refused as f64),
        ("last_refusal", f64::from(tally.last_refusal)),
        ("errors", tally.errors as f64),
        ("reconnects", tally.reconnects as f64),
    ];
    let members: Vec<_> =
        fields.iter().map(|(name, value)| format!("\"{name}\":{}", (value * 1e3).round() / 1e3)).collect();
    format!("{{{}}}", members.join(","))
}

/// In microseconds.
fn quantile(sorted: &[u64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1e3)
}
