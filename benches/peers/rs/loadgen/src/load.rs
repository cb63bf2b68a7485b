//! The load: one thread, one epoll set.
//!
//! In the open loop, request k is due at k / rate, whether or not a connection is free then, and its latency counts
//! from that moment. A proxy that stalls does not get fewer requests and cannot hide the wait (no coordinated
//! omission).
use crate::connection::{Arrival, Connection};
use crate::options::{Options, Outcome};
use crate::report::{Tally, Window, json};
use crate::sample::Sample;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use std::time::Instant;

const MOST_ERRORS: u64 = 1000;
const LONGEST_WAIT: u64 = 50_000_000;
const SECOND: f64 = 1e9;

pub fn run(options: &Options) -> Outcome<()> {
    // The default timer slack of 50 µs would dominate the measured latency.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    let own = [std::process::id()];
    let mut load = Load::new(options)?;
    load.until((options.warm * SECOND) as u64);

    let (peer, generator) = (Sample::of(&options.pids), Sample::of(&own));
    let began = load.now();
    load.tally = Tally::default();
    load.until(began + (options.seconds * SECOND) as u64);
    let window = Window {
        seconds: (load.now() - began) as f64 / SECOND,
        peer: Sample::of(&options.pids).since(peer),
        own: Sample::of(&own).since(generator),
    };
    println!("{}", json(load.tally, &window));
    Ok(())
}

struct Load {
    port: u16,
    request: Vec<u8>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Indices of idle connections; the last used is used first.
    idle: Vec<usize>,
    /// Nanoseconds between two requests of the open loop; 0 in the closed loop.
    interval: f64,
    begun: u64,
    clock: Instant,
    buffer: Vec<u8>,
    tally: Tally,
}

impl Load {
    fn new(options: &Options) -> Outcome<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for index in 0..options.connections {
            let connection = open(options.port, &epoll, index)?;
            connections.push(connection);
        }
        Ok(Self {
            port: options.port,
            request: options.request(),
            epoll,
            idle: (0..connections.len()).rev().collect(),
            connections,
            interval: if options.rate > 0.0 { SECOND / options.rate } else { 0.0 },
            begun: 0,
            clock: Instant::now(),
            buffer: vec![0; 256 * 1024],
            tally: Tally::default(),
        })
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// When the next request is due; in the closed loop, as soon as a connection is idle.
    fn next_due(&self, now: u64) -> u64 {
        if self.interval > 0.0 { (self.begun as f64 * self.interval) as u64 } else { now }
    }

    fn until(&mut self, end: u64) {
        let mut events = vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 256];
        while self.now() < end && self.tally.errors <= MOST_ERRORS {
            self.begin_what_is_due();
            let count = self.wait(&mut events, end);
            for event in &events[..count] {
                self.handle(event.data.u64() as usize, event.flags);
            }
        }
    }

    fn begin_what_is_due(&mut self) {
        let now = self.now();
        while let Some(&index) = self.idle.last() {
            let due = self.next_due(now);
            if due > now {
                break;
            }
            self.idle.pop();
            self.begun += 1;
            if !self.connections[index].begin(&self.request, due) {
                self.watch(index, EventFlags::IN | EventFlags::OUT);
            }
        }
    }

    fn wait(&self, events: &mut [Event], end: u64) -> usize {
        let now = self.now();
        let mut longest = LONGEST_WAIT.min(end.saturating_sub(now));
        if !self.idle.is_empty() {
            longest = longest.min(self.next_due(now).saturating_sub(now));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: longest as i64 };
        epoll::wait(&self.epoll, events, Some(&timeout)).unwrap_or(0)
    }

    fn watch(&self, index: usize, flags: EventFlags) {
        // Fails only for a closed socket, which the next read notices.
        let _ = epoll::modify(&self.epoll, &self.connections[index].socket, EventData::new_u64(index as u64), flags);
    }

    fn handle(&mut self, index: usize, flags: EventFlags) {
        let connection = &mut self.connections[index];
        if flags.contains(EventFlags::OUT) && connection.push(&self.request) {
            self.watch(index, EventFlags::IN);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            match self.connections[index].pull(&mut self.buffer) {
                Arrival::Nothing => {}
                Arrival::Complete => self.complete(index),
                Arrival::Broken => self.replace(index),
            }
        }
    }

    fn complete(&mut self, index: usize) {
        let now = self.now();
        let connection = &mut self.connections[index];
        let due = connection.due.take().unwrap_or(now);
        let status = connection.response.status;
        let reusable = !connection.response.closes && connection.all_sent(&self.request);
        self.tally.done += 1;
        self.tally.latencies.push(now - due);
        if !(200..300).contains(&status) {
            self.tally.refused += 1;
            self.tally.last_refusal = status;
        }
        self.idle.push(index);
        if !reusable {
            self.reopen(index);
        }
    }

    /// A connection that breaks within a request is an error. An idle one may be closed at any time.
    fn replace(&mut self, index: usize) {
        if self.connections[index].due.is_some() {
            self.tally.errors += 1;
            self.idle.push(index);
        }
        self.reopen(index);
    }

    fn reopen(&mut self, index: usize) {
        self.tally.reconnects += 1;
        match open(self.port, &self.epoll, index) {
            Ok(connection) => self.connections[index] = connection,
            Err(_) => {
                self.tally.errors += 1;
                self.idle.retain(|idle| *idle != index);
            }
        }
    }
}

fn open(port: u16, epoll: &OwnedFd, index: usize) -> Outcome<Connection> {
    let connection = Connection::open(port)?;
    connection.socket.set_nonblocking(true)?;
    epoll::add(epoll, &connection.socket, EventData::new_u64(index as u64), EventFlags::IN)?;
    Ok(connection)
}
