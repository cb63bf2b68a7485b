//! One connection to the port under test, with its current request.
use crate::response::Response;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

pub struct Connection {
    pub socket: TcpStream,
    pub response: Response,
    /// When its request was due, in nanoseconds; `None` while it is idle.
    pub due: Option<u64>,
    sent: usize,
}

/// The result of reading a connection.
pub enum Arrival {
    Nothing,
    Complete,
    Broken,
}

impl Connection {
    pub fn open(port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, response: Response::new(), due: None, sent: 0 })
    }

    /// Starts a request. Returns whether all of it could be sent at once.
    pub fn begin(&mut self, request: &[u8], due: u64) -> bool {
        self.due = Some(due);
        self.sent = 0;
        self.response.reset();
        self.push(request)
    }

    /// Sends as much as the socket accepts. Returns whether nothing is left. Errors are noticed when reading.
    pub fn push(&mut self, request: &[u8]) -> bool {
        while self.sent < request.len() {
            match self.socket.write(&request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(_) => return false,
            }
        }
        true
    }

    pub fn all_sent(&self, request: &[u8]) -> bool {
        self.sent == request.len()
    }

    /// Reads once.
    pub fn pull(&mut self, buffer: &mut [u8]) -> Arrival {
        match self.socket.read(buffer) {
            Ok(0) => Arrival::Broken,
            Ok(_) if self.due.is_none() => Arrival::Broken,
            Ok(count) => match self.response.feed(&buffer[..count]) {
                Ok(true) => Arrival::Complete,
                Ok(false) => Arrival::Nothing,
                Err(what) => {
                    eprintln!("loadgen: {what}");
                    Arrival::Broken
                }
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => Arrival::Nothing,
            Err(_) => Arrival::Broken,
        }
    }

    /// One exchange on a blocking socket. Returns the status, if a response arrives within two seconds.
    pub fn ask(&mut self, request: &[u8]) -> Option<u16> {
        self.socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let mut buffer = [0; 16 * 1024];
        if !self.begin(request, 0) {
            return None;
        }
        loop {
            let count = self.socket.read(&mut buffer).ok().filter(|count| *count > 0)?;
            if self.response.feed(&buffer[..count]).ok()? {
                return Some(self.response.status);
            }
        }
    }
}
