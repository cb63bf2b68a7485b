//! The data thread: a single-threaded runtime that accepts and serves connections, sweeps every second, and shuts down in phases.

use super::caller::accept::Acceptor;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::backend::route::Routes;
use super::backend::worker::Worker;
use super::listen::Listener;
use super::listen::{Address, Bound, BoundSocket};
use super::settings::{Bounds, Limits};
use crate::clock::{Beats, SharedClock};
use crate::panics;
use crate::record::ProxyRecord;
use crate::shutdown::{Phase, Shutdown};

/// How many names are resolved at the same time: each takes a thread and a socket.
const MAX_RESOLVERS: usize = 16;

/// How long the runtime needs to see the connections that the kernel has accepted.
const ACCEPT_DELAY: Duration = Duration::from_millis(1);

/// How long to wait for requests still on their way after the last listener has closed.
const LINGER: Duration = Duration::from_millis(250);

/// How long a caller then has to finish a request head, or to close after a GOAWAY.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A handle to the data thread.
#[derive(Debug)]
pub struct DataThread {
    commands: mpsc::UnboundedSender<DataCommand>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug)]
enum DataCommand {
    Open(Bound),
    Close(Vec<Address>, Vec<Arc<Bound>>),
}

impl DataThread {
    /// Starts the thread with these listeners. It ends with `shutdown`.
    pub fn spawn(
        bound: Vec<Bound>,
        routes: Arc<ArcSwap<Routes>>,
        limits: Limits,
        bounds: Bounds,
        clock: SharedClock,
        record: Arc<ProxyRecord>,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let (commands, received) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let beats = Beats::start();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(MAX_RESOLVERS).build()?;
        for bound in bound {
            let _ = commands.send(DataCommand::Open(bound));
        }
        thread::Builder::new().name("data".to_owned()).spawn(move || {
            let worker = Rc::new(Worker::new(routes, limits, bounds, clock, record));
            LocalSet::new().block_on(&runtime, run(&worker, received, shutdown, beats));
            end.send_replace(true);
        })?;
        Ok(Self { commands, ended })
    }

    /// Accepts on this listener too. It takes over sockets that are already accepted on.
    pub fn open(&self, bound: Bound) {
        let _ = self.commands.send(DataCommand::Open(bound));
    }

    /// Stops accepting on these sockets, after the connections in their backlog; open connections stay. Drops `held` once that is
    /// done.
    pub fn close(&self, addresses: Vec<Address>, held: Vec<Arc<Bound>>) {
        let _ = self.commands.send(DataCommand::Close(addresses, held));
    }

    /// Waits until the thread has ended: after the last connection, at the end of the grace period, or in a panic.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    pub fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }
}

/// A socket that is accepted on.
struct Accepting {
    address: Option<Address>,
    task: JoinHandle<()>,
    /// When dropped, the task ends as soon as the backlog is empty.
    _open: oneshot::Sender<()>,
}

/// The tasks of all sockets that are accepted on.
type AcceptTasks = RefCell<Vec<Accepting>>;

async fn run(worker: &Rc<Worker>, received: mpsc::UnboundedReceiver<DataCommand>, shutdown: Shutdown, beats: Beats) {
    let listeners = AcceptTasks::default();
    let sweeping = spawn_local(sweep(worker.clone(), beats));
    let shedding = spawn_local(worker.clone().shed_load());
    let limiter = worker.limiter.clone();
    let giving_turns = spawn_local(async move { limiter.turns.give().await });
    let announced = async {
        shutdown.reached(Phase::Announced).await;
        worker.leaving.set(true);
        worker.deadlines.wake_all();
        shutdown.reached(Phase::Draining).await;
    };
    tokio::select! {
        () = run_commands(worker, received, &listeners) => {}
        () = announced => {}
    }
    tokio::select! {
        () = drain(worker, listeners.take()) => {}
        () = shutdown.reached(Phase::Cut) => {
            tracing::warn!(connections = worker.connections(), "the grace period is over: closing the remaining connections");
        }
    }
    sweeping.abort();
    shedding.abort();
    giving_turns.abort();
}

/// Closes connections as soon as no request can be in flight on them. A caller may have sent a request before it knew that the
/// last response would close the connection.
async fn drain(worker: &Rc<Worker>, listeners: Vec<Accepting>) {
    // Meanwhile the runtime learns of connections that the kernel has accepted.
    tokio::time::sleep(ACCEPT_DELAY).await;
    let tasks: Vec<_> = listeners.into_iter().map(|accepting| accepting.task).collect();
    for task in tasks {
        let _ = task.await;
    }
    let _ = tokio::time::timeout(LINGER, worker.all_closed()).await;
    worker.draining.set(true);
    worker.deadlines.wake_all();
    while tokio::time::timeout(CLOSE_TIMEOUT, worker.all_closed()).await.is_err() {
        worker.deadlines.expire_all_early();
    }
}

async fn sweep(worker: Rc<Worker>, beats: Beats) {
    loop {
        // A panic must not stop the sweeps: without them no deadline would ever expire.
        let _ = panics::catch(|| worker.sweep());
        worker.until_next_sweep(&beats).await;
    }
}

async fn run_commands(
    worker: &Rc<Worker>,
    mut received: mpsc::UnboundedReceiver<DataCommand>,
    listeners: &AcceptTasks,
) {
    while let Some(command) = received.recv().await {
        // A panic must not stop the thread from receiving commands.
        let _ = panics::catch(|| match command {
            DataCommand::Open(bound) => open(worker, bound, &mut listeners.borrow_mut()),
            DataCommand::Close(addresses, held) => {
                let closed = close(&addresses, &mut listeners.borrow_mut());
                spawn_local(async move {
                    for task in closed {
                        let _ = task.await;
                    }
                    drop(held);
                });
            }
        });
    }
    std::future::pending().await
}

/// Starts accepting. If the socket is already accepted on, the new task takes over from the old one.
fn open(worker: &Rc<Worker>, bound: Bound, listeners: &mut Vec<Accepting>) {
    let addresses: Vec<_> = bound.sockets.iter().map(|socket| bound.address_of(socket)).collect();
    let listener = Rc::new(Listener { authority: bound.authority(), listen: bound.listen });
    for (socket, address) in bound.sockets.into_iter().zip(addresses) {
        let acceptor = Acceptor { worker: worker.clone(), listener: listener.clone() };
        let (open, closed) = oneshot::channel();
        let task = match socket {
            BoundSocket::Tcp(listener) => {
                TcpListener::from_std(listener).map(|it| spawn_local(acceptor.tcp(it, closed)))
            }
            BoundSocket::Unix(listener) => {
                UnixListener::from_std(listener).map(|it| spawn_local(acceptor.unix(it, closed)))
            }
        };
        match task {
            Ok(task) => {
                drop(close(address.as_slice(), listeners));
                listeners.push(Accepting { address, task, _open: open });
            }
            Err(error) => {
                tracing::error!(listen = ?listener.listen, %error, "cannot accept connections on this listener")
            }
        }
    }
}

/// Stops accepting on these addresses. Returns the tasks, which end once the backlog is empty.
fn close(addresses: &[Address], listeners: &mut Vec<Accepting>) -> Vec<JoinHandle<()>> {
    let is_closed = |accepting: &mut Accepting| accepting.address.as_ref().is_some_and(|at| addresses.contains(at));
    listeners.extract_if(.., is_closed).map(|accepting| accepting.task).collect()
}
