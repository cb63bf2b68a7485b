use super::*;
use crate::proxy::settings::Base;

fn base(url_path: &str) -> Base {
    Base {
        tls: true,
        host: "api.example.com".into(),
        port: 443,
        authority: HeaderValue::from_static("api.example.com"),
        path: url_path.into(),
        chosen: false,
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).fold(
        HeaderMap::new(),
        |mut map, (name, value): (http::HeaderName, _)| {
            map.append(name, value);
            map
        },
    )
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_location_inside_the_base_becomes_local() {
    for (path, mount, sent, local) in [
        ("", "", "https://api.example.com/x?y#z", "http://localhost:8080/x?y#z"),
        ("", "", "HTTPS://API.example.com:443/x", "http://localhost:8080/x"),
        ("", "", "//api.example.com/x", "http://localhost:8080/x"),
        ("", "", "https://api.example.com", "http://localhost:8080/"),
        ("", "/y", "https://api.example.com?a", "http://localhost:8080/y?a"),
        ("/v1", "/y", "https://api.example.com/v1/x", "http://localhost:8080/y/x"),
        ("/v1", "/y", "/v1/x", "/y/x"),
        ("", "/y", "/x", "/y/x"),
        ("/v1", "", "/v1", "/"),
        ("", "", "/x", "/x"),
        ("/v1", "/y", "https://api.example.com/v10/x", "https://api.example.com/v10/x"),
        ("/v1", "/y", "https://api.example.com/login", "https://api.example.com/login"),
        ("", "/y", "https://other.example.com/x", "https://other.example.com/x"),
        ("", "/y", "https://api.example.com.evil.example/x", "https://api.example.com.evil.example/x"),
        ("", "/y", "https://api.example.com:444/x", "https://api.example.com:444/x"),
        ("", "/y", "http://api.example.com/x", "http://localhost:8080/y/x"),
        ("", "/y", "http://api.example.com:80/x", "http://localhost:8080/y/x"),
        ("", "/y", "http://api.example.com:443/x", "http://localhost:8080/y/x"),
        ("", "/y", "https://api.example.com:80/x", "https://api.example.com:80/x"),
        ("", "/y", "http://api.example.com:8080/x", "http://api.example.com:8080/x"),
        ("", "/y", "https://api.example.com:/x", "http://localhost:8080/y/x"),
        ("", "/y", "https://api.example.com./x", "http://localhost:8080/y/x"),
        ("", "/y", "https://user@api.example.com/x", "http://localhost:8080/y/x"),
        ("", "/y", "https://api.example.com@evil.example/x", "https://api.example.com@evil.example/x"),
        ("", "/y", "ftp://api.example.com/x", "ftp://api.example.com/x"),
        ("", "/y", "https://[::1]/x", "https://[::1]/x"),
        ("", "/y", "next?page=2", "next?page=2"),
        ("", "/y", "", ""),
    ] {
        let base = base(path);
        let view = CallerView { base: &base, authority: "localhost:8080", mount };
        for name in ["location", "content-location", "operation-location"] {
            let mut map = headers(&[(name, sent), (name, sent)]);
            rewrite_addresses(&mut map, &view);
            assert_eq!(values(&map, name), [local, local], "{name} {path} {mount} {sent}");
        }
    }
}

#[test]
fn a_base_with_an_explicit_port_matches_only_that_port() {
    let base = Base::parse("https://[fd00::1]:8443/v1").unwrap();
    let view = CallerView { base: &base, authority: "localhost:8080", mount: "" };
    for (sent, local) in [
        ("https://[fd00::1]:8443/v1/x", "http://localhost:8080/x"),
        ("http://[FD00::1]:8443/v1/x", "http://localhost:8080/x"),
        ("//[fd00::1]:8443/v1/x", "http://localhost:8080/x"),
        ("https://[fd00::1]/v1/x", "https://[fd00::1]/v1/x"),
        ("https://[fd00::1]:443/v1/x", "https://[fd00::1]:443/v1/x"),
        ("http://[fd00::1]:80/v1/x", "http://[fd00::1]:80/v1/x"),
    ] {
        let mut map = headers(&[("location", sent)]);
        rewrite_addresses(&mut map, &view);
        assert_eq!(map["location"], local, "{sent}");
    }
}

#[test]
fn links_into_the_base_become_local_and_the_rest_is_unchanged() {
    let base = base("/v1");
    let view = CallerView { base: &base, authority: "localhost:8080", mount: "/y" };
    for (sent, local) in [
        (
            "<https://api.example.com/v1/a?page=2,3>; rel=\"next\", <http://api.example.com/v1/a>;rel=last",
            "<http://localhost:8080/y/a?page=2,3>; rel=\"next\", <http://localhost:8080/y/a>;rel=last",
        ),
        ("</v1/style.css>; rel=preload,<next>", "</y/style.css>; rel=preload,<next>"),
        (
            "<https://cdn.example/x>; title=\"a, <https://api.example.com/v1/x>\"; rel=x, , < /v1/b >",
            "<https://cdn.example/x>; title=\"a, <https://api.example.com/v1/x>\"; rel=x, , </y/b>",
        ),
        ("</v1/a>; title=\"\\\", <\", </v1/b>", "</y/a>; title=\"\\\", <\", </y/b>"),
        ("<https://api.example.com/v1/a", "<https://api.example.com/v1/a"),
        ("https://api.example.com/v1/a", "https://api.example.com/v1/a"),
    ] {
        let mut map = headers(&[("link", sent), ("link", "</v1>")]);
        rewrite_addresses(&mut map, &view);
        assert_eq!(values(&map, "link"), [local, "</y>"], "{sent}");
    }
}

#[test]
fn a_refresh_into_the_base_becomes_local() {
    let base = base("");
    let view = CallerView { base: &base, authority: "localhost:8080", mount: "" };
    for (sent, local) in [
        ("5; url=https://api.example.com/x", "5; url=http://localhost:8080/x"),
        ("0;URL = 'http://api.example.com/x' y", "0;URL = 'http://localhost:8080/x' y"),
        ("1.5, \"//api.example.com/x", "1.5, \"http://localhost:8080/x"),
        ("3 https://api.example.com/url=", "3 http://localhost:8080/url="),
        ("; url=https://api.example.com", "; url=http://localhost:8080/"),
        ("5", "5"),
        ("5;", "5;"),
        ("", ""),
        ("5; url=https://other.example/x", "5; url=https://other.example/x"),
        ("5; url=/x", "5; url=/x"),
        ("soon; url", "soon; url"),
    ] {
        let mut map = headers(&[("refresh", sent)]);
        rewrite_addresses(&mut map, &view);
        assert_eq!(map["refresh"], local, "{sent}");
    }
}

#[test]
fn references_with_non_ascii_bytes_become_local() {
    let base = base("/v1");
    let view = CallerView { base: &base, authority: "localhost:8080", mount: "/y" };
    for (name, sent, local) in [
        (
            "location",
            &b"https://api.example.com/v1/D\xe9plac\xc3\xa9"[..],
            &b"http://localhost:8080/y/D\xe9plac\xc3\xa9"[..],
        ),
        ("operation-location", b"/v1/\xff", b"/y/\xff"),
        ("link", b"</v1/\xe9>; title=\"\xe9\"", b"</y/\xe9>; title=\"\xe9\""),
        ("refresh", b"0;url=/v1/\xe9", b"0;url=/y/\xe9"),
        ("set-cookie", b"a=\xe9; Domain=\xff; Secure; Path=/v1/\xe9; X\xe9", b"a=\xe9; Path=/y/\xe9; X\xe9"),
        ("proxy-status", b"bearerd; details=\"\xe9\", cdn\xe9", b"cdn\xe9"),
    ] {
        let mut map = HeaderMap::new();
        map.append(http::HeaderName::from_static(name), HeaderValue::from_bytes(sent).unwrap());
        let known = KnownHeaders::of(&map);
        pass_on(&mut map, known, || view);
        assert_eq!(map[name].as_bytes(), local, "{name}");
    }
}

#[test]
fn a_cookie_keeps_attributes_that_clients_require() {
    for (mount, sent, local) in [
        ("", "__Secure-a=b; Secure; Domain=x", "__Secure-a=b; Secure"),
        ("", "__secure-a=b; Secure", "__secure-a=b; Secure"),
        ("/y", "__Host-a=b; Secure; Path=/; HttpOnly", "__Host-a=b; Secure; Path=/; HttpOnly"),
        ("/y", "__Http-a=b; Secure; Path=/", "__Http-a=b; Secure; Path=/y/"),
        ("", "a=b; SameSite=None; Secure", "a=b; SameSite=None; Secure"),
        ("", "a=b; secure ;samesite = NONE", "a=b; secure ;samesite = NONE"),
        ("", "a=b; Secure; Partitioned", "a=b; Secure; Partitioned"),
        ("", "a=__Host-; Secure; SameSite=Lax", "a=__Host-; SameSite=Lax"),
        ("", "a=SameSite=None; Secure", "a=SameSite=None"),
    ] {
        let base = base("");
        let mut map = headers(&[("set-cookie", sent)]);
        rewrite_addresses(&mut map, &CallerView { base: &base, authority: "localhost", mount });
        assert_eq!(map["set-cookie"], local, "{sent}");
    }
}

#[test]
fn an_invalid_authority_is_never_reflected() {
    let (base, settings) = (base(""), crate::proxy::tests::support::fixture::settings("y"));
    for (host, seen) in [("a.localhost:1", "a.localhost:1"), ("evil.com/.localhost", "door"), ("a b", "door")] {
        let head = http::Request::builder().header("host", host).body(()).unwrap().into_parts().0;
        assert_eq!(CallerView::of(&head, "door", &settings, &base).authority, seen);
    }
}

#[test]
fn a_cookie_loses_domain_and_secure_and_gets_the_local_path() {
    for (path, mount, sent, local) in [
        ("", "", "a=b; Domain=example.com; Path=/; Secure; HttpOnly", "a=b; Path=/; HttpOnly"),
        ("", "", "secure=domain;secure;DOMAIN=x", "secure=domain"),
        ("/v1", "/y", "a=b; Path=/v1/x", "a=b; Path=/y/x"),
        ("/v1", "/y", "a=b; path=/", "a=b; Path=/y"),
        ("", "/y", "a=b; Path=/", "a=b; Path=/y/"),
        ("/v1", "", "a=b; Path=/v1", "a=b; Path=/"),
        ("", "", "a=\"x; y\"", "a=\"x; y\""),
    ] {
        let base = base(path);
        let mut map = headers(&[("set-cookie", sent), ("set-cookie", "second=1; Secure")]);
        rewrite_addresses(&mut map, &CallerView { base: &base, authority: "localhost", mount });
        assert_eq!(values(&map, "set-cookie"), [local, "second=1"], "{path} {mount} {sent}");
    }
}

#[test]
fn hop_by_hop_headers_are_removed() {
    let mut map = headers(&[
        ("connection", "close, X-Hop"),
        ("connection", "x-hop-2"),
        ("x-hop", "1"),
        ("x-hop-2", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("proxy-authenticate", "Basic"),
        ("x-end", "1"),
        ("www-authenticate", "Bearer"),
    ]);
    let known = KnownHeaders::of(&map);
    strip(&mut map, known);
    let mut left: Vec<_> = map.keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["www-authenticate", "x-end"]);
}

#[test]
fn only_bearerd_may_claim_a_response_in_proxy_status() {
    let mut map = headers(&[
        ("proxy-status", "cdn; error=dns_error; details=\"a, bearerd\", bearerd; error=x"),
        ("proxy-status", "\"Bearerd\"; details=\"\\\"\""),
        ("proxy-status", "bearerd2"),
    ]);
    let known = KnownHeaders::of(&map);
    strip(&mut map, known);
    assert_eq!(values(&map, "proxy-status"), ["cdn; error=dns_error; details=\"a, bearerd\"", "bearerd2"]);
}
