//! Replies as real servers send them, byte for byte.

use std::io::Write;

use super::*;

/// The result of a login whose endpoint sends these bytes.
async fn minted(bytes: impl Into<Vec<u8>>) -> Result<Grant, String> {
    let endpoint = Endpoint::start([bytes]).await;
    let source = source(&flow(&format!("token = {{ url = \"{}\" }}", endpoint.url), &[]));
    let url = format!("POST {}/: ", endpoint.url);
    source.mint(login()).await.map_err(|error| error.message.replace(&url, ""))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

const TOKEN: &[u8] = br#"{"access_token":"t","expires_in":60}"#;

#[tokio::test]
async fn every_reply_that_curl_accepts_is_accepted() {
    let lines: String = (0..500).map(|number| format!("\r\nx-{number}: y")).collect();
    for (what, bytes) in [
        ("no reason", with_body("HTTP/1.1 200", TOKEN)),
        ("an empty reason", with_body("HTTP/1.1 200 ", TOKEN)),
        ("a reason in Latin-1", [b"HTTP/1.1 200 D\xe9j\xe0\r\n\r\n", TOKEN].concat()),
        ("HTTP/1.0", [b"HTTP/1.0 200 OK\r\n\r\n", TOKEN].concat()),
        ("another success", with_body("HTTP/1.1 201 Created", TOKEN)),
        ("500 lines", with_body(&format!("HTTP/1.1 200 OK{lines}"), TOKEN)),
        ("a space before a colon", with_body("HTTP/1.1 200 OK\r\nX-A : 1", TOKEN)),
        ("a folded line", with_body("HTTP/1.1 200 OK\r\nx-a: 1\r\n 2", TOKEN)),
        ("a line that is none", with_body("HTTP/1.1 200 OK\r\nx a\r\n(: 1", TOKEN)),
        ("its length twice", with_body("HTTP/1.1 200 OK\r\ncontent-length: 36", TOKEN)),
        ("bytes in a header", [b"HTTP/1.1 200 OK\r\nx-a: \xff\xe9\r\ncontent-length: 36\r\n\r\n", TOKEN].concat()),
        ("an interim response", [b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", TOKEN].concat()),
        ("gzip", with_body("HTTP/1.1 200 OK\r\ncontent-encoding: gzip", &gzip(TOKEN))),
        ("gzip without a word", with_body("HTTP/1.1 200 OK", &gzip(TOKEN))),
        ("text", with_body("HTTP/1.1 200 OK\r\ncontent-type: text/html", TOKEN)),
        ("a byte order mark", with_body("HTTP/1.1 200 OK", &[b"\xef\xbb\xbf", TOKEN].concat())),
    ] {
        let grant = minted(bytes).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((grant.access.expose(), grant.length()), ("t", Some(Duration::from_secs(60))), "{what}");
    }
}

#[tokio::test]
async fn a_login_succeeds_regardless_of_other_content_in_the_reply() {
    for (rest, life) in [
        (r#""expires_in":1e400"#, Some(3_153_600_000)),
        (r#""expires_in":-1e400"#, None),
        (r#""expires_in":123456789012345678901234567890"#, Some(3_153_600_000)),
        (r#""expires_in":"""#, None),
        (r#""expires_in":" ""#, None),
        (r#""expires_in":-5"#, None),
        (r#""expires_in":0"#, None),
        (r#""expires_in":true"#, None),
        (r#""expires_in":[60]"#, None),
        (r#""expires_in":{"seconds":60}"#, None),
        (r#""expires_in":"60 ""#, Some(60)),
        (r#""expires_at":1e400"#, None),
        (r#""expires_at":-1e400,"refresh_in":1e400"#, None),
        ("\"name\":\"\u{0}\u{1}\"", None),
        (r#""lone":"\ud800""#, None),
        (r#""refresh_token":{"a":1}"#, None),
    ] {
        let minted = minted(with_body("HTTP/1.1 200 OK", format!(r#"{{"access_token":"t",{rest}}}"#).as_bytes())).await;
        match minted {
            Ok(grant) => assert_eq!(grant.length().map(|life| life.as_secs()), life, "{rest}"),
            // Invalid JSON (RFC 8259), which cannot be repaired.
            Err(_) => assert!(rest.contains(['\u{0}', 'l']), "{rest}"),
        }
    }
    let latin1 = b"{\"access_token\":\"t\",\"company\":\"Soci\xe9t\xe9\",\"expires_in\":60}";
    assert_eq!(minted(with_body("HTTP/1.1 200 OK", latin1)).await.unwrap().length(), Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_reply_without_a_token_is_described_without_possible_tokens() {
    for (head, body, expected) in [
        (
            "",
            "<html><title>Sign in</title>",
            "no token at /access_token: the reply is HTML or XML, not JSON: `Sign in`",
        ),
        (
            "",
            "access_token=canary&token_type=bearer",
            "no token at /access_token: the reply is form-encoded, not JSON, with `access_token`, `token_type`",
        ),
        (
            "",
            "{\"access_token\":\"canary",
            "no token at /access_token: the reply is incomplete or invalid JSON: `{\"access_token\":\"…\"`",
        ),
        ("", "", "no token at /access_token: the reply is empty"),
        (
            "\r\ncontent-encoding: br",
            "canary",
            "no token at /access_token: the reply is encoded with `br`, which is not supported",
        ),
        ("", r#"{"access_token":true}"#, "the token at /access_token is `true` or `false`, not text"),
        ("", r#"{"access_token":{"canary":1}}"#, "the token at /access_token is an object, not text"),
        ("", r#"{"access_token":["canary"]}"#, "the token at /access_token is a list, not text"),
        ("", r#"{"access_token":" \n"}"#, "the token at /access_token is blank"),
        ("", r#"{"access_token":"can\r\nary"}"#, "the token at /access_token contains a line end"),
        ("", r#"{"access_token":"canary\u0000"}"#, "the token at /access_token contains a control character"),
        ("", "{\"access_token\":\"canary\u{fffd}\"}", "the token at /access_token is not UTF-8 text"),
    ] {
        let error = minted(with_body(&format!("HTTP/1.1 200 OK{head}"), body.as_bytes())).await.unwrap_err();
        assert_eq!(error, format!("200 OK, but {expected}"), "{body}");
    }
}

#[tokio::test]
async fn a_token_that_is_invalid_in_a_header_is_an_error() {
    let huge = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(1_000_000));
    let error = minted(with_body("HTTP/1.1 200 OK", huge.as_bytes())).await.unwrap_err();
    assert_eq!(error, "200 OK, but the token at /access_token has 1000000 bytes, which is too long for a header");
    let latin1 = minted(with_body("HTTP/1.1 200 OK", b"{\"access_token\":\"can\xe9\"}")).await.unwrap_err();
    assert_eq!(latin1, "200 OK, but the token at /access_token is not UTF-8 text");
}

#[tokio::test]
async fn a_token_is_trimmed_and_a_number_is_text() {
    for (json, token) in [
        (r#""T\n""#, "T"),
        (r#""T\r\n""#, "T"),
        (r#""\t T \u00a0""#, "T"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.50", "1.50"),
        ("7", "7"),
        (r#""a b\t\u00e9""#, "a b\té"),
    ] {
        let body = format!(r#"{{"access_token":{json},"refresh_token":"r\n"}}"#);
        let grant = minted(with_body("HTTP/1.1 200 OK", body.as_bytes())).await.unwrap();
        assert_eq!(grant.access.expose(), token, "{json}");
    }
}

#[tokio::test]
async fn a_refusal_counts_regardless_of_its_body() {
    let cut = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let large = with_body("HTTP/1.1 401 Unauthorized", &vec![b'x'; 2 << 20]);
    let packed = with_body("HTTP/1.1 401 Unauthorized\r\ncontent-encoding: br", b"\x01\x02");
    let broken = with_body("HTTP/1.1 401 Unauthorized\r\ncontent-encoding: gzip", b"\x1f\x8b\x08\x00");
    for bytes in [cut, large, packed, broken] {
        let endpoint = Endpoint::start([bytes]).await;
        let source = source(&flow(&format!("token = {{ url = \"{}\" }}", endpoint.url), &[]));
        let error = source.mint(login()).await.unwrap_err();
        assert_eq!((error.outcome, error.grant_is_dead), (Outcome::Rejected, true), "{}", error.message);
    }
    let body = gzip(br#"{"error":"invalid_client","error_description":"Bad credentials"}"#);
    let minted = minted(with_body("HTTP/1.1 401 Unauthorized\r\ncontent-encoding: gzip", &body)).await;
    assert_eq!(minted.unwrap_err(), "401 Unauthorized: Bad credentials");
}

#[tokio::test]
async fn a_token_that_cannot_be_injected_is_an_error() {
    let text = "hosts = [\"*.a.example\"]\nupstream = \"https://${host}\"\n[token]\nurl = \"URL\"\nread = { host = \"/host\", user = \"/user?\" }\n[inject]\ncookies = { SID = \"${token}\" }\nheaders = { x-user = \"${user}\" }";
    for (token, host, user, why) in [
        ("t", "x.a.example", "u", None),
        ("a;b", "x.a.example", "u", Some("its token cannot be sent: invalid value for the cookie `SID`")),
        (
            "t",
            "evil.example",
            "u",
            Some(
                "its token cannot be sent: the login's reply names the host evil.example, which is not in the \
                 flow's `hosts`",
            ),
        ),
        (
            "t",
            "x.a.example",
            "a\\nb",
            Some("its token cannot be sent: the value of header `x-user` contains a control character"),
        ),
        ("t", " x.a.example\\n", " u ", None),
        (
            "t",
            "x.a.exam\\nple",
            "u",
            Some("its token cannot be sent: the URL contains white space or a control character"),
        ),
    ] {
        let body = format!(r#"{{"access_token":"{token}","host":"{host}","user":"{user}"}}"#);
        let endpoint = Endpoint::start([ok(&body)]).await;
        let flow = flow(&text.replace("URL", &endpoint.url), &[]);
        let result = source(&flow).mint(login()).await.map_err(|error| error.message);
        let why = why.map(|why| format!("POST {}/: 200 OK, but {why}", endpoint.url));
        assert_eq!(result.err(), why, "{body}");
    }
}

#[tokio::test]
async fn a_reply_that_arrived_during_sleep_is_read_before_the_timeout_applies() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (requested, request_arrived) = tokio::sync::oneshot::channel();
    let (done, sent) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
        requested.send(()).unwrap();
        for piece in [&b"HTTP/1.1 200 OK\r\n"[..], b"content-length: 36\r\n\r\n", TOKEN] {
            stream.write_all(piece).unwrap();
        }
        done.send(()).unwrap();
        stream
    });
    let source = source(&flow(&format!("token = {{ url = \"{url}\" }}"), &[]));
    let patience = Duration::from_millis(500);
    let mint = tokio::spawn(async move { source.mint(Ask { patience, ..login() }).await });
    request_arrived.await.unwrap();
    // The whole process, this thread included, is blocked until well after the deadline.
    sent.recv().unwrap();
    std::thread::sleep(patience * 2);
    assert_eq!(mint.await.unwrap().unwrap().access, Secret::new("t"));
    drop(server.join());
}
