//! Every listener of the process, bound before anything else happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::admin::Listener;
use crate::config::{Settings, UpstreamConfig};
use crate::proxy::listen::{Bell, BindError, Bound, bind};
use crate::proxy::settings::{Listen, UpstreamSettings};

/// The listeners of callers and of admin.
pub(super) struct Doors {
    pub(super) data: Vec<Bound>,
    pub(super) given: Given,
    admin: Option<Bound>,
    names: Vec<(String, Listen)>,
}

impl Doors {
    /// Binds all, or none. From then on an upstream that asked for any port has the one that it got.
    pub(super) fn bind(settings: &mut Settings) -> Result<Self, BindError> {
        let (data, given) = open(&mut settings.upstreams, &[], &Given::new())?;
        let admin = bind(std::slice::from_ref(&settings.admin.listen))?.into_iter().next();
        let names = settings.upstreams.iter().map(|one| (one.proxy.name.to_string(), one.proxy.listen.clone()));
        Ok(Self { data, given, admin, names: names.collect() })
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

/// The listener of each upstream that asked for any port.
pub(super) type Given = BTreeMap<Arc<str>, Listen>;

/// Binds what these upstreams need and is not taken yet, each address once. Any port means one for each upstream, and
/// one that was given stays.
pub(super) fn open(
    upstreams: &mut [UpstreamConfig],
    taken: &[Listen],
    given: &Given,
) -> Result<(Vec<Bound>, Given), BindError> {
    let (mut opened, mut now) = (Vec::<Bound>::new(), Given::new());
    for UpstreamSettings { name, listen, .. } in upstreams.iter_mut().map(|config| &mut config.proxy) {
        let any = is_any(listen);
        if let Some(before) = given.get(name).filter(|_| any) {
            *listen = before.clone();
        }
        if !taken.contains(listen) && !opened.iter().any(|bound| bound.listen == *listen) {
            for mut bound in bind(std::slice::from_ref(listen))? {
                *listen = with_port(listen, &bound);
                bound.listen = listen.clone();
                opened.push(bound);
            }
        }
        if any {
            now.insert(Arc::clone(name), listen.clone());
        }
    }
    Ok((opened, now))
}

/// Whether it asks for any port.
fn is_any(listen: &Listen) -> bool {
    match listen {
        Listen::Localhost(port) => *port == 0,
        Listen::Tcp(address) => address.port() == 0,
        Listen::Unix(..) => false,
    }
}

/// The listener with the port that it got.
fn with_port(listen: &Listen, bound: &Bound) -> Listen {
    match (listen, bound.local_addr()) {
        (Listen::Localhost(0), Some(address)) => Listen::Localhost(address.port()),
        (Listen::Tcp(_), Some(address)) => Listen::Tcp(address),
        (listen, _) => listen.clone(),
    }
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
