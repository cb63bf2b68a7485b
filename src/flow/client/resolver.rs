//! The resolver for host names that a reply chose: it does not return addresses of this machine or its network.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::endpoint::is_private;

/// The system's resolver, without private addresses.
pub(super) struct Public;

/// All addresses were of this machine or its network.
#[derive(Debug, thiserror::Error)]
#[error(
    "the login's reply names a host with a private address; if that is intended, add the host to the flow's \
    `hosts`"
)]
pub(super) struct PrivateAddress;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> = found.into_iter().filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() { Err(PrivateAddress.into()) } else { Ok(Box::new(public.into_iter()) as Addrs) }
        })
    }
}
