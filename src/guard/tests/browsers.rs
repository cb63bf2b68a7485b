use super::*;

#[test]
fn pages_of_other_sites_are_refused() {
    for (headers, allowed) in [
        (&[("sec-fetch-site", "none")][..], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "")], false),
        (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], false),
        (&[("origin", "http://localhost:8080")], true),
        (&[("origin", "http://LOCALHOST:8080")], true),
        (&[("origin", "http://localhost:8080"), ("sec-fetch-site", "cross-site")], false),
        (&[("origin", "http://localhost:3000")], false),
        (&[("origin", "http://localhost")], false),
        (&[("origin", "https://localhost:8080")], false),
        (&[("origin", "http://127.0.0.1:8080")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
        (&[("origin", "null")], false),
        (&[("origin", "")], false),
        (&[("origin", "http://localhost:8080"), ("origin", "http://localhost:8080")], false),
        (&[("origin", "https://evil.example"), ("upgrade", "websocket"), ("connection", "upgrade")], false),
    ] {
        assert_eq!(Caller::with(headers).passes(&Access::default()), allowed, "{headers:?}");
    }
}

#[test]
fn the_own_origin_includes_the_default_port() {
    let at = |host, origin| Caller { headers: vec![("host", host), ("origin", origin)], ..Caller::default() };
    assert!(at("localhost", "http://localhost").passes(&Access::default()));
    assert!(at("localhost:80", "http://localhost").passes(&Access::default()));
    assert!(at("[::1]:80", "http://[::1]").passes(&Access::default()));
    assert!(!at("localhost", "http://localhost:8080").passes(&Access::default()));
    let nobody = Caller { version: Version::HTTP_10, headers: vec![("origin", "http://")], ..Caller::default() };
    assert!(!nobody.passes(&Access::default()));
}

fn shared() -> Access {
    Access { origins: vec!["https://app.example".to_owned()], ..Access::default() }
}

#[test]
fn an_allowed_origin_may_read_the_response() {
    let caller = Caller::with(&[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]);
    assert_eq!(caller.meets(&shared()), Admission::PassTo(HeaderValue::from_static("https://app.example")));
    for other in
        ["null", "https://app.example.evil", "http://app.example", "https://app.example:444", "https://app.exampl"]
    {
        assert!(matches!(Caller::with(&[("origin", other)]).meets(&shared()), Admission::Refused(_)), "{other}");
    }
    let null = Access { origins: vec!["null".to_owned()], ..Access::default() };
    let sandboxed = Caller::with(&[("origin", "null")]);
    assert_eq!(sandboxed.meets(&null), Admission::PassTo(HeaderValue::from_static("null")));
    assert!(!Caller::with(&[("sec-fetch-site", "cross-site")]).passes(&shared()), "no Origin, no exception");
}

#[test]
fn speculative_requests_of_browsers_are_refused_regardless_of_other_headers() {
    for name in ["sec-purpose", "purpose", "x-purpose", "x-moz", "sec-speculation-tags"] {
        for value in ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip", ""] {
            let none = [(name, value), ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")];
            assert!(Caller::with(&none).refusal(&shared()).contains("speculative request"), "{name}: {value}");
            let own = [(name, value), ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8080")];
            assert!(Caller::with(&own).refusal(&shared()).contains("speculative request"), "{name}: {value}");
            let listed = [(name, value), ("origin", "https://app.example")];
            assert!(Caller::with(&listed).refusal(&shared()).contains("speculative request"), "{name}: {value}");
            let socket = Caller { peer: None, ..Caller::with(&none) };
            assert!(socket.passes(&shared()), "a socket file has no browser rule");
        }
    }
}

#[test]
fn null_is_an_origin_only_if_listed_literally() {
    for (entry, origin, passes) in
        [("null", "null", true), ("NULL", "null", false), ("null", "NULL", false), ("*", "null", false)]
    {
        let access = Access { origins: vec![entry.to_owned()], ..Access::default() };
        let admission = Caller::with(&[("origin", origin)]).meets(&access);
        assert_eq!(matches!(admission, Admission::PassTo(_)), passes, "{entry} {origin}");
    }
}

fn preflight(origin: &'static str, method: &'static str) -> Caller {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "content-type,x-bearerd-key"),
    ];
    Caller { method: Method::OPTIONS, ..Caller::with(&headers) }
}

#[test]
fn a_preflight_from_an_allowed_origin_needs_no_key() {
    let access = Access { key: Some(Secret::new("k")), methods: vec![Method::PUT], ..shared() };
    let Admission::Preflight(headers) = preflight("https://app.example", "PUT").meets(&access) else { panic!() };
    assert_eq!(headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(headers["access-control-allow-methods"], "PUT");
    assert_eq!(headers["access-control-allow-headers"], "content-type,x-bearerd-key");
    assert_eq!(headers["access-control-max-age"], "600");
    assert!(headers["vary"].to_str().unwrap().starts_with("origin, "));
    assert!(!headers.contains_key("access-control-allow-credentials"));
    assert!(preflight("https://app.example", "DELETE").refusal(&access).contains("access.methods"));
    assert!(preflight("https://evil.example", "PUT").refusal(&access).contains("access.origins"));
}

#[test]
fn options_that_is_no_preflight_of_a_foreign_page_is_an_ordinary_call() {
    assert!(preflight("http://localhost:8080", "PUT").passes(&shared()));
    let plain = Caller { method: Method::OPTIONS, ..Caller::with(&[("origin", "https://app.example")]) };
    assert!(matches!(plain.meets(&shared()), Admission::PassTo(_)));
    let forbidden = Access { paths: ["/open/**"].iter().collect(), ..shared() };
    assert!(preflight("https://app.example", "PUT").refusal(&forbidden).contains("access.paths"));
}

#[test]
fn sharing_an_answer_replaces_what_the_upstream_allows() {
    let mut headers = HeaderMap::new();
    headers.append("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.append("access-control-allow-origin", HeaderValue::from_static("https://evil.example"));
    headers.append("access-control-allow-credentials", HeaderValue::from_static("true"));
    headers.append("vary", HeaderValue::from_static("accept-encoding"));
    share(&mut headers, HeaderValue::from_static("https://app.example"));
    let allowed: Vec<_> = headers.get_all("access-control-allow-origin").iter().collect();
    assert_eq!(allowed, ["https://app.example"]);
    assert!(!headers.contains_key("access-control-allow-credentials"));
    assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["accept-encoding", "origin"]);
}
