//! Credentials and tokens reach only their vendor, whatever happens and whatever the log level is.

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock, YODLEE_ADMIN};

use crate::support::{Bearerd, Door, Wire, call, client, get, outside, post};

const DOORS: [Api; 6] = [Api::Younium, Api::YouniumV1, Api::Yodlee, Api::Dnb, Api::Simacan, Api::Oauth];

async fn started(mock: &Mock) -> Bearerd {
    let doors = DOORS.map(|api| match api {
        Api::Yodlee => Door::to(mock, api).with("admin_login", YODLEE_ADMIN),
        Api::Oauth => Door::password(mock).text("access.key", "canary-local-key-77"),
        _ => Door::to(mock, api),
    });
    let doors = doors.map(|door| door.text("timeouts.token_wait", "300ms").toml()).concat() + &Door::open(mock).toml();
    Bearerd::start_with(doors, |command| {
        command.env("BEARERD_LOG__LEVEL", "trace").env("RUST_LOG", "trace").env("BEARERD_LOG__ACCESS", "all");
    })
    .await
}

/// Everything that a caller sees of a call to each upstream.
async fn calls(bearerd: &Bearerd, path: &str) -> String {
    let mut seen = String::new();
    for api in DOORS {
        let request = client().post(bearerd.url(api.name(), path)).header("x-bearerd-key", "canary-local-key-77");
        let answer = call(request.bearer_auth("canary-of-the-caller").body("{}")).await;
        // The echo returns the request; only there may the token appear.
        if answer.code().is_some() {
            seen += &format!("{:?} {}\n", answer.headers, answer.text());
        }
    }
    seen
}

async fn admin(bearerd: &Bearerd) -> String {
    let mut seen = String::new();
    for path in ["/status", "/metrics", "/readyz", "/livez", "/startupz", "/"] {
        seen += &get(&bearerd.admin_url(path)).await.text();
    }
    for api in DOORS {
        seen += &bearerd.refresh(api.name()).await.text();
    }
    seen + &post(&bearerd.admin_url("/reload"), "").await.text()
}

#[tokio::test]
async fn no_secret_appears_in_any_log_error_status_or_metric() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    bearerd.ready().await;
    let mut seen = calls(&bearerd, "/x?key=harmless").await + &admin(&bearerd).await;
    // The last but one is the worst: an error that repeats the request.
    for behaviour in [
        Behaviour::Fail(500, None),
        Behaviour::Refuse(401),
        Behaviour::Garbage,
        Behaviour::ErrorInside,
        Behaviour::Close,
        Behaviour::json(400, &serde_json::json!({ "error": "invalid_grant", "errors": ["no"] })),
        Behaviour::Serve,
    ] {
        for api in DOORS {
            mock.vendor(api).set(Kind::Login, behaviour.clone());
            mock.vendor(api).set(Kind::Refresh, behaviour.clone());
            mock.vendor(api).expire_tokens();
        }
        seen += &calls(&bearerd, "/y").await;
        seen += &admin(&bearerd).await;
    }
    for api in DOORS {
        mock.vendor(api).set(Kind::Call, Behaviour::Reset);
    }
    seen += &calls(&bearerd, "/z").await;
    let malformed =
        "GET /x HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer canary-of-the-caller\r\nbad header\r\n\r\n";
    seen += &Wire::exchange(bearerd.address("open"), malformed).await;
    bearerd.signal("TERM");
    let mut bearerd = bearerd;
    bearerd.ended().await;
    let log = bearerd.log().text();
    assert!(log.contains("younium") && seen.contains("\"code\"") && seen.contains("bearerd_build_info"));
    let mut secrets = mock.secrets();
    secrets.extend(["canary-of-the-caller", "canary-local-key-77", "canary-fixed-token-5d0c"].map(str::to_owned));
    assert!(secrets.len() > 15, "{}", secrets.len());
    for secret in secrets {
        assert!(!log.contains(&secret), "in the log: {secret}");
        assert!(!seen.contains(&secret), "in an answer: {secret}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_running_process_writes_no_core_file() {
    let bearerd = Bearerd::start(Door::open(&outside().await).toml()).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", bearerd.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
}
