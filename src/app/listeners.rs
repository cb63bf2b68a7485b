//! The listeners of the process: bound before anything else, and reused at a reload.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::admin::AdminListener;
use crate::config::{Settings, UpstreamConfig};
use crate::proxy::listen::{Address, BindError, Bound, BoundSocket, rebind};
use crate::proxy::server::DataThread;
use crate::proxy::settings::{Listen, UpstreamSettings};

/// The listeners of callers and of admin. A copy of each socket is kept here, so that a new listener can reuse it.
pub(super) struct Listeners {
    data: Vec<Bound>,
    given: Given,
    /// Former listeners that callers may have connected to.
    past: Vec<Listen>,
    /// Closing listeners, which can still be reused.
    closing: Vec<Weak<Bound>>,
    admin: Bound,
    /// The address as written, which may have port 0.
    admin_written: Listen,
    /// Whether admin has moved since the last check.
    moved: bool,
}

/// The actual listener of each upstream with port 0.
type Given = BTreeMap<Arc<str>, Listen>;

/// The listeners of a reloaded configuration: bound, but not in use yet.
#[derive(Default)]
pub(super) struct Opening {
    data: Vec<Bound>,
    given: Given,
    admin: Option<(Listen, Bound)>,
    /// All listeners of the configuration, new or not.
    named: Vec<Listen>,
    /// New socket files.
    files: Vec<Address>,
}

/// Listeners that are no longer configured.
pub(super) struct Closing {
    gone: Vec<Bound>,
    /// The number of new listeners.
    pub(super) opened: usize,
}

impl Closing {
    /// The number of closed listeners.
    pub(super) fn closed(&self) -> usize {
        self.gone.len()
    }
}

impl Listeners {
    /// Binds all listeners, or none. Port 0 is replaced by the port that the system picked.
    pub(super) fn bind(settings: &mut Settings) -> Result<Self, BindError> {
        let admin = rebind(&settings.admin.listen, &[])?;
        let mut data = Vec::new();
        let given = open(&mut settings.upstreams, &[], &[], &Given::new(), &mut data)?;
        Ok(Self {
            data,
            given,
            past: Vec::new(),
            closing: Vec::new(),
            admin,
            admin_written: settings.admin.listen.clone(),
            moved: false,
        })
    }

    /// The sockets for callers, to be used by the data thread.
    pub(super) fn data(&self) -> std::io::Result<Vec<Bound>> {
        self.data.iter().map(Bound::try_clone).collect()
    }

    /// The sockets of the admin listener, for the current runtime.
    pub(super) fn admin(&self) -> std::io::Result<Vec<AdminListener>> {
        self.admin.try_clone()?.sockets.into_iter().map(listener).collect()
    }

    /// Whether admin has moved since the last call.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Logs the address of each upstream and of admin.
    pub(super) fn announce(&self, settings: &Settings) {
        for UpstreamSettings { name, listen, .. } in settings.upstreams.iter().map(|config| &config.proxy) {
            let bound = self.data.iter().find(|bound| bound.listen == *listen);
            tracing::info!(upstream = &**name, address = bound.map_or_else(String::new, address), "listening");
        }
        tracing::info!(address = address(&self.admin), "listening");
    }

    /// Binds the listeners of a reloaded configuration, without using or closing any.
    pub(super) fn open(&self, settings: &mut Settings) -> Result<Opening, BindError> {
        let closing: Vec<Arc<Bound>> = self.closing.iter().filter_map(Weak::upgrade).collect();
        let closing = closing.iter().map(|bound| &**bound);
        let held: Vec<&Bound> = self.data.iter().chain([&self.admin]).chain(closing).collect();
        let before: Vec<Address> = held.iter().flat_map(|bound| bound.addresses()).collect();
        let is_file = |address: &Address| matches!(address, Address::Unix(_)) && !before.contains(address);
        let mut opening = Opening::default();
        let opened = open(&mut settings.upstreams, &self.data, &held, &self.given, &mut opening.data);
        opening.files = opening.data.iter().flat_map(Bound::addresses).filter(is_file).collect();
        opening.given = opened.inspect_err(|_| opening.undo())?;
        opening.named = settings.upstreams.iter().map(|config| config.proxy.listen.clone()).collect();
        let written = &settings.admin.listen;
        if *written != self.admin_written {
            let held: Vec<&Bound> = held.into_iter().chain(&opening.data).collect();
            match rebind(written, &held) {
                Ok(admin) => {
                    opening.files.extend(admin.addresses().into_iter().filter(is_file));
                    opening.admin = Some((written.clone(), admin));
                }
                Err(error) => {
                    opening.undo();
                    return Err(error);
                }
            }
        }
        Ok(opening)
    }

