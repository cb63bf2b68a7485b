//! What callers may not say, as they see it: on either protocol nothing of it reaches the upstream.

use http::Request;

use super::streams;
use super::support::Setting;
use super::wire::*;

/// Both protocols refuse this line beside an ordinary head.
async fn refused(setting: Setting, api: &Api, (name, value): (&str, &str), (status, code): (u16, &str)) {
    let scene = setting.start();
    let said = scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n\r\n")).await;
    assert_eq!((said.status(), said.code().as_str()), (status, code), "{name}: {value}");
    let caller = streams::caller(scene.address).await;
    let request = Request::get("http://localhost/").header(name, value).body(()).unwrap();
    let said = streams::ask(&caller, request).await.unwrap();
    assert_eq!(said.head.status, status, "{name}: {value}");
    assert!(said.body.contains(code), "{}", said.body);
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn what_a_browser_fetches_ahead_is_refused() {
    let api = Api::start(|_| answer(200, "")).await;
    for header in [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")] {
        refused(Setting::to(api.address), &api, header, (403, "guard")).await;
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_malformed_and_never_reflected() {
    let api = Api::start(|said| {
        let location = format!("http://{}/x", said.header("host").unwrap());
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let scene = Setting::to(api.address).start();
    for host in ["evil.com/.localhost", "a b.localhost", "user@localhost", "localhost\u{e9}", "localhost:x", ""] {
        let said = scene.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!((said.status(), said.code().as_str()), (400, "bad-request"), "{host}");
    }
    let said = scene.ask("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(said.status(), 400);
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
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut said).await.unwrap();
    assert!(said.contains("302") && said.contains("Location: http://localhost/x"), "{said}");
}
