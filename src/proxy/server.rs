//! The data thread: one current-thread runtime that accepts, serves and sweeps, and goes down in phases.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::connection;
use super::here::{Door, Here};
use super::listen::{Bell, Bound};
use super::route::Routes;
use super::serve::Caller;
use super::settings::{Bounds, Limits, Listen};
use super::socket::Socket;
use crate::clock::{Beats, SharedClock};
use crate::record::{Limit, ProxyRecord};
use crate::shutdown::{Phase, Shutdown};

/// Out of descriptors or memory: accepting again at once would only spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Names that are resolved at a time, each by a thread with a socket of its own.
const RESOLVING: usize = 16;

/// How many callers are told at a time that there are too many; the others are just closed.
const FAREWELLS: usize = 32;

/// The data thread, seen from outside.
#[derive(Debug)]
pub struct DataThread {
    commands: mpsc::UnboundedSender<Command>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug)]
enum Command {
    Open(Bound),
    Close(Listen),
}

impl DataThread {
    /// Starts the thread on what is bound. It ends with `shutdown`.
    pub fn spawn(
        bound: Vec<Bound>,
        routes: Arc<ArcSwap<Routes>>,
        limits: Limits,
        bounds: Bounds,
        clock: SharedClock,
        record: Arc<ProxyRecord>,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let (commands, heard) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let beats = Beats::start();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(RESOLVING).build()?;
        for bound in bound {
            let _ = commands.send(Command::Open(bound));
        }
        thread::Builder::new().name("data".to_owned()).spawn(move || {
            let here = Rc::new(Here::new(routes, limits, bounds, clock, record));
            LocalSet::new().block_on(&runtime, run(&here, heard, shutdown, beats));
            end.send_replace(true);
        })?;
        Ok(Self { commands, ended })
    }

    /// Accepts on this listener too.
    pub fn open(&self, bound: Bound) {
        let _ = self.commands.send(Command::Open(bound));
    }

    /// Accepts no more on this listener; connections that came in there stay.
    pub fn close(&self, listen: Listen) {
        let _ = self.commands.send(Command::Close(listen));
    }

    /// Waits until the last connection has gone, or the thread was cut off or has died.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Whether the thread has ended.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }
}

/// The accepting tasks of each listener.
type Doors = RefCell<Vec<(Listen, Vec<JoinHandle<()>>)>>;

async fn run(here: &Rc<Here>, heard: mpsc::UnboundedReceiver<Command>, shutdown: Shutdown, beats: Beats) {
    let doors = Doors::default();
    let sweeping = spawn_local(sweep(here.clone(), beats));
    tokio::select! {
        () = obey(here, heard, &doors) => {}
        () = shutdown.reached(Phase::Draining) => {}
    }
    for (_, tasks) in doors.take() {
        tasks.iter().for_each(JoinHandle::abort);
    }
    here.draining.set(true);
    here.sweeper.wake_all();
    tokio::select! {
        () = here.emptied() => {}
        () = shutdown.reached(Phase::Cut) => {
            tracing::warn!(connections = here.connections(), "the grace has run out: connections are cut");
        }
    }
    sweeping.abort();
}

async fn sweep(here: Rc<Here>, beats: Beats) {
    loop {
        here.sweep();
        here.until_next_sweep(&beats).await;
    }
}

async fn obey(here: &Rc<Here>, mut heard: mpsc::UnboundedReceiver<Command>, doors: &Doors) {
    while let Some(command) = heard.recv().await {
        match command {
            Command::Open(bound) => {
                let listen = bound.listen.clone();
                match open(here, bound) {
                    Ok(tasks) => doors.borrow_mut().push((listen, tasks)),
                    Err(error) => tracing::error!(?listen, %error, "cannot accept on this listener"),
                }
            }
            Command::Close(listen) => {
                let closes = |(door, _): &mut (Listen, Vec<_>)| *door == listen;
                let closed: Vec<_> = doors.borrow_mut().extract_if(.., closes).collect();
                closed.iter().flat_map(|(_, tasks)| tasks).for_each(JoinHandle::abort);
            }
        }
    }
    std::future::pending().await
}

fn open(here: &Rc<Here>, bound: Bound) -> io::Result<Vec<JoinHandle<()>>> {
    let door = Rc::new(Door { authority: bound.authority(), listen: bound.listen });
    let start = |bell| {
        let porter = Porter { here: here.clone(), door: door.clone() };
        Ok(match bell {
            Bell::Tcp(listener) => spawn_local(porter.tcp(TcpListener::from_std(listener)?)),
            Bell::Unix(listener) => spawn_local(porter.unix(UnixListener::from_std(listener)?)),
        })
    };
    bound.sockets.into_iter().map(start).collect()
}

/// Lets callers in.
struct Porter {
    here: Rc<Here>,
    door: Rc<Door>,
}

impl Porter {
    async fn tcp(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    self.receive(Socket::Tcp(stream), Some(peer.ip().to_canonical()));
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn unix(self, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.receive(Socket::Unix(stream), None),
                Err(error) => self.pause(&error).await,
            }
        }
    }

    fn receive(&self, socket: Socket, peer: Option<IpAddr>) {
        let admitted = match self.here.admit() {
            Ok(admitted) => admitted,
            Err(limit) => return self.turn_away(socket, limit),
        };
        let caller = Caller::new(self.here.clone(), self.door.clone(), peer);
        spawn_local(async move {
            connection::serve(socket, caller).await;
            drop(admitted);
        });
    }

    fn turn_away(&self, socket: Socket, limit: Limit) {
        self.here.limiter.refused(limit);
        let told = self.here.farewells.get();
        if told < FAREWELLS {
            let here = self.here.clone();
            here.farewells.set(told.saturating_add(1));
            spawn_local(async move {
                connection::turn_away(socket, limit).await;
                here.farewells.set(here.farewells.get().saturating_sub(1));
            });
        }
    }

    /// A caller that is gone before it was accepted is its own affair; everything else lasts a while, and is said once in
    /// that while. Most likely descriptors have run out: an idle upstream connection gives one back.
    async fn pause(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        if self.here.limiter.is_news(Limit::Sockets) {
            tracing::warn!(%error, "cannot accept a connection");
        }
        self.here.limiter.close_idle();
        tokio::time::sleep(PAUSE).await;
    }
}
