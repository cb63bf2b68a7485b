//! Requests that are refused or rewritten for security, over both protocols.

use http::Request;

use super::scene::Setting;
use super::streams;
use super::wire::*;

/// Sends this header over both protocols, and expects both to refuse it.
async fn refused(setting: Setting, api: &Api, (name, value): (&str, &str), (status, code): (u16, &str)) {
    let scene = setting.start();
    let response = scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n\r\n")).await;
    assert_eq!((response.status(), response.code().as_str()), (status, code), "{name}: {value}");
    let caller = streams::caller(scene.address).await;
    let request = Request::get("http://localhost/").header(name, value).body(()).unwrap();
    let response = streams::ask(&caller, request).await.unwrap();
    assert_eq!(response.head.status, status, "{name}: {value}");
    assert!(response.body.contains(code), "{}", response.body);
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn browser_prefetches_are_refused() {
    let api = Api::start(|_| response_with(200, "")).await;
    for header in [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")] {
        refused(Setting::to(api.address), &api, header, (403, "guard")).await;
    }
}

#[tokio::test]
async fn an_invalid_host_is_refused_and_never_reflected() {
    let api = Api::start(|request| {
        let location = format!("http://{}/x", request.header("host").unwrap());
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let scene = Setting::to(api.address).start();
    for host in ["evil.com/.localhost", "a b.localhost", "user@localhost", "localhost\u{e9}", "localhost:x", ""] {
        let response = scene.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!((response.status(), response.code().as_str()), (400, "bad-request"), "{host}");
    }
    let response = scene.ask("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(response.status(), 400);
    assert_eq!(scene.ask("GET / HTTP/1.1\r\n\r\n").await.status(), 400);
    assert!(api.seen().is_empty());

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut setting = Setting::to(api.address);
    setting.upstream.listen = crate::proxy::settings::Listen::Unix(path.clone(), 0o600);
    let _scene = setting.start();
    let mut socket = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: evil.com/.localhost\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut socket, request).await.unwrap();
    let mut response = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut response).await.unwrap();
    assert!(response.contains("302") && response.contains("Location: http://localhost/x"), "{response}");
}

#[tokio::test]
async fn no_path_bypasses_a_list_and_paths_are_forwarded_unchanged() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.upstream.access.paths = ["/public/**"].iter().collect();
    setting.upstream.access.dot_segments = true;
    let scene = setting.start();
    for target in ["/public/..;/admin", "/public/%2e%2e;/admin", "/public/../admin", "/public/%252e%252e/x", "//admin"]
    {
        let response = scene.get(target).await;
        assert_eq!((response.status(), response.code().as_str()), (403, "guard"), "{target}");
    }
    assert!(api.seen().is_empty());
    for target in ["/public/a;v=1//b%2Fc%5C?x=..;/", "/public/%2520e", "/%70ublic/"] {
        assert_eq!((scene.get(target).await.status(), api.last().target()), (200, target));
    }
}

#[tokio::test]
async fn the_only_transfer_coding_is_a_single_chunked() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked;x=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
    ] {
        let response = scene.ask(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n0\r\n\r\n")).await;
        assert_eq!(response.status(), 400, "{lines}");
        // Nobody can tell where the next request begins, whichever layer refuses this one.
        assert_eq!(response.header("connection"), Some("close"), "{lines}");
        let foreign = format!("POST / HTTP/1.1\r\nHost: evil.example\r\n{lines}\r\n\r\n0\r\n\r\n");
        assert_eq!(scene.ask(foreign).await.header("connection"), Some("close"), "{lines}");
    }
    assert!(api.seen().is_empty());
    let response =
        scene.ask("POST / HTTP/1.1\r\nHost: localhost\r\ntransfer-encoding: Chunked \r\n\r\n0\r\n\r\n").await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn aliases_of_our_headers_reach_the_api_neither_as_headers_nor_as_trailers() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.upstream.headers = vec![(http::HeaderName::from_static("legal-entity").into(), "ours".parse().unwrap())];
    let scene = setting.start();
    let theirs = "Legal_Entity: theirs\r\nX_Forwarded_For: 1.2.3.4\r\nContent_Length: 7\r\nX_Custom: 1\r\n";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: x_custom\r\n{theirs}\r\n1\r\na\r\n0\r\n{theirs}\r\n"
    );
    assert_eq!(scene.ask(request).await.status(), 200);
    let seen = api.last();
    assert_eq!((seen.header("legal-entity"), seen.header("x_custom")), (Some("ours"), Some("1")));
    let request = seen.raw.to_lowercase() + &seen.trailers.to_lowercase();
    assert!(!["theirs", "1.2.3.4", "content_length"].iter().any(|theirs| request.contains(theirs)), "{request}");
}

