//! `bearerd demo`: what it says to type must work.

use std::net::TcpListener;

use crate::support::{Process, call, client, command};

/// The first of six ports in a row that are free now.
fn free_ports() -> u16 {
    let free = |port: &u16| (*port..*port + 6).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (20_000..30_000).step_by(6).skip(std::process::id() as usize % 1000).find(|port| free(port)).unwrap()
}

/// What curl would ask for: `curl ADDRESS/PATH`, perhaps with a header.
fn curl(line: &str) -> Option<reqwest::RequestBuilder> {
    let (url, header) = match line.trim().strip_prefix("curl ")?.split_once(" -H ") {
        Some((url, header)) => (url, header.trim_matches('\'').split_once(": ")),
        None => (line.trim().strip_prefix("curl ")?, None),
    };
    let request = client().get(format!("http://{url}"));
    Some(header.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
}

#[tokio::test]
async fn each_line_it_prints_works_and_each_renewal_is_told_in_words() {
    let first = free_ports();
    let mut command = command();
    command.args(["demo", "--listen", &format!("127.0.0.1:{first}"), "--admin", &format!("127.0.0.1:{}", first + 5)]);
    let mut demo = Process::start(command);
    demo.log().says("How the tokens stand").await;
    demo.log().says("yodlee: token #1 issued").await;
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
    demo.log().says("younium: token #2 issued for the credentials, lives 30 s").await;
    demo.log().says("simacan: token #2 issued for a refresh token, lives 30 s").await;
    demo.signal("INT");
    assert_eq!(demo.ended().await.code(), Some(0));
    let secrets = ["canary", "Bearer "].map(|secret| demo.log().count(secret));
    assert_eq!(secrets, [0, 0]);
}
