mod browsers;
mod hosts;

use http::{HeaderMap, HeaderValue};

use super::*;

/// A request that passes all default rules.
struct Caller {
    peer: Option<&'static str>,
    version: Version,
    method: Method,
    authority: Option<&'static str>,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            peer: Some("127.0.0.1"),
            version: Version::HTTP_11,
            method: Method::GET,
            authority: None,
            path: "/accounts",
            headers: vec![("host", "localhost:8080")],
        }
    }
}

impl Caller {
    fn named(host: &'static str) -> Self {
        Self { headers: vec![("host", host)], ..Self::default() }
    }

    fn with(headers: &[(&'static str, &'static str)]) -> Self {
        let mut caller = Self::default();
        caller.headers.extend(headers);
        caller
    }

    fn meets(&self, access: &Access) -> Admission {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let call = RequestInfo {
            peer: self.peer.map(|peer| peer.parse().unwrap()),
            version: self.version,
            method: &self.method,
            authority: self.authority,
            path: self.path,
            headers: &headers,
        };
        access.admit(&call, Some("younium.internal"))
    }

    fn passes(&self, access: &Access) -> bool {
        self.meets(access) == Admission::Pass
    }

    fn refusal(&self, access: &Access) -> &'static str {
        match self.meets(access) {
            Admission::Refused(rule) => rule,
            Admission::Malformed(why) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_loopback_peers_are_allowed_by_default() {
    for (peer, local) in [
        ("127.0.0.1", true),
        ("127.200.0.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:10.0.0.1", false),
        ("10.0.0.1", false),
        ("0.0.0.0", false),
        ("::", false),
        ("fe80::1", false),
    ] {
        let caller = Caller { peer: Some(peer), ..Caller::default() };
        assert_eq!(caller.passes(&Access::default()), local, "{peer}");
    }
    let pods = Access { peers: vec!["10.0.0.0/8".parse().unwrap()], ..Access::default() };
    assert!(Caller { peer: Some("10.1.2.3"), ..Caller::default() }.passes(&pods));
    assert!(Caller { peer: Some("::ffff:10.1.2.3"), ..Caller::default() }.passes(&pods));
    assert!(Caller::default().refusal(&pods).contains("access.peers"));
}

#[test]
fn methods_and_paths_allow_all_until_they_are_set() {
    let access = Access { methods: vec![Method::GET], paths: ["/accounts/**"].iter().collect(), ..Access::default() };
    assert!(Caller::default().passes(&access));
    assert!(Caller { method: Method::DELETE, ..Caller::default() }.refusal(&access).contains("access.methods"));
    assert!(Caller { path: "/admin", ..Caller::default() }.refusal(&access).contains("access.paths"));
    assert!(Caller { path: "/admin/../x/%zz", ..Caller::default() }.passes(&Access::default()));
}

#[test]
fn override_headers_cannot_name_a_forbidden_path_or_method() {
    let access = Access { paths: ["/accounts/**"].iter().collect(), ..Access::default() };
    for name in ["x-original-url", "x-rewrite-url"] {
        assert!(Caller::with(&[(name, "/admin")]).refusal(&access).contains("another path"), "{name}");
        assert!(Caller::with(&[(name, "/admin")]).passes(&Access::default()), "{name}");
    }
    let access = Access { methods: vec![Method::GET, Method::PUT], ..Access::default() };
    for (name, value, allowed) in [
        ("x-http-method-override", "PUT", true),
        ("x-http-method-override", "put", true),
        ("x-http-method-override", "DELETE", false),
        ("x-http-method", "delete", false),
        ("x-method-override", "DELETE", false),
        ("x-method-override", "a b", false),
    ] {
        assert_eq!(Caller::with(&[(name, value)]).passes(&access), allowed, "{name}: {value}");
        assert!(Caller::with(&[(name, value)]).passes(&Access::default()), "{name}: {value}");
    }
}

#[test]
fn cheap_checks_come_first() {
    let access = Access {
        methods: vec![Method::GET],
        paths: ["/open"].iter().collect(),
        key: Some(Secret::new("k")),
        ..Access::default()
    };
    let mut caller = Caller {
        peer: Some("10.0.0.1"),
        method: Method::PUT,
        path: "/secret",
        headers: vec![("host", "evil.example"), ("origin", "null")],
        ..Caller::default()
    };
    assert!(caller.refusal(&access).contains("peer"));
    caller.peer = Some("127.0.0.1");
    assert!(caller.refusal(&access).contains("Host"));
    caller.headers[0].1 = "localhost";
    assert!(caller.refusal(&access).contains("Origin"));
    caller.headers.pop();
    assert!(caller.refusal(&access).contains("method"));
    caller.method = Method::GET;
    assert!(caller.refusal(&access).contains("X-Bearerd-Key"));
    caller.headers.push(("x-bearerd-key", "k"));
    assert!(caller.refusal(&access).contains("access.paths"));
}

#[test]
fn the_access_key_must_be_sent_exactly_once() {
    let access = Access { key: Some(Secret::new("open sesame")), ..Access::default() };
    assert!(Caller::with(&[("x-bearerd-key", "open sesame")]).passes(&access));
    for (headers, rule) in [
        (&[][..], "missing"),
        (&[("x-bearerd-key", "open")], "wrong"),
        (&[("x-bearerd-key", "")], "wrong"),
        (&[("x-bearerd-key", "open sesame"), ("x-bearerd-key", "open sesame")], "more than one"),
    ] {
        assert!(Caller::with(headers).refusal(&access).contains(rule), "{headers:?}");
    }
}

#[test]
fn on_a_unix_socket_all_rules_but_peer_host_and_browser_apply() {
    let access = Access { methods: vec![Method::GET], key: Some(Secret::new("k")), ..Access::default() };
    let headers = vec![("host", "evil.example"), ("origin", "null"), ("x-bearerd-key", "k")];
    let caller = Caller { peer: None, headers, ..Caller::default() };
    assert!(caller.passes(&access));
    assert!(Caller { method: Method::PUT, ..caller }.refusal(&access).contains("access.methods"));
    assert!(Caller { peer: None, headers: vec![], ..Caller::default() }.refusal(&access).contains("X-Bearerd-Key"));
}
