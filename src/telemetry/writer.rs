//! A separate thread writes the log lines: a stopped terminal or a full pipe must not stop the proxy.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may be queued; further lines are dropped and counted.
const WAITING: usize = 1024;
/// How long shutdown waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Queues lines for the writing thread.
#[derive(Clone)]
pub(super) struct Writer {
    lines: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

/// Waits for the queued lines when it is dropped.
pub(super) struct Flush(SyncSender<Item>);

impl Writer {
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let (lines, receiver) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Self { lines: lines.clone(), lost: Arc::clone(&lost) };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver, &lost, output))?;
        Ok((writer, Flush(lines)))
    }
}

fn write_all(items: &Receiver<Item>, lost: &AtomicU64, mut output: impl Write) {
    for item in items {
        // A failure to write the log cannot be reported anywhere.
        let _ = match item {
            Item::Line(line) => output.write_all(&line),
            Item::Flush(done) => output.flush().and_then(|()| done.send(()).map_err(io::Error::other)),
        };
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(output, "{{\"level\":\"WARN\",\"message\":\"{lost} log lines were lost\"}}");
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// The subscriber writes each line with one call.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Item::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Writer {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