/// The status of the first stream of an HTTP/2 connection, or `None` if the stream was reset.
async fn first_status(scene: &super::scene::Scene, lines: &[(&str, &str)]) -> Option<u16> {
    let mut block = Vec::new();
    for text in lines.iter().flat_map(|(name, value)| [("\0", *name), ("", *value)]) {
        block.extend_from_slice(text.0.as_bytes());
        block.push(u8::try_from(text.1.len()).unwrap());
        block.extend_from_slice(text.1.as_bytes());
    }
    let mut caller = scene.caller().await;
    caller.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let length = u8::try_from(block.len()).unwrap();
    caller.send([&[0, 0, length, 1, 5, 0, 0, 0, 1], &*block].concat()).await;
    loop {
        let head = caller.exactly(9).await?;
        let payload = caller.exactly(usize::from(head[1]) << 8 | usize::from(head[2])).await?;
        match head[3] {
            // The indexed statuses of RFC 7541, appendix A.
            1 => {
                return Some(match payload[0] {
                    0x88 => 200,
                    0x8c => 400,
                    other => other.into(),
                });
            }
            3 | 7 => return None,
            _ => {}
        }
    }
}

#[tokio::test]
async fn malformed_requests_of_http_2_are_refused() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    let (method, scheme) = ((":method", "GET"), (":scheme", "http"));
    let (path, authority) = ((":path", "/"), (":authority", "localhost"));
    for lines in [
        vec![method, (":scheme", ""), path, authority],
        vec![method, path, authority],
        vec![method, scheme, (":path", ""), authority],
        vec![method, scheme, authority],
        vec![method, scheme, (":path", "x"), authority],
        vec![method, scheme, (":path", "*"), authority],
        vec![method, scheme, (":path", "/\\..\\"), authority],
        vec![method, scheme, path, path, authority],
        vec![(":method", ""), scheme, path, authority],
        vec![scheme, path, authority],
        vec![method, method, scheme, path, authority],
        vec![method, scheme, path, (":authority", "")],
        vec![method, scheme, path, (":authority", "user@localhost")],
        vec![method, scheme, path],
        vec![method, scheme, path, authority, ("host", "a b.localhost")],
        vec![method, scheme, path, authority, (":status", "200")],
        vec![method, scheme, path, authority, (":protocol", "websocket")],
        vec![method, scheme, path, authority, (":other", "x")],
        vec![method, scheme, path, authority, ("accept", "*/*"), path],
        vec![method, scheme, authority, ("accept", "*/*"), path],
        vec![method, scheme, path, authority, ("connection", "close")],
        vec![method, scheme, path, authority, ("transfer-encoding", "chunked")],
        vec![method, scheme, path, authority, ("te", "gzip")],
        vec![method, scheme, path, authority, ("Accept", "*/*")],
        vec![method, scheme, path, authority, ("content-length", "5")],
        vec![method, scheme, path, authority, ("content-length", "0"), ("content-length", "5")],
        vec![method, scheme, path, authority, ("content-length", "0"), ("content-length", "+0")],
        vec![method, scheme, path, authority, ("content-length", "0, 0")],
    ] {
        assert!(matches!(first_status(&scene, &lines).await, None | Some(400)), "{lines:?}");
    }
    assert!(api.seen().is_empty());
    let two = [method, scheme, path, authority, ("content-length", "0"), ("content-length", "0")];
    assert_eq!(first_status(&scene, &two).await, Some(200));
    assert_eq!(api.last().headers.get_all("content-length").iter().count(), 1);
    let odd = [method, (":scheme", "coap"), path, authority];
    assert_eq!(first_status(&scene, &odd).await, Some(200), "a gateway's scheme is its own business (RFC 9113 §8.3.1)");
}
