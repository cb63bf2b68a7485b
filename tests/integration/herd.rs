//! A thousand requests at once.

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};
use tokio::task::JoinSet;

use crate::support::{Bearerd, Door, call, client, eventually, outside};

const HERD: usize = 1000;

async fn started(mock: &Mock) -> Bearerd {
    let door = Door::to(mock, Api::Younium).key("timeouts.token_wait", "\"30s\"");
    Bearerd::start(door.toml() + "[limits]\nconnections = 1200\n").await
}

/// Each has a body, so that a repeat without it is noticed.
fn herd(bearerd: &Bearerd) -> JoinSet<(u16, bool)> {
    let (client, mut herd) = (client(), JoinSet::new());
    for number in 0..HERD {
        let request = client.post(bearerd.url("younium", "/orders")).body(number.to_string());
        herd.spawn(async move {
            let answer = call(request).await;
            (answer.status, answer.json()["body"]["text"] == *number.to_string())
        });
    }
    herd
}

#[tokio::test]
async fn a_thousand_first_requests_are_one_login() {
    let mock = outside().await;
    mock.younium().set(Kind::Login, Behaviour::Stall);
    let bearerd = started(&mock).await;
    let herd = herd(&bearerd);
    let waiting = || async { bearerd.metric("bearerd_requests_in_flight", &[]).await as usize == HERD };
    eventually("all wait", waiting).await;
    assert_eq!(mock.count(Api::Younium, Kind::Call), 0, "nothing is forwarded without a token");
    mock.younium().release(Kind::Login);
    assert_eq!(herd.join_all().await, [(200, true); HERD]);
    assert_eq!((mock.count(Api::Younium, Kind::Login), mock.count(Api::Younium, Kind::Call)), (1, HERD as u64));
    assert_eq!(bearerd.metric("bearerd_token_waits_total", &[]).await as usize, HERD);
}

#[tokio::test]
async fn a_thousand_401s_at_once_are_one_renewal_and_one_repeat_each() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    bearerd.ready().await;
    mock.younium().set(Kind::Call, Behaviour::Stall);
    let herd = herd(&bearerd);
    eventually("all arrived", || async { mock.count(Api::Younium, Kind::Call) as usize == HERD }).await;
    mock.younium().expire_tokens();
    mock.younium().release(Kind::Call);
    assert_eq!(herd.join_all().await, [(200, true); HERD]);
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
    let calls = mock.received_by(Api::Younium, Kind::Call);
    let with =
        |token, status| calls.iter().filter(|call| (call.token, call.status) == (Some(token), Some(status))).count();
    assert_eq!((calls.len(), with(1, 401), with(2, 200)), (2 * HERD, HERD, HERD));
    assert_eq!(bearerd.metric("bearerd_replays_total", &[]).await as usize, HERD);
}
