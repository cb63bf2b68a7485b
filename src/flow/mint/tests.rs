mod bytes;
mod endpoint;
mod outcomes;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use self::endpoint::{Endpoint, HANG};
use super::*;
use crate::clock::{Clock, PausedClock, SystemClock};
use crate::document::{Document, Layer, Problems};
use crate::flow::{Flow, FlowSpec, Values};

fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
}

fn ok(body: &str) -> String {
    reply("200 OK", "", body)
}

fn client(clock: Arc<dyn Clock>) -> TokenClient {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    TokenClient::new(Arc::new(tls), None, clock).unwrap()
}

const LONG: Duration = Duration::from_secs(60);

fn flow(text: &str, pairs: &[(&str, &str)]) -> Flow {
    let document = Document::merge([Layer::toml("own.toml", text).unwrap()]);
    let problems = Problems::default();
    let spec = FlowSpec::read(Some("own"), &document.root(), &problems);
    let spec = spec.unwrap_or_else(|| panic!("{:#?}", problems.into_sorted()));
    let values: Values = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    Flow::compile(&spec, None, &values, false, &mut |fault| panic!("{fault:?}")).unwrap()
}

fn shipped(name: &str, pairs: &[(&str, &str)]) -> Flow {
    flow(crate::flow::shipped::text(name).unwrap().replacen(&format!("\"{name}\""), "\"own\"", 1).as_str(), pairs)
}

fn source(flow: &Flow) -> Arc<dyn Source> {
    flow.source(client(Arc::new(SystemClock)))
}

fn login() -> Ask<'static> {
    Ask { step: Step::Login, subject: None, previous: None, patience: LONG }
}

fn refresh(previous: Option<&Grant>) -> Ask<'_> {
    Ask { step: Step::Refresh, subject: None, previous, patience: LONG }
}

fn grant(refresh: Option<&str>, life: Life, clock: &dyn Clock) -> Grant {
    let captures = Default::default();
    let refresh = refresh.map(Secret::new);
    Grant { access: Secret::new("old"), refresh, captures, issued: clock.now(), life, refresh_in: None }
}

