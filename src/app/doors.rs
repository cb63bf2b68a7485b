//! Every listener of the process, bound before anything else happens.

use std::collections::BTreeSet;

use crate::admin::Listener;
use crate::config::Settings;
use crate::proxy::listen::{Bell, BindError, Bound, bind};
use crate::proxy::settings::Listen;

/// The listeners of callers and of admin.
pub(super) struct Doors {
    pub(super) data: Vec<Bound>,
    admin: Option<Bound>,
    names: Vec<(String, Listen)>,
}

impl Doors {
    /// Binds all, or none.
    pub(super) fn bind(settings: &Settings) -> Result<Self, BindError> {
        let names = settings.upstreams.iter().map(|one| (one.proxy.name.to_string(), one.proxy.listen.clone()));
        let names: Vec<_> = names.collect();
        let data = bind(&listens(settings))?;
        let admin = bind(std::slice::from_ref(&settings.admin.listen))?;
        Ok(Self { data, admin: admin.into_iter().next(), names })
    }

    /// The sockets of the admin listener, for this thread's runtime; taken once.
    pub(super) fn take_admin(&mut self) -> std::io::Result<Vec<Listener>> {
        self.admin.take().into_iter().flat_map(|bound| bound.sockets).map(listener).collect()
    }

    /// Says where each upstream and admin can be reached.
    pub(super) fn announce(&self) {
        for (upstream, listen) in &self.names {
            let bound = self.data.iter().find(|bound| bound.listen == *listen);
            let address = bound.map_or_else(String::new, address);
            tracing::info!(upstream, address, "listening");
        }
        tracing::info!(address = self.admin.as_ref().map_or_else(String::new, address), "listening");
    }
}

/// Each address once, however many upstreams share it.
pub(super) fn listens(settings: &Settings) -> Vec<Listen> {
    let mut seen = BTreeSet::new();
    let all = settings.upstreams.iter().map(|one| one.proxy.listen.clone());
    all.filter(|listen| seen.insert(format!("{listen:?}"))).collect()
}

fn address(bound: &Bound) -> String {
    match (&bound.listen, bound.local_addr()) {
        (Listen::Localhost(_) | Listen::Tcp(_), Some(address)) => address.to_string(),
        (listen, _) => listen.to_string(),
    }
}

fn listener(bell: Bell) -> std::io::Result<Listener> {
    Ok(match bell {
        Bell::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            Listener::Tcp(tokio::net::TcpListener::from_std(socket)?)
        }
        Bell::Unix(socket) => {
            socket.set_nonblocking(true)?;
            Listener::Unix(tokio::net::UnixListener::from_std(socket)?)
        }
    })
}
