//! Takes over sockets when the configuration is read again. A port that moves from one listener to another is never closed in
//! between, so no caller is refused.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use socket2::SockRef;

use super::{BindError, Bound, BoundSocket, Listen, localhost, tcp, unix};

/// The address of one socket. A listener has one or two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Bound {
    pub fn addresses(&self) -> Vec<Address> {
        self.sockets.iter().filter_map(|socket| self.address_of(socket)).collect()
    }

    pub(crate) fn address_of(&self, socket: &BoundSocket) -> Option<Address> {
        match (socket, &self.listen) {
            (BoundSocket::Tcp(listener), _) => listener.local_addr().ok().map(Address::Tcp),
            // The socket was bound in a private directory and moved, so it does not know its path.
            (BoundSocket::Unix(_), Listen::Unix(path, _)) => Some(Address::Unix(path.clone())),
            (BoundSocket::Unix(_), _) => None,
        }
    }

    /// Duplicates the sockets. They listen until both copies are dropped.
    pub fn try_clone(&self) -> io::Result<Self> {
        let sockets = self.sockets.iter().map(BoundSocket::try_clone).collect::<io::Result<_>>()?;
        Ok(Self { listen: self.listen.clone(), sockets })
    }

    /// Applies the configured mode to a socket file, which may have been taken over with another.
    pub fn set_mode(&self) -> io::Result<()> {
        match &self.listen {
            Listen::Unix(path, mode) => fs::set_permissions(path, fs::Permissions::from_mode(*mode)),
            Listen::Localhost(_) | Listen::Tcp(_) => Ok(()),
        }
    }
}

impl BoundSocket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

/// Binds a listener, reusing a socket of those `held` if it has exactly the same address.
pub fn rebind(listen: &Listen, held: &[&Bound]) -> Result<Bound, BindError> {
    let (what, sockets) = match listen {
        Listen::Localhost(port) => (format!("localhost:{port}"), localhost(*port, |address| tcp_of(address, held))),
        Listen::Tcp(address) => {
            (address.to_string(), tcp_of(*address, held).map(|socket| vec![BoundSocket::Tcp(socket)]))
        }
        Listen::Unix(path, mode) => {
            let socket = match find(&Address::Unix(path.clone()), held) {
                Some(socket) => socket.try_clone(),
                None => unix(path, *mode).map(BoundSocket::Unix),
            };
            (format!("unix:{}", path.display()), socket.map(|socket| vec![socket]))
        }
    };
    let sockets = sockets.map_err(|source| BindError { what, source })?;
    Ok(Bound { listen: listen.clone(), sockets })
}

fn find<'b>(address: &Address, held: &[&'b Bound]) -> Option<&'b BoundSocket> {
    let mut all =
        held.iter().flat_map(|bound| bound.sockets.iter().map(move |socket| (bound.address_of(socket), socket)));
    all.find(|(known, _)| known.as_ref() == Some(address)).map(|(_, socket)| socket)
}

fn tcp_of(address: SocketAddr, held: &[&Bound]) -> io::Result<TcpListener> {
    if let Some(BoundSocket::Tcp(listener)) = find(&Address::Tcp(address), held) {
        return listener.try_clone();
    }
    match tcp(address, false) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind_beside(address, held).ok_or(error)?,
        done => done,
    }
}

/// Binds an address that only a socket of our own at the same port blocks, as 127.0.0.1 blocks 0.0.0.0. Both get SO_REUSEPORT for
/// the moment of binding. Linux remembers that for the port: another process of the same user that sets SO_REUSEPORT could bind
/// it from then on. A process that does not set it, such as another bearerd at its start, still finds the port in use.
fn bind_beside(address: SocketAddr, held: &[&Bound]) -> Option<io::Result<TcpListener>> {
    let sockets = held.iter().flat_map(|bound| &bound.sockets).filter_map(|socket| match socket {
        BoundSocket::Tcp(listener) => Some(listener),
        BoundSocket::Unix(_) => None,
    });
    let same_port = |socket: &&TcpListener| socket.local_addr().is_ok_and(|held| held.port() == address.port());
    let ours: Vec<_> = sockets.filter(same_port).map(SockRef::from).collect();
    if ours.is_empty() {
        return None;
    }
    let share = |shared: bool| ours.iter().try_for_each(|socket| socket.set_reuse_port(shared));
    let bound = share(true).and_then(|()| tcp(address, true));
    let private = share(false);
    Some(bound.and_then(|socket| {
        private?;
        SockRef::from(&socket).set_reuse_port(false)?;
        Ok(socket)
    }))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;
    use crate::proxy::listen::bind;

    fn any() -> (Bound, u16) {
        let bound = bind(&[Listen::Tcp((Ipv4Addr::LOCALHOST, 0).into())]).unwrap().remove(0);
        let port = bound.local_addr().unwrap().port();
        (bound, port)
    }

    fn reaches(listener: &Bound, port: u16) -> bool {
        let _caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let accepted = |socket: &BoundSocket| matches!(socket, BoundSocket::Tcp(socket) if socket.accept().is_ok());
        listener.sockets.iter().any(accepted)
    }

    #[test]
    fn an_address_becomes_localhost_and_back_without_a_gap() {
        let (one, port) = any();
        let caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let both = rebind(&Listen::Localhost(port), &[&one]).unwrap();
        drop(one);
        let BoundSocket::Tcp(v4) = &both.sockets[0] else { panic!() };
        assert_eq!(v4.accept().unwrap().1, caller.local_addr().unwrap(), "connections in the backlog are accepted");
        let one = rebind(&Listen::Tcp((Ipv4Addr::LOCALHOST, port).into()), &[&both]).unwrap();
        drop(both);
        assert!(reaches(&one, port));
        assert_eq!(one.addresses(), [Address::Tcp((Ipv4Addr::LOCALHOST, port).into())]);
    }

    #[test]
    fn the_unspecified_address_takes_over_from_loopback_and_the_port_stays_taken() {
        let (one, port) = any();
        let every = Listen::Tcp((Ipv4Addr::UNSPECIFIED, port).into());
        let wide = rebind(&every, &[&one]).unwrap();
        assert!(reaches(&one, port));
        drop(one);
        assert!(reaches(&wide, port));
        assert!(tcp((Ipv4Addr::UNSPECIFIED, port).into(), false).is_err(), "other processes find the port in use");
        let one = rebind(&Listen::Tcp((Ipv4Addr::LOCALHOST, port).into()), &[&wide]).unwrap();
        drop(wide);
        assert!(reaches(&one, port));
    }

    #[test]
    fn a_port_of_another_process_is_not_taken() {
        let ((_theirs, port), (ours, _)) = (any(), any());
        let error = rebind(&Listen::Localhost(port), &[&ours]).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_socket_file_is_taken_over_and_gets_the_configured_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("y.sock");
        let one = bind(&[Listen::Unix(path.clone(), 0o600)]).unwrap().remove(0);
        let two = rebind(&Listen::Unix(path.clone(), 0o660), &[&one]).unwrap();
        drop(one);
        two.set_mode().unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    }
}
