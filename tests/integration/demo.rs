//! `bearerd demo`: every command that it prints works.

use std::net::TcpListener;

use crate::support::{Process, call, client, command};

/// The first of six consecutive free ports.
fn free_ports() -> u16 {
    let free = |port: &u16| (*port..*port + 6).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (20_000..30_000).step_by(6).skip(std::process::id() as usize % 1000).find(|port| free(port)).unwrap()
}

/// The request of a `curl` line: `curl ADDRESS/PATH`, perhaps with a header.
fn curl(line: &str) -> Option<reqwest::RequestBuilder> {
    let (url, header) = match line.trim().strip_prefix("curl ")?.split_once(" -H ") {
        Some((url, header)) => (url, header.trim_matches('\'').split_once(": ")),
        None => (line.trim().strip_prefix("curl ")?, None),
    };
    let request = client().get(format!("http://{url}"));
    Some(header.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
}

#[tokio::test]
async fn each_command_it_prints_works_and_each_renewal_is_reported() {
    let first = free_ports();
    let mut command = command();
    command.args(["demo", "--listen", &format!("127.0.0.1:{first}"), "--admin", &format!("127.0.0.1:{}", first + 5)]);
    let mut demo = Process::start(command);
    demo.log().says("Token states").await;
    demo.log().says("yodlee: logged in for demo-admin (token #1, 30 s)").await;
    let lines = demo.log().lines();
    let requests: Vec<_> = lines.iter().filter_map(|line| curl(line)).collect();
    assert_eq!(requests.len(), 6);
    for request in requests {
        let what = format!("{request:?}");
        let answer = call(request).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(answer.json().is_object());
    }
    demo.log().says("younium: GET /accounts with token #1").await;
    for (start, end) in [
        ("younium: logged in again, ", " s before the old token expires (token #2, 30 s)"),
        ("simacan: renewed with its refresh token, ", " s before the old token expires (token #2, 30 s)"),
    ] {
        let renewal = |line: &str| (line.starts_with(start) && line.ends_with(end)).then_some(());
        demo.log().wait_for("a renewal", renewal).await;
    }
    demo.signal("INT");
    assert_eq!(demo.ended().await.code(), Some(0));
    let secrets = ["canary", "Bearer "].map(|secret| demo.log().count(secret));
    assert_eq!(secrets, [0, 0]);
}
