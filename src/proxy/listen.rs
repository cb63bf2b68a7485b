//! Listeners. They are bound before anything else starts, so that a port in use is reported at once and no connection is refused
//! later.

mod takeover;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use super::settings::Listen;
pub use takeover::{Address, rebind};

/// The backlog of connections that the kernel accepts in advance.
const BACKLOG: i32 = 1024;

/// How often to try another port if any port will do.
const TRIES: u32 = 16;

/// A bound listener.
#[derive(Debug)]
pub struct Bound {
    /// The configured listener, by which routes know it.
    pub listen: Listen,
    pub(crate) sockets: Vec<BoundSocket>,
}

#[derive(Debug)]
pub(crate) enum BoundSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {what}")]
pub struct BindError {
    /// The address, for the message.
    pub what: String,
    #[source]
    pub source: io::Error,
}

impl Bound {
    /// The TCP address; for `localhost`, the IPv4 one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.sockets.iter().find_map(|socket| match socket {
            BoundSocket::Tcp(listener) => listener.local_addr().ok(),
            BoundSocket::Unix(_) => None,
        })
    }

    /// The authority of URLs for this listener.
    pub(crate) fn authority(&self) -> String {
        match (&self.listen, self.local_addr()) {
            (Listen::Localhost(_), Some(address)) => format!("localhost:{}", address.port()),
            (_, Some(address)) => address.to_string(),
            (_, None) => "localhost".to_owned(),
        }
    }
}

/// Binds all listeners, or none.
pub fn bind(listens: &[Listen]) -> Result<Vec<Bound>, BindError> {
    listens.iter().map(bind_one).collect()
}

fn bind_one(listen: &Listen) -> Result<Bound, BindError> {
    rebind(listen, &[])
}

fn tcp(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds both loopback addresses with the same port, or IPv4 alone if the host has no IPv6.
fn localhost(port: u16, get: impl Fn(SocketAddr) -> io::Result<TcpListener>) -> io::Result<Vec<BoundSocket>> {
    for _ in 1..TRIES {
        match both(port, &get) {
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
    both(port, &get)
}

fn both(port: u16, get: impl Fn(SocketAddr) -> io::Result<TcpListener>) -> io::Result<Vec<BoundSocket>> {
    let v4 = get((Ipv4Addr::LOCALHOST, port).into())?;
    let v6 = get((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()).into());
    match v6 {
        Ok(v6) => Ok(vec![BoundSocket::Tcp(v4), BoundSocket::Tcp(v6)]),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![BoundSocket::Tcp(v4)]),
    }
}

/// Creates a socket file in a private directory, and moves it into place once it has its mode.
fn unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    check_replaceable(path)?;
    let private = PrivateDirectory::beside(path)?;
    let made = private.0.join("s");
    let listener = UnixListener::bind(&made)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(mode))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

/// Checks that the path is free or has a socket file that nobody listens on, which may be replaced.
fn check_replaceable(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type(),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is there"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process is listening on it")),
    }
}

/// A private directory, removed when dropped.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn beside(path: &Path) -> io::Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let private = directory.join(format!(".bearerd-{:08x}", fastrand::u32(..)));
        fs::DirBuilder::new().mode(0o700).create(&private)?;
        Ok(Self(private))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}

/// A listener, as connections know it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) listen: Listen,
    /// Its authority, for callers that name none.
    pub(crate) authority: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_binds_both_addresses_on_one_port() {
        let bound = bind(&[Listen::Localhost(0)]).unwrap();
        let address = bound[0].local_addr().unwrap();
        assert!(address.ip().is_loopback() && address.port() != 0);
        assert_eq!(bound[0].authority(), format!("localhost:{}", address.port()));
        if let Some(BoundSocket::Tcp(second)) = bound[0].sockets.get(1) {
            assert_eq!(second.local_addr().unwrap(), (Ipv6Addr::LOCALHOST, address.port()).into());
        }
        let error = bind(&[Listen::Localhost(address.port())]).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("cannot listen on localhost:{}", address.port()));
    }

    #[test]
    fn a_socket_file_gets_its_mode_and_replaces_only_an_unused_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("y.sock");
        let listen = [Listen::Unix(path.clone(), 0o660)];
        let bound = bind(&listen).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(bind(&listen).unwrap_err().source.kind(), io::ErrorKind::AddrInUse);
        drop(bound);
        bind(&listen).unwrap();
    }

    #[test]
    fn a_file_that_is_not_a_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "data").unwrap();
        let error = bind(&[Listen::Unix(path.clone(), 0o600)]).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }
}