#[tokio::test]
async fn a_login_is_one_request_and_the_lifetime_counts_from_sending_it() {
    let endpoint = Endpoint::start([ok(r#"{"access_token":"t1","refresh_token":"r1","expires_in":3600}"#)]).await;
    let flow = shipped("simacan", &[("auth", &endpoint.url), ("username", "u"), ("password", "p")]);
    let before = SystemClock.now();
    let grant = source(&flow).mint(login()).await.unwrap();
    assert_eq!((grant.access, grant.refresh), (Secret::new("t1"), Some(Secret::new("r1"))));
    assert!(grant.issued >= before && grant.issued <= SystemClock.now());
    assert_eq!(grant.life, Life::Until(grant.issued + Duration::from_secs(3600)));
    let calls = endpoint.calls();
    assert!(
        calls[0].starts_with("POST /auth/password HTTP/1.1\r\n") && calls[0].ends_with("\r\n\r\nusername=u&password=p")
    );
}

#[tokio::test]
async fn a_refresh_keeps_its_refresh_token_if_the_reply_has_none() {
    let bodies = [r#"{"access_token":"t2","refresh_token":"r2"}"#, r#"{"access_token":"t3"}"#];
    let endpoint = Endpoint::start(bodies.map(ok)).await;
    let source = source(&shipped("simacan", &[("auth", &endpoint.url), ("username", "u"), ("password", "p")]));
    let first = grant(Some("r1"), Life::UntilRejected, &SystemClock);
    assert!(source.can_refresh(Some(&first), true) && !source.can_refresh(None, false));
    let second = source.mint(refresh(Some(&first))).await.unwrap();
    let third = source.mint(refresh(Some(&second))).await.unwrap();
    assert_eq!((third.access, third.refresh), (Secret::new("t3"), Some(Secret::new("r2"))));
    let calls = endpoint.calls();
    assert!(calls[0].ends_with("refresh_token=r1") && calls[1].ends_with("refresh_token=r2"), "{calls:?}");
}

#[tokio::test]
async fn the_field_names_of_v1_fail_loudly_on_a_reply_of_v2() {
    let endpoint = Endpoint::start([ok(r#"{"access_token":"canary-token","expires_in":86400}"#)]).await;
    let flow = shipped("younium-v1", &[("client_id", "i"), ("client_secret", "s"), ("base", &endpoint.url)]);
    let error = source(&flow).mint(login()).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::BadReply);
    assert_eq!(error.message, format!("POST {}/auth/token: 200 OK, but no token at /accessToken", endpoint.url));
}

#[tokio::test]
async fn no_error_text_shows_a_secret_that_the_server_echoes() {
    let echo = r#"{"error":"invalid_client","error_description":"id:canary+1 canary%2B1 aWQ6Y2FuYXJ5KzE= r-canary"}"#;
    let endpoint = Endpoint::start([reply("401 Unauthorized", "", echo), reply("400 Bad Request", "", echo)]).await;
    let text = "vars = { id = {}, secret = { secret = true } }\n[token]\nurl = \"URL?key=${secret}\"\nbasic = [\"${id}\", \"${secret}\"]\n[refresh]\nurl = \"URL/${refresh_token}\"";
    let flow = flow(&text.replace("URL", &endpoint.url), &[("id", "id"), ("secret", "canary+1")]);
    let source = source(&flow);
    let previous = grant(Some("r-canary"), Life::UntilRejected, &SystemClock);
    for step in [Step::Login, Step::Refresh] {
        let ask = Ask { step, ..refresh(Some(&previous)) };
        let error = source.mint(ask).await.unwrap_err();
        assert_eq!((error.outcome, error.grant_is_dead), (Outcome::Rejected, false));
        assert!(!error.message.contains("canary") && !error.message.contains("aWQ6"), "{}", error.message);
        assert!(error.message.ends_with(": id:… … … …"), "{}", error.message);
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_failures_have_retry_after() {
    let moved = reply("302 Found", "location: http://127.0.0.1:1/x?y\r\n", "");
    let busy = reply("503 Service Unavailable", "retry-after: 7\r\n", "{}");
    let endpoint = Endpoint::start([moved, busy]).await;
    let source = source(&flow(&format!("token = {{ url = \"{}\" }}", endpoint.url), &[]));
    let error = source.mint(login()).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Status);
    assert!(error.message.ends_with("302 Found: redirects are not followed; this one points to http://127.0.0.1:1/x"));
    let error = source.mint(login()).await.unwrap_err();
    assert_eq!((error.outcome, error.retry_after), (Outcome::Status, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn a_reply_that_is_too_large_cut_off_or_late_is_an_error() {
    let large = ok(&format!("{{\"access_token\":\"{}\"}}", "x".repeat(1 << 20)));
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned();
    let endpoint = Endpoint::start([large, cut, String::new(), HANG.to_owned()]).await;
    let flow = flow(&format!("token = {{ url = \"{}/t?key=canary\" }}", endpoint.url), &[]);
    let patient = source(&flow);
    for why in ["the reply is larger than 1 MiB", "the reply was cut off", "the connection closed before a reply"] {
        let error = patient.mint(login()).await.unwrap_err();
        assert_eq!((error.outcome, error.message), (Outcome::BadReply, format!("POST {}/t: {why}", endpoint.url)));
    }
    let hasty = Ask { patience: Duration::from_millis(50), ..login() };
    let error = patient.mint(hasty).await.unwrap_err();
    assert_eq!(
        (error.outcome, error.message),
        (Outcome::Timeout, format!("POST {}/t: no reply within 0.05 s", endpoint.url))
    );
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_named_with_the_reason() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error =
        source(&flow(&format!("token = {{ url = \"http://{closed}/t\" }}"), &[])).mint(login()).await.unwrap_err();
    let why = "the connection was refused: nothing listens there";
    assert_eq!((error.outcome, error.message), (Outcome::Connect, format!("POST http://{closed}/t: {why}")));
    let error = source(&flow("token = { url = \"https://nowhere.invalid/t\" }", &[])).mint(login()).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Connect);
    assert!(error.message.starts_with("POST https://nowhere.invalid/t: "), "{}", error.message);
    let plain = Endpoint::start([""; 0]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = plain
        .url
        .replace("http://", "https://")
        .replace(&plain.url[17..], &listener.local_addr().unwrap().port().to_string());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let error = source(&flow(&format!("token = {{ url = \"{url}/t\" }}"), &[])).mint(login()).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Connect);
    assert!(error.message.contains("TLS failed"), "{}", error.message);
}

#[tokio::test]
async fn a_revocation_sends_the_subjects_own_token() {
    let endpoint = Endpoint::start([reply("204 No Content", "", ""), reply("401 Unauthorized", "", "")]).await;
    let flow = shipped("yodlee", &[("client_id", "i"), ("client_secret", "s"), ("base", &endpoint.url)]);
    let subject = flow.subject.as_ref().unwrap().pattern.subject("anna").unwrap();
    let (source, old) = (source(&flow), grant(None, Life::UntilRejected, &SystemClock));
    assert!(source.can_revoke());
    source.revoke(Some(&subject), &old).await.unwrap();
    let call = &endpoint.calls()[0];
    assert!(call.starts_with("DELETE /auth/token") && call.contains("Authorization: Bearer old\r\n"), "{call}");
    assert_eq!(source.revoke(Some(&subject), &old).await.unwrap_err().outcome, Outcome::Rejected);
}

const ALIVE: &str = "[token]\nurl = \"https://a.example\"\n[refresh]\nurl = \"https://a.example\"\nheaders = { authorization = \"Bearer ${token}\" }";

#[tokio::test(start_paused = true)]
async fn a_refresh_that_sends_the_token_requires_a_valid_token() {
    let clock = Arc::new(PausedClock::start());
    let source = flow(ALIVE, &[]).source(client(clock.clone()));
    let old = grant(None, Life::Until(clock.now() + Duration::from_secs(10)), &*clock);
    assert!(source.can_refresh(Some(&old), false));
    assert!(!source.can_refresh(Some(&old), true) && !source.can_refresh(None, false));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(!source.can_refresh(Some(&old), false));
}

#[tokio::test]
async fn a_flow_without_a_login_starts_from_the_given_refresh_token_and_again_from_another() {
    let replies = ["r1", "r2", "r3"].map(|new| ok(&format!("{{\"access_token\":\"t\",\"refresh_token\":\"{new}\"}}")));
    let endpoint = Endpoint::start(replies).await;
    let text =
        "vars = { refresh_token = { secret = true } }\n[refresh]\nurl = \"URL\"\nform = { r = \"${refresh_token}\" }"
            .replace("URL", &endpoint.url);
    let given = |token: &str| flow(&text, &[("refresh_token", token)]);
    assert!(given("first").needs_lasting_store);
    let source_of = |token: &str| source(&given(token));
    let first = source_of("first");
    assert!(!first.can_login() && first.can_refresh(None, true));
    let one = first.mint(refresh(None)).await.unwrap();
    let two = first.mint(refresh(Some(&one))).await.unwrap();
    assert_eq!(one.captures, two.captures, "a token that is repeated is the same");
    source_of("second").mint(refresh(Some(&two))).await.unwrap();
    let sent: Vec<_> = endpoint.calls().iter().map(|call| call.rsplit('\n').next().unwrap().to_owned()).collect();
    assert_eq!(sent, ["r=first", "r=r1", "r=second"]);
}

#[tokio::test]
async fn flows_without_a_token_request_have_a_token_at_once_that_never_expires() {
    for (name, pairs) in [
        ("bearer", &[("token", "x")][..]),
        ("api-key", &[("key", "x")]),
        ("basic", &[("username", "u"), ("password", "p")]),
    ] {
        let flow = shipped(name, pairs);
        let source = source(&flow);
        assert!(source.can_login() && !source.can_refresh(None, false) && !source.can_revoke());
        assert_eq!(source.mint(login()).await.unwrap().life, Life::UntilRejected);
        let verdict = flow.usage.verdict(http::StatusCode::UNAUTHORIZED, &http::HeaderMap::new());
        assert_eq!(verdict, crate::token::usage::Verdict::Accepted);
        assert_eq!(flow.owned.headers.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_flow_that_only_captures_needs_no_token_in_the_reply() {
    let endpoint = Endpoint::start([reply("200 OK", "set-cookie: SID=abc; Path=/\r\n", "{}")]).await;
    let text = "[token]\nurl = \"URL\"\nread = { sid = \"cookie:SID\" }\n[inject]\ncookies = { SID = \"${sid}\" }";
    let grant = source(&flow(&text.replace("URL", &endpoint.url), &[])).mint(login()).await.unwrap();
    assert!(grant.access.is_empty());
    assert_eq!(grant.captures.get("sid"), Some(&Secret::new("abc")));
}

#[test]
fn a_uuid_has_its_version_and_variant() {
    for random in [0, u128::MAX] {
        let text = uuid(random);
        let parts: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert!(&text[14..15] == "4" && "89ab".contains(&text[19..20]), "{text}");
    }
}
