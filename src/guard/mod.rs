//! Access rules: pure functions of peer and headers, for the data listeners and for admin.
//!
//! A proxy on localhost that adds credentials is a confused deputy for every page in the user's browser. So a request
//! is served only if it comes from an allowed peer, names this listener in `Host` (against DNS rebinding) and does not
//! come from a foreign page.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

mod admission;
mod browser;
mod claims;
mod glob;
mod host;
mod path;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderName, Method, Version};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::secret::Secret;
use admission::Refusal;
use claims::{Claims, SingleHeader};

pub use admission::{Admission, RequestInfo};
pub use browser::share;
pub use claims::KEY;
pub use glob::Globs;
pub use path::has_dot_segment;

/// Headers with which a request can override its path or method in some frameworks.
static OTHER_PATH: [HeaderName; 2] =
    [HeaderName::from_static("x-original-url"), HeaderName::from_static("x-rewrite-url")];
static OTHER_METHOD: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// The `access` table of an upstream, with all defaults applied.
#[derive(Clone, Debug)]
pub struct Access {
    /// Networks that may call; by default loopback.
    pub peers: Vec<IpNet>,
    /// `Host` names that are allowed besides `localhost`, `*.localhost` and loopback addresses. `*.example.org` is
    /// every name below it, `*` every host. An entry with a port requires that port.
    pub hosts: Vec<String>,
    /// Allowed methods; empty: all.
    pub methods: Vec<Method>,
    /// Globs for the decoded path; empty: all.
    pub paths: Globs,
    /// Allowed browser origins besides the listener's own.
    pub origins: Vec<String>,
    /// The required value of `X-Bearerd-Key`.
    pub key: Option<Secret>,
    /// Whether a path may have dot segments. With [`Access::paths`] it may not: they could lead outside the allowed
    /// paths.
    pub dot_segments: bool,
}

/// Whether this is a valid host, with or without a port.
pub fn is_authority(text: &str) -> bool {
    host::split(text).is_some()
}

/// The default: loopback peers, except foreign pages.
impl Default for Access {
    fn default() -> Self {
        Self {
            peers: loopback(),
            hosts: Vec::new(),
            methods: Vec::new(),
            paths: Globs::default(),
            origins: Vec::new(),
            key: None,
            dot_segments: false,
        }
    }
}

/// The networks of `"loopback"`.
pub fn loopback() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
    vec![v4.into(), v6.into()]
}

impl Access {
    /// Checks a request. `own_host` is the upstream's `host` key.
    pub fn admit(&self, call: &RequestInfo<'_>, own_host: Option<&str>) -> Admission {
        self.judge(call, own_host).unwrap_or_else(Admission::from)
    }

    /// Cheap checks come first; only callers with the access key reach the expensive ones.
    fn judge(&self, call: &RequestInfo<'_>, own_host: Option<&str>) -> Result<Admission, Refusal> {
        let mut admission = Admission::Pass;
        if let Some(peer) = call.peer {
            self.check_peer(peer)?;
        }
        let claims = Claims::of(call.headers);
        if call.peer.is_some() {
            let authority = self.check_host(call, claims.host, own_host)?;
            admission = browser::check(&self.origins, &claims, authority)?;
        }
        if let (Admission::PassTo(origin), Some(method)) = (&admission, browser::preflight(call)) {
            // Browsers send preflights without the page's headers, so they cannot have the key.
            self.check_method(call, &method)?;
            self.check_path(call)?;
            return Ok(Admission::Preflight(browser::preflight_response(origin, &method, call.headers)));
        }
        self.check_method(call, call.method)?;
        self.check_key(claims.key)?;
        self.check_path(call)?;
        Ok(admission)
    }

    fn check_peer(&self, peer: IpAddr) -> Result<(), Refusal> {
        let canonical = peer.to_canonical();
        let known = self.peers.iter().any(|net| net.contains(&canonical) || net.contains(&peer));
        known.then_some(()).ok_or(Refusal::Denied("the peer's address is not in access.peers"))
    }

    /// The authority of the request. If an absolute-form target and `Host` differ, both must be allowed.
    fn check_host<'a>(
        &self,
        call: &RequestInfo<'a>,
        host: SingleHeader<'a>,
        own_host: Option<&str>,
    ) -> Result<Option<&'a str>, Refusal> {
        let malformed = Refusal::Malformed;
        let host = host.at_most_one("more than one Host header").map_err(malformed)?;
        let named = host.map(|host| host.to_str().map_err(|_| malformed("malformed Host header"))).transpose()?;
        if named.is_none() && call.authority.is_none() && call.version != Version::HTTP_10 {
            return Err(malformed("missing Host header"));
        }
        for authority in [call.authority, named].into_iter().flatten() {
            let further = own_host.into_iter().chain(self.hosts.iter().map(|host| &**host));
            let allowed = host::is_allowed(authority, further).ok_or(malformed("malformed Host header"))?;
            allowed.then_some(()).ok_or(Refusal::Denied("the Host is neither local nor in access.hosts"))?;
        }
        Ok(call.authority.or(named))
    }

    fn check_path(&self, call: &RequestInfo<'_>) -> Result<(), Refusal> {
        if self.paths.is_empty() {
            return Ok(());
        }
        if OTHER_PATH.iter().any(|name| call.headers.contains_key(name)) {
            return Err(Refusal::Denied("a header names another path, but access.paths restricts paths"));
        }
        path::is_allowed(&self.paths, call.path).then_some(()).ok_or(Refusal::Denied("the path is not in access.paths"))
    }

    fn check_method(&self, call: &RequestInfo<'_>, method: &Method) -> Result<(), Refusal> {
        if self.methods.is_empty() {
            return Ok(());
        }
        let others = OTHER_METHOD.iter().flat_map(|name| call.headers.get_all(name));
        let mut others = others.map(|other| Method::from_bytes(&other.as_bytes().to_ascii_uppercase()).ok());
        let allowed = self.methods.contains(method)
            && others.all(|other| other.is_some_and(|other| self.methods.contains(&other)));
        allowed.then_some(()).ok_or(Refusal::Denied("the method is not in access.methods"))
    }

    fn check_key(&self, given: SingleHeader<'_>) -> Result<(), Refusal> {
        let Some(key) = &self.key else { return Ok(()) };
        let given = given.at_most_one("more than one X-Bearerd-Key header").map_err(Refusal::Denied)?;
        let given = given.ok_or(Refusal::Denied("X-Bearerd-Key is missing"))?;
        key.matches(given.as_bytes()).then_some(()).ok_or(Refusal::Denied("X-Bearerd-Key is wrong"))
    }
}
