//! A panic ends the work that it happened in, never its thread. It is counted and told with its place when it happens, and
//! caught at the edges: a request, a token call, a turn of a loop that must go on. Tasks of the runtime are edges too.
//!
//! What the work had half-changed is thrown away with it: a request's connections are not used again, a token call is a
//! failed attempt.

use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::pin;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The work ended in a panic, which has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault of bearerd itself: the log says where")
    }
}

/// Counts and tells every panic of the process from now on.
pub fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // A test that fails keeps the standard library's words.
        let standard = cfg!(test).then(panic::take_hook);
        panic::set_hook(Box::new(move |panic| {
            tell(panic);
            standard.iter().for_each(|standard| standard(panic));
        }));
    });
}

/// How many there were.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn tell(panic: &PanicHookInfo<'_>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // Only a literal is shown: what was put into a message may be a token.
    let said = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("not shown, it may hold a secret");
    tracing::error!(place, said, "a panic: what it happened in has ended, everything else goes on");
}

/// Does the work, if it does not panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Whoever calls this uses nothing again that the work has changed, or only what is whole after each step.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// The same for work that waits.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| match catch(|| work.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// A place where a test may ask for a panic; nothing outside of tests.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn point(_: &'static str, _: &str) {}

#[cfg(test)]
pub(crate) use fault::point;

#[cfg(test)]
pub(crate) mod fault {
    use std::sync::{Mutex, PoisonError};

    static ARMED: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

    /// The next time that this point of this owner is passed, it panics.
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
    fn a_panic_is_caught_counted_and_told_with_its_place() {
        let line = line!() + 1;
        let text = told(|| panic!("plain words"));
        assert!(text.contains(&format!("src/panics.rs:{line}:")) && text.contains("plain words"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn what_was_put_into_its_message_is_not_told() {
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
