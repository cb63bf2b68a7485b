//! What the upstream sees of a request, and the caller of its response.

use super::scene::Setting;
use super::streams;
use super::wire::*;
use crate::proxy::settings::Base;
use crate::token::patch::CasedName;

#[tokio::test]
async fn a_request_without_credentials_reaches_the_api_with_a_token() {
    let api = Api::start(|_| response_with(200, "hello")).await;
    let scene = Setting::to(api.address).start();
    let response = scene
        .ask("GET /a%2Fb?q=%20+x HTTP/1.1\r\nHost: localhost\r\nX-CamelCase: 1\r\nAuthorization: Basic evil\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n")
        .await;
    assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
    assert_eq!(response.header("proxy-status"), None);
    let seen = api.last();
    assert_eq!(seen.line, "GET /a%2Fb?q=%20+x HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some("Bearer g1"));
    assert_eq!(seen.header("host"), Some(api.address.to_string().as_str()));
    assert!(!seen.headers.contains_key("x-hop") && !seen.headers.contains_key("connection"));
    eventually("the request is in the record", || scene.record.counts().iter().any(|count| count.count == 1)).await;
}

#[tokio::test]
async fn header_names_are_title_case_or_as_configured() {
    let (api, address) = ManualApi::start().await;
    let mut setting = Setting::to(address);
    let set = |written: &str| (CasedName::new(written.parse().unwrap(), written), "1".parse().unwrap());
    setting.upstream.headers = vec![set("X-API-key"), set("X-Other"), set("x_odd")];
    let scene = setting.start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nhost: localhost\r\nX-CamelCase: 1\r\nsoapAction: 1\r\nx-api-KEY: 2\r\n\r\n").await;
    let mut there = api.accept().await;
    let raw = there.message(true).await.unwrap().raw;
    for line in
        ["Host: ", "X-Camelcase: 1", "SOAPAction: 1", "Authorization: B", "X-API-key: 1", "X-Other: 1", "x_odd: 1"]
    {
        assert!(raw.contains(&format!("\r\n{line}")), "{line} of {raw}");
    }
    assert_eq!(raw.to_lowercase().matches("x-api-key").count(), 1);
    there.send("HTTP/1.1 204 No Content\r\nETag: 2\r\n\r\n").await;
    let response = caller.response().await;
    assert!(response.raw.contains("Etag: 2"), "{}", response.raw);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let api = Api::start(|request| response_with(200, request.target())).await;
    let scene = Setting::to(api.address).start();
    let mut caller = scene.caller().await;
    for number in 0..50 {
        caller.send(format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!(caller.response().await.text(), format!("/{number}"));
    }
    assert_eq!(api.connections(), 1);
}

#[tokio::test]
async fn the_base_path_is_kept_and_cannot_be_escaped() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.upstream.base = Some(Base::parse(&format!("http://{}/v1/", api.address)).unwrap());
    setting.upstream.matches.path = "/y".into();
    let scene = setting.start();
    assert_eq!(scene.get("/y/a?b").await.status(), 200);
    assert_eq!(api.last().target(), "/v1/a?b");
    assert_eq!(scene.get("http://localhost/y//a").await.status(), 200);
    assert_eq!(api.last().target(), "/v1//a");
    for target in ["/y/../a", "/y/%2e%2E/a", "/y/.%2e", "/y/a/..%2f..%2f"] {
        let response = scene.get(target).await;
        assert_eq!((response.status(), response.code().as_str()), (400, "bad-request"), "{target}");
    }
    assert_eq!(scene.get("/x").await.code(), "no-route");
    assert_eq!(api.seen().len(), 2);
}

#[tokio::test]
async fn the_host_is_the_upstreams_regardless_of_the_target() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    let response = scene.ask("GET http://localhost/x HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((response.status(), api.last().target()), (200, "/x"));
    let response = scene.ask("GET http://evil.example/x HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert_eq!((response.status(), response.code().as_str()), (403, "guard"));
    let response = scene.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((response.status(), api.last().target()), (200, "*"));
    let response = scene.ask("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n").await;
    assert_eq!((response.status(), response.code().as_str()), (501, "unsupported"));
}

#[tokio::test]
async fn trace_never_shows_the_token_to_the_caller() {
    let api = Api::start(|incoming| response_with(200, &incoming.raw)).await;
    let scene = Setting::to(api.address).start();
    for more in ["", "Max-Forwards: 0\r\n", "Max-Forwards: 5\r\n", "Content-Type: application/grpc\r\n"] {
        let response = scene.ask(format!("TRACE /x HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")).await;
        assert_eq!((response.status(), response.code().as_str()), (501, "unsupported"), "{more}");
    }
    let caller = streams::caller(scene.address).await;
    let request = http::Request::builder().method("TRACE").uri("http://localhost/x").body(()).unwrap();
    assert_eq!(streams::ask(&caller, request).await.unwrap().head.status, 501);
    assert!(api.seen().is_empty());
    // Methods are case-sensitive (RFC 9110 §9.1).
    assert_eq!(scene.ask("trace /x HTTP/1.1\r\nHost: localhost\r\n\r\n").await.status(), 200);
}

#[tokio::test]
async fn options_goes_no_further_than_it_may() {
    let api = Api::start(|incoming| response_with(200, incoming.header("max-forwards").unwrap_or("none"))).await;
    let scene = Setting::to(api.address).start();
    let mut caller = scene.caller().await;
    for (target, more, status, told) in [
        ("*", "Max-Forwards: 0", 204, ""),
        ("/x", "Max-Forwards: 0", 204, ""),
        ("/x", "Max-Forwards: 3", 200, "2"),
        ("*", "X: 1", 200, "none"),
    ] {
        caller.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n\r\n")).await;
        let response = caller.response().await;
        assert_eq!((response.status(), response.text().as_str()), (status, told), "{target} {more}");
        assert_eq!(response.header("proxy-status"), None);
    }
    assert_eq!(api.seen().len(), 2);
}

#[tokio::test]
async fn a_request_with_two_framings_never_reaches_the_api_with_both() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    for head in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"] {
        let mut caller = scene.caller().await;
        caller
            .send(format!("POST /a HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        assert!(matches!(caller.response().await.status(), 200 | 400));
        assert!(caller.is_closed().await);
    }
    for head in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "X-Folded: a\r\n b",
        "X Space: 1",
        "X-Colon : 1",
    ] {
        let response = scene.ask(format!("POST /bad HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n")).await;
        assert_eq!(response.status(), 400, "{head}");
    }
    let targets: Vec<_> = api.seen().iter().map(|request| request.target().to_owned()).collect();
    assert!(targets.iter().all(|target| target == "/a"), "{targets:?}");
    assert!(
        api.seen().iter().all(|request| !request.headers.contains_key("content-length") || request.body.is_empty())
    );
}

#[tokio::test]
async fn redirects_and_cookies_are_rewritten_for_the_caller() {
    let api = Api::start(|request| {
        let host = request.header("host").unwrap();
        format!("HTTP/1.1 302 Found\r\nLocation: http://{host}/v1/next?a\r\nSet-Cookie: s=1; Domain=x; Path=/v1; Secure\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let mut setting = Setting::to(api.address);
    setting.upstream.base = Some(Base::parse(&format!("http://{}/v1", api.address)).unwrap());
    setting.upstream.matches.path = "/y".into();
    let scene = setting.start();
    let response = scene.ask("GET /y/a HTTP/1.1\r\nHost: localhost:1234\r\n\r\n").await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.header("location"), Some("http://localhost:1234/y/next?a"));
    assert_eq!(response.header("set-cookie"), Some("s=1; Path=/y"));
    assert_eq!(api.seen().len(), 1);
}

#[tokio::test]
async fn a_response_without_a_body_keeps_its_headers() {
    let api = Api::start(|request| match request.target() {
        "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_owned(),
    })
    .await;
    let scene = Setting::to(api.address).start();
    let mut caller = scene.caller().await;
    for (method, target, status, length) in [("HEAD", "/", 200, Some("1234")), ("GET", "/304", 304, None)] {
        caller.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = caller.head().await.unwrap();
        assert_eq!((head.status(), head.header("content-length")), (status, length), "{method}");
    }
    assert_eq!(api.connections(), 1);
}

#[tokio::test]
async fn an_http_1_0_caller_is_served() {
    let api =
        Api::start(|_| "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned()).await;
    let scene = Setting::to(api.address).start();
    let response = scene.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((response.status(), response.text().as_str()), (200, "abc"));
    assert_eq!(response.header("transfer-encoding"), None);
    assert!(api.last().line.ends_with("HTTP/1.1"));
}
