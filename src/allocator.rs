//! The process's allocator and its statistics.

use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};
use tikv_jemalloc_ctl::{background_thread, epoch, max_background_threads, stats};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Returns freed memory to the system within some ten seconds, even if the process is idle. If the platform does not
/// support that, memory is returned only during later allocations.
pub(crate) fn give_back() {
    let one = max_background_threads::write(1);
    if let Err(error) = one.and_then(|()| background_thread::write(true)) {
        tracing::debug!(%error, "no background thread returns freed memory to the system");
    }
}

/// How many bytes all threads hold. Adds up the counts of all threads, which takes tens of microseconds.
pub(crate) fn in_use() -> Option<u64> {
    epoch::advance().ok()?;
    stats::allocated::read().ok().map(|bytes| bytes as u64)
}

/// How many bytes one thread has allocated and not freed. Reading it costs two loads.
#[derive(Clone, Copy)]
pub(crate) struct ThreadMeter {
    taken: ThreadLocal<u64>,
    freed: ThreadLocal<u64>,
}

impl ThreadMeter {
    /// For the current thread.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { taken: allocatedp::read().ok()?, freed: deallocatedp::read().ok()? })
    }

    /// The balance in bytes; negative if the thread frees memory that others allocated.
    pub(crate) fn balance(self) -> i64 {
        self.taken.get().wrapping_sub(self.freed.get()).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_that_a_thread_allocates_and_frees_is_counted() {
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
