//! A panic ends the work that it happened in, never its thread. A hook counts and logs it with its location. It is
//! caught at the boundaries: a request, a token request, an iteration of a loop that must continue, a task of the
//! runtime.
//!
//! State that the work may have left inconsistent is discarded: a request's connections are not reused, and a token
//! request counts as failed.

use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::pin;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The work panicked. The panic has been logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("internal error in bearerd: its log says where")
    }
}

/// Installs the hook that counts and logs every panic of the process.
pub fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // Failing tests keep the standard library's output.
        let standard = cfg!(test).then(panic::take_hook);
        panic::set_hook(Box::new(move |panic| {
            tell(panic);
            standard.iter().for_each(|standard| standard(panic));
        }));
    });
}

/// The number of panics so far.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn tell(panic: &PanicHookInfo<'_>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // Only a literal message is shown: a formatted one may contain a token.
    let said = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("not shown: it may contain a secret");
    tracing::error!(place, said, "panic: the work that it happened in has ended, everything else continues");
}

/// Runs `work` and catches a panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Callers do not reuse what the work has changed, or only what is consistent after each step.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Runs a future and catches a panic.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| match catch(|| work.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// A point where a test can cause a panic; empty outside tests.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn point(_: &'static str, _: &str) {}

#[cfg(test)]
pub(crate) use fault::point;

#[cfg(test)]
pub(crate) mod fault {
    use std::sync::{Mutex, PoisonError};

    static ARMED: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

    /// Makes this point panic when this owner passes it next.
    pub(crate) fn arm(point: &'static str, whose: &str) {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner).push((point, whose.to_owned()));
    }

    pub(crate) fn point(point: &'static str, whose: &str) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let found = armed.iter().position(|(known, owner)| *known == point && owner == whose);
        let found = found.map(|place| armed.remove(place));
        drop(armed);
        if found.is_some() {
            panic!("on purpose");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Paper {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn told(work: impl FnOnce()) -> String {
        watch();
        let paper = Paper::default();
        let lines = tracing_subscriber::fmt().with_writer(paper.clone()).with_ansi(false).finish();
        let before = count();
        assert_eq!(tracing::subscriber::with_default(lines, || catch(work)), Err(Panicked));
        assert!(count() > before);
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_panic_is_caught_counted_and_logged_with_its_location() {
        let line = line!() + 1;
        let text = told(|| panic!("plain words"));
        assert!(text.contains(&format!("src/panics.rs:{line}:")) && text.contains("plain words"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_formatted_panic_message_is_not_logged() {
        let token = String::from("cänary");
        let text = told(|| drop(token[..2].to_owned()));
        assert!(text.contains("src/panics.rs:") && !text.contains("nary"), "{text}");
        let text = told(|| panic!("with {token}"));
        assert!(!text.contains("nary"), "{text}");
    }

    #[tokio::test]
    async fn work_that_waits_is_caught_at_any_of_its_turns() {
        let work = async {
            tokio::task::yield_now().await;
            panic!("later");
        };
        assert_eq!(caught::<()>(work).await, Err(Panicked));
        assert_eq!(caught(async { 1 }).await, Ok(1));
    }
}
