//! Name resolution.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::dns::{GaiFuture, GaiResolver, Name};
use tower::Service;

use crate::endpoint::is_private;

/// The system's resolver. Its errors have a type of their own, to tell them from errors to connect.
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    /// Whether to leave out private addresses, which a login's reply must not choose.
    public: bool,
}

impl Resolver {
    pub(super) fn new(public: bool) -> Self {
        Self { system: GaiResolver::new(), public }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NoAddress {
    #[error("the name does not resolve")]
    None(#[source] io::Error),
    #[error(
        "the login's reply names a host with a private address; if that is intended, add the host to the flow's \
        `hosts`"
    )]
    Private,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NoAddress;
    type Future = Resolving;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.system.poll_ready(cx).map_err(NoAddress::None)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Resolving { found: self.system.call(name), public: self.public }
    }
}

pub(super) struct Resolving {
    found: GaiFuture,
    public: bool,
}

impl Future for Resolving {
    type Output = Result<std::vec::IntoIter<SocketAddr>, NoAddress>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let found = ready!(Pin::new(&mut self.found).poll(cx)).map_err(NoAddress::None)?;
        let allowed: Vec<_> = found.filter(|address| !self.public || !is_private(address.ip())).collect();
        let none = allowed.is_empty() && self.public;
        Poll::Ready(if none { Err(NoAddress::Private) } else { Ok(allowed.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_from_a_reply_never_resolves_to_a_private_address() {
        let resolve = |public: bool| Resolver::new(public).call("localhost".parse().unwrap());
        assert!(resolve(false).await.unwrap().all(|address| address.ip().is_loopback()));
        assert!(matches!(resolve(true).await, Err(NoAddress::Private)));
    }
}
