//! The token endpoint fails and recovers, under load.

use std::time::Duration;

use bearerd::demo::mock::{Api, Behaviour, Kind};

use crate::support::{Bearerd, Door, call, client, eventually, outside, problem};

#[tokio::test]
async fn an_outage_is_unnoticed_while_the_token_is_valid_then_reported_and_ends_by_itself() {
    let mock = outside().await;
    mock.younium().lives(Duration::from_secs(4));
    let door = Door::to(&mock, Api::Younium).text("timeouts.token_wait", "20ms");
    // By default every failed request is logged.
    let bearerd = Bearerd::start(door.toml() + "[log]\naccess = \"off\"\n").await;
    bearerd.ready().await;
    mock.younium().set(Kind::Login, Behaviour::Close);
    let (client, mut served) = (client(), 0);
    let first_failure = loop {
        let answer = call(client.get(bearerd.url("younium", "/accounts"))).await;
        match answer.status {
            200 => served += 1,
            _ => break answer,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    problem(&first_failure, 503, "token-failing", "destination_unavailable", Some("younium"));
    let wait: u64 = first_failure.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert!(served > 50, "{served}");
    let never_expired = mock.received_by(Api::Younium, Kind::Call).iter().all(|call| call.status == Some(200));
    assert!(never_expired, "no token was used after its end");
    for _ in 0..100 {
        assert_eq!(call(client.get(bearerd.url("younium", "/accounts"))).await.status, 503);
    }
    mock.younium().lives(Duration::from_secs(3600));
    mock.younium().set(Kind::Login, Behaviour::Serve);
    // The longest pause without a token is 10 s.
    let back = || async { call(client.get(bearerd.url("younium", "/accounts"))).await.status == 200 };
    eventually("served again", back).await;
    eventually("told", || async { bearerd.changes_to("younium", "fresh") == 2 }).await;
    let changes = ["degraded", "expired"].map(|state| bearerd.changes_to("younium", state));
    assert_eq!(changes, [1, 1], "one line for each change of state");
    let lines = bearerd.log().lines().len();
    assert!(lines < 20, "{lines} lines, though only changes of state are logged");
}

#[tokio::test]
async fn a_failed_renewal_leaves_a_valid_token_in_use() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).toml()).await;
    bearerd.ready().await;
    for behaviour in [Behaviour::Fail(500, None), Behaviour::Garbage, Behaviour::ErrorInside, Behaviour::Huge] {
        mock.younium().set(Kind::Login, behaviour.clone());
        let answer = bearerd.refresh("younium").await;
        assert!(answer.status >= 400, "{behaviour:?}: {answer:?}");
        let status = call(client().get(bearerd.url("younium", "/accounts"))).await.status;
        assert_eq!(status, 200, "{behaviour:?}");
    }
    bearerd.in_state("younium", "degraded").await;
}

#[tokio::test]
async fn a_token_of_seconds_is_renewed_all_along_and_no_request_waits_for_it() {
    let mock = outside().await;
    mock.younium().lives(Duration::from_secs(2));
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).toml()).await;
    bearerd.ready().await;
    let client = client();
    eventually("three renewals", || async {
        assert_eq!(call(client.get(bearerd.url("younium", "/accounts"))).await.status, 200);
        mock.count(Api::Younium, Kind::Login) == 4
    })
    .await;
    assert_eq!(bearerd.metric("bearerd_token_waits_total", &[]).await, 0.0);
    assert_eq!(bearerd.metric("bearerd_replays_total", &[]).await, 0.0);
}
