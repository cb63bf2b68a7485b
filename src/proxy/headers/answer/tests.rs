use super::*;

fn base(url_path: &str) -> Base {
    Base {
        tls: true,
        host: "api.example.com".into(),
        port: 443,
        authority: HeaderValue::from_static("api.example.com"),
        path: url_path.into(),
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
        ("", "/y", "http://api.example.com/x", "http://api.example.com/x"),
        ("", "/y", "next?page=2", "next?page=2"),
    ] {
        let base = base(path);
        let view = View { base: &base, authority: "localhost:8080", mount };
        let mut map = headers(&[("location", sent), ("content-location", sent)]);
        localise(&mut map, &view);
        assert_eq!(map["location"], local, "{path} {mount} {sent}");
        assert_eq!(map["content-location"], local, "{path} {mount} {sent}");
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
        localise(&mut map, &View { base: &base, authority: "localhost", mount });
        assert_eq!(values(&map, "set-cookie"), [local, "second=1"], "{path} {mount} {sent}");
    }
}

#[test]
fn the_upstreams_connection_is_its_own() {
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
    let marks = Marks::of(&map);
    strip(&mut map, marks);
    let mut left: Vec<_> = map.keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["www-authenticate", "x-end"]);
}

#[test]
fn only_bearerd_says_that_an_answer_is_its_own() {
    let mut map = headers(&[
        ("proxy-status", "cdn; error=dns_error; details=\"a, bearerd\", bearerd; error=x"),
        ("proxy-status", "\"Bearerd\"; details=\"\\\"\""),
        ("proxy-status", "bearerd2"),
    ]);
    let marks = Marks::of(&map);
    strip(&mut map, marks);
    assert_eq!(values(&map, "proxy-status"), ["cdn; error=dns_error; details=\"a, bearerd\"", "bearerd2"]);
}
