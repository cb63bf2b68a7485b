//! Two clocks: one that runs through suspend, for lifetimes and deadlines, and the wall clock, for what is stored and
//! shown.
//!
//! Sleeping uses tokio. Sleeps towards a [`Moment`] last at most a minute and are then re-planned, so that a suspended
//! machine recovers by itself.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A point on the clock that starts at boot and runs through suspend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl std::ops::Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after start", self.0)
    }
}

/// The source of time; tests replace it.
pub trait Clock: Send + Sync + 'static {
    /// Now, on the clock that runs through suspend.
    fn now(&self) -> Moment;
    /// Now, on the wall clock, which may step.
    fn wall(&self) -> SystemTime;
    /// Sleeps. In a simulation the sleep is longer if the process is suspended.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// How often to yield to other tasks before time is judged. They take no time, and a suspend may end just after the
/// deadline.
const TURNS: u32 = 16;
/// A timer that fires this late shows that the process was suspended.
const LATE: Duration = Duration::from_millis(100);
/// Time to read a reply that arrived during a suspend. It takes several turns of several tasks, but no network round
/// trip.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Runs `work` with a time limit. After a suspend, the limit has passed and the reply is in the socket: the reply is
/// read before time is judged.
pub async fn within<T>(clock: &dyn Clock, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let (started, mut work) = (clock.now(), pin!(work));
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        () = clock.sleep(limit) => {}
    }
    for _ in 0..TURNS {
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::task::yield_now() => {}
        }
    }
    if clock.now().since(started) < limit.saturating_add(LATE) {
        return None;
    }
    tokio::select! {
        biased;
        done = &mut work => Some(done),
        () = clock.sleep(CATCHING_UP) => None,
    }
}

pub type SharedClock = Arc<dyn Clock>;

/// The clock starts this long before boot, because a stored token may be older than the boot.
const BEFORE_BOOT: Duration = Duration::from_hours(24 * 365 * 100);

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or_default();
        Moment(BEFORE_BOOT + Duration::new(seconds, nanoseconds))
    }

    #[allow(clippy::disallowed_methods, reason = "the only place that reads the wall clock")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The moments at which a timer costs an idle process only one wake-up. tokio's timer wheel turns every 1, 64 and 4,096
/// ms from the start of its runtime, and a timer between two turns wakes the thread at each level.
#[derive(Clone, Copy, Debug)]
pub struct Beats {
    start: tokio::time::Instant,
}

impl Beats {
    /// The interval between two beats.
    pub const APART: Duration = Duration::from_millis(4096);

    /// Call it just before the runtime is created.
    pub fn start() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    pub fn next(&self) -> tokio::time::Instant {
        let passed = self.start.elapsed().as_millis() / Self::APART.as_millis();
        self.start + Self::APART * u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// A clock that follows tokio's paused time: one `tokio::time::advance` moves timers, lifetimes and the wall clock
/// together.
#[derive(Clone, Copy, Debug)]
pub struct PausedClock {
    epoch: tokio::time::Instant,
}

impl PausedClock {
    /// Starts one hour after zero, so that tests can use moments before the start.
    pub fn start() -> Self {
        Self { epoch: tokio::time::Instant::now() }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_secs(3600) + self.epoch.elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.epoch.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_saturate_at_both_ends() {
        let start = Moment::from_start(Duration::ZERO);
        assert_eq!(start - Duration::from_secs(1), start);
        assert_eq!(start.since(start + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((start + Duration::MAX + Duration::MAX).since_start(), Duration::MAX);
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let earlier = SystemClock.now();
        assert!(SystemClock.now() >= earlier);
        let years = Duration::from_hours(24 * 365 * 10);
        assert_eq!(earlier.since(earlier - years), years, "before the machine's start, too");
    }

    #[tokio::test(start_paused = true)]
    async fn beats_are_whole_turns_of_the_wheel_away_from_the_start() {
        let beats = Beats::start();
        let start = tokio::time::Instant::now();
        for (after, next) in [(0, 4096), (4095, 4096), (1, 8192), (10_000, 16_384)] {
            tokio::time::advance(Duration::from_millis(after)).await;
            assert_eq!(beats.next(), start + Duration::from_millis(next));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_times_out() {
        let clock = PausedClock::start();
        let (second, started) = (Duration::from_secs(1), clock.now());
        assert_eq!(within(&clock, second * 2, tokio::time::sleep(second)).await, Some(()));
        assert_eq!(within(&clock, second, std::future::pending::<()>()).await, None);
        assert_eq!(clock.now().since(started), second * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_arrived_during_a_suspend_is_read_before_the_timeout_applies() {
        let clock = PausedClock::start();
        let second = Duration::from_secs(1);
        let (sender, reply) = tokio::sync::oneshot::channel();
        // The reply passes through another task, as it does in an HTTP connection.
        let connection = tokio::spawn(async move {
            tokio::time::sleep(second).await;
            tokio::task::yield_now().await;
            sender.send(())
        });
        let waiting = tokio::spawn(async move { within(&clock, second * 10, reply).await });
        tokio::task::yield_now().await;
        // One step in which both become due, with no task running in between.
        tokio::time::advance(second * 45).await;
        assert_eq!((waiting.await.unwrap(), connection.await.unwrap()), (Some(Ok(())), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stood_still_takes_many_turns_to_read_and_nobody_else_is_given_them() {
        for (stood_still, reads) in [(true, true), (false, false)] {
            let clock = PausedClock::start();
            let second = Duration::from_secs(1);
            let (sender, reply) = tokio::sync::oneshot::channel();
            let connection = tokio::spawn(async move {
                tokio::time::sleep(second * 10).await;
                for _ in 0..TURNS * 4 {
                    tokio::task::yield_now().await;
                }
                sender.send(())
            });
            let waiting = tokio::spawn(async move { within(&clock, second * 10, reply).await });
            tokio::task::yield_now().await;
            tokio::time::advance(second * if stood_still { 45 } else { 10 }).await;
            assert_eq!((waiting.await.unwrap().is_some(), connection.await.unwrap().is_ok()), (reads, reads));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_moves_with_tokio() {
        let clock = PausedClock::start();
        let (now, wall) = (clock.now(), clock.wall());
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now().since(now), Duration::from_secs(86_400));
        assert_eq!(clock.wall().duration_since(wall).unwrap(), Duration::from_secs(86_400));
    }
}
