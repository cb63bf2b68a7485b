use std::sync::Arc;

use super::super::{Api, End, Kind, SIMACAN};
use super::{FORM, SOON, World, form, got};
use reqwest::Method;

#[tokio::test]
async fn the_log_records_each_request_and_how_it_ended() {
    let world = World::new().await;
    let mut events = world.mock.events();
    let body = form(&[("username", SIMACAN.id), ("password", SIMACAN.secret)]);
    let headers = [("content-type", FORM)];
    let token = world.post(&world.mock.simacan().token_url(), &headers, body.clone()).await.text("/access_token");
    world.call(world.mock.simacan(), "/trips?x", &token).await;
    let all_answered = |log: &[super::super::Received]| log.iter().filter(|one| one.end == End::Complete).count() == 2;
    assert!(world.mock.wait_for(all_answered, SOON).await);
    let log = world.mock.received();
    assert_eq!((log[0].kind, log[0].token, log[0].status), (Kind::Login, Some(1), Some(200)));
    assert_eq!((log[0].text(), log[0].body_length), (body.clone(), body.len() as u64));
    assert_eq!((log[1].kind, log[1].token, log[1].target.as_str()), (Kind::Call, Some(1), "/trips?x"));
    assert_eq!(log[1].header("Authorization"), Some(&*format!("Bearer {token}")));
    assert_eq!(log[0].connection, log[1].connection, "one connection was enough");
    assert!(world.mock.secrets().contains(&token) && world.mock.secrets().contains(&SIMACAN.secret.to_owned()));
    let told = [events.recv().await.unwrap(), events.recv().await.unwrap()].map(|event| event.to_string());
    assert_eq!(told[0], "simacan: logged in (token #1, 3600 s)");
    assert_eq!(told[1], "simacan: GET /trips with token #1");
    world.mock.forget();
    assert_eq!((world.mock.received().len(), world.mock.count(Api::Simacan, Kind::Call)), (0, 0));
}

#[tokio::test]
async fn a_disconnect_of_the_caller_is_recorded() {
    let world = World::new().await;
    for path in ["/slow-head", "/drip?hold"] {
        world.mock.forget();
        let url = format!("{}{path}", world.mock.open().url());
        let request = tokio::spawn(got(world.request(Method::GET, &url, &[])));
        assert!(world.mock.wait_for(|log| log.len() == 1, SOON).await);
        request.abort();
        assert!(world.mock.wait_for(|log| log[0].end == End::Cut, SOON).await, "{path}");
    }
}

#[tokio::test]
async fn a_wait_without_a_match_times_out() {
    let world = World::new().await;
    assert!(!world.mock.wait_for(|log| !log.is_empty(), std::time::Duration::from_millis(1)).await);
}

#[tokio::test]
async fn a_thousand_connections_at_once_are_served() {
    let world = Arc::new(World::new().await);
    let calls = (0..1000).map(|call| {
        let world = world.clone();
        tokio::spawn(async move { world.open(&format!("/slow-head?{call}")).await.status })
    });
    let calls: Vec<_> = calls.collect();
    assert!(world.mock.wait_for(|log| log.len() == 1000, 6 * SOON).await);
    (0..1000).for_each(|_| world.mock.open().release_head());
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let mut connections: Vec<_> = world.mock.received().iter().map(|one| one.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 1000);
}

#[tokio::test]
async fn of_very_many_requests_the_last_are_kept_and_all_are_counted() {
    let world = World::new().await;
    let vendor = world.mock.open();
    for number in 0..20_005_u64 {
        let mut one = blank(number);
        one.api = vendor.api;
        vendor.log.arrived(one).complete();
    }
    let log = world.mock.received();
    assert_eq!((log.len(), log[0].connection), (20_000, 5));
    assert!(log.iter().all(|one| one.end == End::Complete));
    assert_eq!(world.mock.count(Api::Open, Kind::Call), 20_005);
}

fn blank(connection: u64) -> super::super::Received {
    super::super::Received {
        api: Api::Open,
        kind: Kind::Call,
        connection,
        method: String::new(),
        target: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        body_length: 0,
        token: None,
        subject: None,
        status: None,
        end: End::Open,
    }
}
