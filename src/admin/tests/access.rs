use super::*;

const FOREIGN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
const GUARDED: [(Method, &str); 5] = [
    (Method::GET, "/status"),
    (Method::POST, "/refresh?upstream=younium"),
    (Method::POST, "/reload"),
    (Method::POST, "/quit"),
    (Method::GET, "/nothing"),
];

#[tokio::test(start_paused = true)]
async fn probes_and_metrics_have_no_access_rules() {
    let stage = Stage::new();
    for path in ["/livez", "/healthz", "/startupz", "/readyz", "/metrics"] {
        let mut request = request(Method::GET, path, FOREIGN);
        request.headers_mut().insert("host", "10.0.0.9:9090".parse().unwrap());
        request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        assert_eq!(stage.send(request).await.status, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_guarded() {
    for (method, path) in GUARDED {
        let stage = Stage::with(|admin| admin.quit = true);
        let foreign = request(method.clone(), path, FOREIGN);
        let mut rebound = request(method.clone(), path, LOCAL);
        rebound.headers_mut().insert("host", "evil.example".parse().unwrap());
        let mut page = request(method.clone(), path, LOCAL);
        page.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        let mut nowhere = request(method, path, LOCAL);
        nowhere.extensions_mut().remove::<Peer>();
        for request in [foreign, rebound, page, nowhere] {
            assert_eq!(stage.send(request).await.code(), (403, "guard".to_owned()), "{path}");
        }
        assert!(stage.tokens.asked.lock().unwrap().is_empty() && stage.commands.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn speculative_requests_of_browsers_are_refused() {
    let stage = Stage::with(|admin| admin.access.origins.push("https://ops.example".to_owned()));
    for (name, value) in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")] {
        let mut ahead = request(Method::GET, "/status", LOCAL);
        ahead.headers_mut().insert("sec-fetch-site", "none".parse().unwrap());
        ahead.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(stage.send(ahead).await.code(), (403, "guard".to_owned()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_names_no_host_is_malformed() {
    let stage = Stage::new();
    for host in ["evil.com/.localhost", "a b.localhost", "user@localhost", ""] {
        let mut malformed = request(Method::GET, "/status", LOCAL);
        malformed.headers_mut().insert("host", host.parse().unwrap());
        assert_eq!(stage.send(malformed).await.code(), (400, "bad-request".to_owned()), "{host}");
    }
    let mut two = request(Method::GET, "/status", LOCAL);
    two.headers_mut().append("host", "localhost:9090".parse().unwrap());
    assert_eq!(stage.send(two).await.code(), (400, "bad-request".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_allowed_origin_may_ask_and_read() {
    let stage = Stage::with(|admin| admin.access.origins.push("https://ops.example".to_owned()));
    let mut ask = request(Method::OPTIONS, "/status", LOCAL);
    ask.headers_mut().insert("origin", "https://ops.example".parse().unwrap());
    ask.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
    let answer = stage.send(ask).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["access-control-allow-methods"]),
        (204, &"GET".parse().unwrap())
    );
    let mut read = request(Method::GET, "/status", LOCAL);
    read.headers_mut().insert("origin", "https://ops.example".parse().unwrap());
    let answer = stage.send(read).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://ops.example");
}

#[tokio::test(start_paused = true)]
async fn a_unix_socket_has_no_peer_and_no_host() {
    let stage = Stage::new();
    let request = Request::get("/status").extension(Peer(None)).body(Body::empty()).unwrap();
    assert_eq!(stage.send(request).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_kept() {
    let stage = Stage::new();
    for path in ["/livez", "/status", "/nothing"] {
        assert_eq!(stage.get(path).await.headers["cache-control"], "no-store");
    }
}
