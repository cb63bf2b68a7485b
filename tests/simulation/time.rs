//! Simulated time: tokio's paused clock, plus suspends, which no timer notices.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bearerd::clock::{Clock, Moment};

use crate::world::Heart;

/// World time.
pub struct Time {
    start: tokio::time::Instant,
    ahead: AtomicU64,
}

impl Time {
    pub fn start() -> Self {
        Self { start: tokio::time::Instant::now(), ahead: AtomicU64::new(0) }
    }

    /// Timer time, which stops during suspends.
    pub fn awake(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn now(&self) -> Duration {
        self.awake() + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    /// Suspends the machine: world time advances, timers do not.
    pub fn suspend(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// The clocks of one machine.
pub struct MachineClock {
    time: Arc<Time>,
    /// Its uptime at the start of the world.
    up: Duration,
    skew: AtomicI64,
    /// The process that uses them.
    pub heart: Heart,
}

impl MachineClock {
    pub fn new(time: Arc<Time>, up: Duration) -> Self {
        Self { time, up, skew: AtomicI64::new(0), heart: Heart::default() }
    }

    pub fn step_wall(&self, seconds: i64) {
        self.skew.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn set_wall_right(&self) {
        self.skew.store(0, Ordering::Relaxed);
    }

    /// Converts a moment of this machine to world time.
    pub fn in_world(&self, moment: Moment) -> Duration {
        moment.since_start().saturating_sub(self.up)
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Moment {
        Moment::from_start(self.up + self.time.now())
    }

    /// A suspended process notices its timers when it resumes.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            tokio::time::sleep(time).await;
            self.heart.beat().await;
        })
    }

    fn wall(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::Relaxed);
        let since = Duration::from_secs(1_800_000_000) + self.time.now();
        let stepped = Duration::from_secs(skew.unsigned_abs());
        SystemTime::UNIX_EPOCH + if skew < 0 { since - stepped } else { since + stepped }
    }
}