    /// Uses the new listeners. Those that are no longer configured stay open.
    pub(super) fn begin(&mut self, opening: Opening, data: &DataThread) -> Closing {
        let Opening { data: new, given, admin, named, .. } = opening;
        let opened = new.len();
        self.given = given;
        for bound in new {
            set_mode(&bound);
            tracing::info!(address = address(&bound), "listening");
            match bound.try_clone() {
                Ok(for_callers) => data.open(for_callers),
                Err(error) => {
                    tracing::error!(listen = %bound.listen, %error, "cannot accept connections on this listener")
                }
            }
            self.data.push(bound);
        }
        let mut gone: Vec<Bound> = self.data.extract_if(.., |bound| !named.contains(&bound.listen)).collect();
        self.past.extend(gone.iter().map(|bound| bound.listen.clone()));
        self.past.retain(|listen| !named.contains(listen));
        self.past.dedup();
        if let Some((written, bound)) = admin {
            set_mode(&bound);
            tracing::info!(address = address(&bound), "listening");
            (self.admin_written, self.moved) = (written, true);
            gone.push(std::mem::replace(&mut self.admin, bound));
        }
        Closing { gone, opened }
    }

    /// Each former listener with the one that has its port or path now.
    pub(super) fn moved(&self) -> Vec<(Listen, Listen)> {
        let heir = |past: &Listen| {
            let heir = self.data.iter().find(|bound| is_same_place(past, &bound.listen))?;
            Some((past.clone(), heir.listen.clone()))
        };
        self.past.iter().filter_map(heir).collect()
    }

    /// Closes listeners that are no longer configured.
    pub(super) fn end(&mut self, closing: Closing, data: &DataThread) {
        let kept: Vec<Address> = self.data.iter().flat_map(Bound::addresses).collect();
        let gone = closing.gone.iter().flat_map(Bound::addresses).filter(|address| !kept.contains(address)).collect();
        let held: Vec<Arc<Bound>> = closing.gone.into_iter().map(Arc::new).collect();
        self.closing.retain(|bound| bound.strong_count() > 0);
        self.closing.extend(held.iter().map(Arc::downgrade));
        data.close(gone, held);
    }

    /// Drops its copies of the callers' sockets, so that each is closed once the data thread stops accepting on it.
    pub(super) fn let_go(&mut self) {
        self.data.clear();
    }
}

impl Opening {
    /// Removes what was created for a configuration that cannot be used.
    pub(super) fn undo(&self) {
        for file in &self.files {
            if let Address::Unix(path) = file {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

fn set_mode(bound: &Bound) {
    if let Err(error) = bound.set_mode() {
        tracing::error!(listen = %bound.listen, %error, "cannot change the mode of the socket file");
    }
}

/// Binds the missing listeners of these upstreams, each address once. Port 0 means a port for each upstream, which then
/// stays.
fn open(
    upstreams: &mut [UpstreamConfig],
    taken: &[Bound],
    held: &[&Bound],
    given: &Given,
    opened: &mut Vec<Bound>,
) -> Result<Given, BindError> {
    let mut now = Given::new();
    for UpstreamSettings { name, listen, .. } in upstreams.iter_mut().map(|config| &mut config.proxy) {
        let any = is_any(listen);
        if let Some(before) = given.get(name).filter(|_| any) {
            *listen = before.clone();
        }
        if !taken.iter().chain(&*opened).any(|bound| bound.listen == *listen) {
            let held: Vec<&Bound> = held.iter().copied().chain(&*opened).collect();
            let mut bound = rebind(listen, &held)?;
            *listen = with_port(listen, &bound);
            bound.listen = listen.clone();
            opened.push(bound);
        }
        if any {
            now.insert(Arc::clone(name), listen.clone());
        }
    }
    Ok(now)
}

fn is_same_place(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Unix(one, _), Listen::Unix(other, _)) => one == other,
        _ => port(one).is_some() && port(one) == port(other),
    }
}

fn port(listen: &Listen) -> Option<u16> {
    match listen {
        Listen::Localhost(port) => Some(*port),
        Listen::Tcp(address) => Some(address.port()),
        Listen::Unix(..) => None,
    }
}

/// Whether it has port 0.
fn is_any(listen: &Listen) -> bool {
    port(listen) == Some(0)
}

/// The listener with its actual port.
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

fn listener(socket: BoundSocket) -> std::io::Result<AdminListener> {
    Ok(match socket {
        BoundSocket::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            AdminListener::Tcp(tokio::net::TcpListener::from_std(socket)?)
        }
        BoundSocket::Unix(socket) => {
            socket.set_nonblocking(true)?;
            AdminListener::Unix(tokio::net::UnixListener::from_std(socket)?)
        }
    })
}
