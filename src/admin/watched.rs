//! A connection to the admin listener that records its activity.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use crate::sensor_io::{Sensor, SensorIo};

/// A caller that does not read its response for this long is disconnected.
const UNREAD: Duration = Duration::from_secs(10);

pub(super) trait AdminStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> AdminStream for S {}

/// The last activity of a connection.
pub(super) struct Activity {
    moved: Mutex<Instant>,
    handles: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        Self { moved: Mutex::new(Instant::now()), handles: AtomicBool::new(false) }
    }
}

impl Activity {
    /// The order in which connections are closed: not those with a running request, and of the others the one idle
    /// longest.
    pub(super) fn rank(&self) -> (bool, Option<Instant>) {
        (self.handles.load(Ordering::Relaxed), self.moved.lock().ok().map(|moved| *moved))
    }

    /// Marks a request as running until the result is dropped.
    pub(super) fn handling(self: &Arc<Self>) -> Handling {
        self.handles.store(true, Ordering::Relaxed);
        Handling(Arc::clone(self))
    }

    fn moves(&self) {
        if let Ok(mut moved) = self.moved.lock() {
            *moved = Instant::now();
        }
    }
}

/// A running request.
pub(super) struct Handling(Arc<Activity>);

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.handles.store(false, Ordering::Relaxed);
    }
}

pub(super) type Watched = SensorIo<Box<dyn AdminStream>, ActivitySensor>;

/// Notes what goes through a connection, and ends the wait for a caller that does not read.
pub(super) struct ActivitySensor {
    pub(super) life: Arc<Activity>,
    unread: Option<Pin<Box<Sleep>>>,
}

impl ActivitySensor {
    pub(super) fn new(life: Arc<Activity>) -> Self {
        Self { life, unread: None }
    }
}

impl Sensor for ActivitySensor {
    fn has_read(&mut self, _: &[u8]) {
        self.life.moves();
    }

    fn has_written(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if done.is_ready() {
            self.unread = None;
            self.life.moves();
            return done;
        }
        let end = self.unread.get_or_insert_with(|| Box::pin(sleep(UNREAD)));
        end.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_nothing_is_disconnected_and_a_slow_one_is_not() {
        let (near, mut far) = duplex(10);
        let mut watched = Watched::new(Box::new(near), ActivitySensor::new(Arc::default()));
        let began = Instant::now();
        let writing = tokio::spawn(async move { watched.write_all(&[0; 1000]).await });
        for _ in 0..5 {
            sleep(UNREAD - Duration::from_secs(1)).await;
            tokio::io::AsyncReadExt::read_exact(&mut far, &mut [0; 10]).await.unwrap();
        }
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), (UNREAD - Duration::from_secs(1)) * 5 + UNREAD);
    }
}
