//! Name resolution.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiFuture, GaiResolver, Name};
use tower::Service;

/// The system's resolver. Its errors have a type of their own, to tell them from errors to connect.
#[derive(Clone)]
pub(super) struct Resolver(pub(super) GaiResolver);

#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(super) struct NoAddress(#[source] io::Error);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = NoAddress;
    type Future = Resolving;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(NoAddress)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Resolving(self.0.call(name))
    }
}

pub(super) struct Resolving(GaiFuture);

impl Future for Resolving {
    type Output = Result<GaiAddrs, NoAddress>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(NoAddress)
    }
}
