//! The allocator of the whole process, and its counts.

use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};
use tikv_jemalloc_ctl::{background_thread, epoch, max_background_threads, stats};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Gives what is freed back to the system within some ten seconds, also while nothing else happens. Where the platform
/// has no way to, it is given back as the process goes on.
pub(crate) fn give_back() {
    let one = max_background_threads::write(1);
    if let Err(error) = one.and_then(|()| background_thread::write(true)) {
        tracing::debug!(%error, "memory is given back by the way alone");
    }
}

/// How many bytes all threads hold. Adds up counts of all of them: tens of microseconds.
pub(crate) fn in_use() -> Option<u64> {
    epoch::advance().ok()?;
    stats::allocated::read().ok().map(|bytes| bytes as u64)
}

/// How much one thread has taken, beyond what it has freed. Reading it costs two loads.
#[derive(Clone, Copy)]
pub(crate) struct ThreadMeter {
    taken: ThreadLocal<u64>,
    freed: ThreadLocal<u64>,
}

impl ThreadMeter {
    /// For the thread that asks.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { taken: allocatedp::read().ok()?, freed: deallocatedp::read().ok()? })
    }

    /// The difference; less than nothing where the thread frees what others took.
    pub(crate) fn balance(self) -> i64 {
        self.taken.get().wrapping_sub(self.freed.get()).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_takes_and_frees_is_counted() {
        let meter = ThreadMeter::new().unwrap();
        let before = meter.balance();
        let bytes = std::hint::black_box(vec![1_u8; 1 << 20]);
        let taken = meter.balance().wrapping_sub(before);
        assert!((1 << 20..2 << 20).contains(&taken), "{taken}");
        assert!(in_use().unwrap() >= 1 << 20);
        drop(bytes);
        assert!(meter.balance().wrapping_sub(before) < 1 << 16);
    }
}
