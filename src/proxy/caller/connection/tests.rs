use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use super::*;
use crate::clock::SystemClock;
use crate::proxy::backend::worker::Worker;
use crate::proxy::listen::Listener;
use crate::proxy::settings::{Bounds, Limits, Listen};

/// There are no routes, so every response is the same: 404.
const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Stage(Rc<Worker>);

struct Call {
    stream: UnixStream,
    deadline: Rc<Deadline>,
    task: JoinHandle<()>,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        Self(Rc::new(Worker::new(Arc::default(), limits, Bounds::default(), Arc::new(SystemClock), Arc::default())))
    }

    /// Opens a connection and parks it, as every connection that has sent nothing. `room` bounds the buffer between bearerd and
    /// the caller.
    fn call(&self, room: Option<usize>) -> Call {
        let (stream, far) = UnixStream::pair().unwrap();
        room.into_iter().for_each(|room| socket2::SockRef::from(&far).set_send_buffer_size(room).unwrap());
        let listener = Rc::new(Listener { listen: Listen::Localhost(0), authority: String::new() });
        let caller = Caller::new(self.0.clone(), listener, None);
        let deadline = caller.deadline.clone();
        Call { stream, deadline, task: spawn_local(serve(Socket::Unix(far), caller)) }
    }

    /// Sweeps once everything before has been handled, and waits for the effects.
    async fn sweep(&self) {
        settle().await;
        self.0.sweep();
        settle().await;
    }
}

impl Call {
    /// Sends a request and waits until the response has been passed to hyper.
    async fn ask(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.unwrap();
        eventually(|| self.deadline.is_free() && !self.deadline.is_quiet()).await;
    }

    async fn response(&mut self) -> String {
        let (mut read, mut end) = (Vec::new(), usize::MAX);
        while read.len() < end {
            assert!(self.stream.read_buf(&mut read).await.unwrap() > 0, "the connection has ended");
            let text = String::from_utf8_lossy(&read);
            let length = text.split("Content-Length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
            end = text.find("\r\n\r\n").map_or(usize::MAX, |head| head + 4 + length.unwrap_or(0));
        }
        String::from_utf8(read).unwrap()
    }

    async fn has_response(&mut self) {
        let response = self.response().await;
        assert!(response.starts_with("HTTP/1.1 404") && !response.contains("Connection: close"), "{response}");
    }
}

async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

async fn eventually(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

fn on_stage<F: Future<Output = ()>>(test: impl FnOnce(Stage) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = async { tokio::time::timeout(Duration::from_secs(20), test(Stage::new(Limits::default()))).await };
    LocalSet::new().block_on(&runtime, body).unwrap();
}

#[test]
fn an_idle_connection_is_parked_at_the_sweep_and_serves_the_next_request() {
    on_stage(|stage| async move {
        let mut call = stage.call(None);
        for _ in 0..3 {
            stage.sweep().await;
            assert_eq!(stage.0.awake(), 0);
            call.ask(GET).await;
            assert_eq!(stage.0.awake(), 1);
            call.has_response().await;
        }
        // Also works when the head comes in pieces that are sweeps apart.
        stage.sweep().await;
        for piece in GET.chunks(9) {
            call.stream.write_all(piece).await.unwrap();
            eventually(|| call.deadline.waiting() == Waiting::RequestHead || piece.len() < 9).await;
            stage.sweep().await;
        }
        call.has_response().await;
    });
}

#[test]
fn a_connection_with_unsent_bytes_is_not_parked() {
    on_stage(|stage| async move {
        let mut call = stage.call(Some(1));
        let mut sent = 0;
        stage.sweep().await;
        // Responses that nobody reads fill the socket until one stays in hyper.
        while stage.0.awake() == 0 {
            call.ask(GET).await;
            sent += 1;
            stage.sweep().await;
            assert!(sent < 1000, "everything fits into the socket, or part of a response is lost");
        }
        stage.sweep().await;
        assert_eq!(stage.0.awake(), 1);
        let mut read = Vec::new();
        while String::from_utf8_lossy(&read).matches("\"code\"").count() < sent {
            assert!(call.stream.read_buf(&mut read).await.unwrap() > 0);
        }
        eventually(|| call.deadline.is_quiet()).await;
        stage.sweep().await;
        assert_eq!(stage.0.awake(), 0);
        call.ask(GET).await;
    });
}

#[test]
fn part_of_the_next_head_is_not_lost() {
    on_stage(|stage| async move {
        let mut call = stage.call(None);
        call.ask(&[GET, &GET[..20]].concat()).await;
        call.has_response().await;
        stage.sweep().await;
        // Not parked: an unfinished head has its own deadline.
        assert_eq!((stage.0.awake(), call.deadline.waiting()), (1, Waiting::RequestHead));
        call.stream.write_all(&GET[20..]).await.unwrap();
        call.has_response().await;
    });
}

#[test]
fn with_many_connections_idle_ones_are_parked_at_once() {
    on_stage(|stage| async move {
        let mut calls: Vec<_> = (0..300).map(|_| stage.call(None)).collect();
        for call in &mut calls {
            call.ask(GET).await;
            call.has_response().await;
        }
        assert_eq!(stage.0.awake(), 256);
        stage.sweep().await;
        assert_eq!(stage.0.awake(), 0);
    });
}

#[test]
fn a_parked_connection_ends_with_its_caller_its_deadline_or_the_process() {
    on_stage(|stage| async move {
        let (gone, late, drained) = (stage.call(None), stage.call(None), stage.call(None));
        stage.sweep().await;
        drop(gone.stream);
        gone.task.await.unwrap();
        late.deadline.wait_until(Waiting::NextRequest, stage.0.clock.now());
        stage.sweep().await;
        late.task.await.unwrap();
        assert!(!drained.task.is_finished());
        stage.0.draining.set(true);
        stage.0.deadlines.wake_all();
        drained.task.await.unwrap();
    });
}
