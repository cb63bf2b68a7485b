//! Many users of one upstream: which token they get, who is dropped for whom, and what a changed secret does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock, YODLEE};
use bearerd::flow::shipped;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{Answer, Bearerd, Door, Wire, call, client, eventually, outside};

/// Yodlee's flow for at most `max` users at a time, as `few`.
fn few(max: usize) -> String {
    let text = shipped::text("yodlee").unwrap().replace("\"yodlee\"", "\"few\"").replace("\n[", "\n[flow.few.");
    let flow = text.replace("max = 1000", &format!("max = {max}"));
    assert_ne!(flow, text);
    format!("[flow.few]\n{flow}\n")
}

fn door(mock: &Mock, max: usize) -> String {
    Door::to(mock, Api::Yodlee).text("flow", "few").toml() + &few(max)
}

async fn as_user(client: &reqwest::Client, url: &str, user: &str) -> Answer {
    call(client.get(url).header("X-Yodlee-Login", user)).await
}

/// Makes calls as these users, a few at a time; every response must be for the calling user.
async fn calls(bearerd: &Bearerd, users: impl Iterator<Item = String>) {
    let (client, url, turns) = (client(), bearerd.url("yodlee", "/whoami"), Arc::new(Semaphore::new(32)));
    let mut calls = JoinSet::new();
    for user in users {
        let (client, url, turns) = (client.clone(), url.clone(), Arc::clone(&turns));
        calls.spawn(async move {
            let _turn = turns.acquire().await;
            let answer = as_user(&client, &url, &user).await;
            assert_eq!((answer.status, answer.json()["subject"].as_str()), (200, Some(&*user)), "{answer:?}");
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

fn users(count: usize) -> impl Iterator<Item = String> + Clone {
    (0..count).map(|number| format!("user-{number}"))
}

fn logins(mock: &Mock, user: &str) -> usize {
    let logins = mock.received_by(Api::Yodlee, Kind::Login);
    logins.iter().filter(|login| login.header("loginname") == Some(user)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_users_at_a_time_never_get_each_others_token() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Yodlee).toml()).await;
    let all = (0..4).flat_map(|_| users(500));
    calls(&bearerd, all).await;
    assert_eq!((mock.count(Api::Yodlee, Kind::Login), mock.count(Api::Yodlee, Kind::Call)), (500, 2000));
    assert!(bearerd.log().lines().len() < 20, "no line for each user");
}

#[tokio::test]
async fn a_user_who_makes_room_is_revoked_once_when_the_last_answer_has_ended() {
    for behaviour in [Behaviour::Serve, Behaviour::Fail(500, None)] {
        let mock = outside().await;
        mock.yodlee().set(Kind::Revoke, behaviour.clone());
        let bearerd = Bearerd::start(door(&mock, 1)).await;
        let mut anna = Wire::open(bearerd.address("yodlee")).await;
        anna.send("GET /drip?hold HTTP/1.1\r\nHost: localhost\r\nX-Yodlee-Login: anna\r\n\r\n").await;
        anna.until("data: 1").await;
        calls(&bearerd, ["bert", "cleo"].map(str::to_owned).into_iter()).await;
        eventually("bert is revoked", || async { mock.count(Api::Yodlee, Kind::Revoke) == 1 }).await;
        assert_eq!(mock.received_by(Api::Yodlee, Kind::Revoke)[0].subject.as_deref(), Some("bert"));
        (0..4).for_each(|_| mock.yodlee().release_piece());
        anna.until("data: 5").await;
        eventually("anna is revoked", || async { mock.count(Api::Yodlee, Kind::Revoke) == 2 }).await;
        let last = &mock.received_by(Api::Yodlee, Kind::Revoke)[1];
        assert_eq!((&*last.method, last.subject.as_deref(), last.token), ("DELETE", Some("anna"), Some(1)));
        if behaviour != Behaviour::Serve {
            bearerd.log().says("not revoked").await;
        }
        calls(&bearerd, ["cleo".to_owned()].into_iter()).await;
        assert_eq!(mock.count(Api::Yodlee, Kind::Revoke), 2, "once each");
    }
}

#[tokio::test]
async fn users_who_are_refused_never_make_the_others_log_in_again() {
    let mock = outside().await;
    let bearerd = Bearerd::start(door(&mock, 4)).await;
    calls(&bearerd, users(3)).await;
    mock.yodlee().set(Kind::Login, Behaviour::Refuse(400));
    let (client, url) = (client(), bearerd.url("yodlee", "/whoami"));
    for number in 0..20 {
        for _ in 0..2 {
            assert_eq!(as_user(&client, &url, &format!("nobody-{number}")).await.status, 503);
        }
    }
    assert_eq!(mock.count(Api::Yodlee, Kind::Login), 23, "a refusal is remembered");
    calls(&bearerd, users(3)).await;
    assert_eq!(mock.count(Api::Yodlee, Kind::Login), 23);
    assert_eq!(bearerd.log().count("the tokens of some subjects are refused"), 1, "not a line for each");
    assert_eq!(bearerd.log().count("nobody-"), 0, "no names");
}

#[tokio::test]
async fn tokens_are_revoked_at_shutdown_only_if_the_flow_says_so() {
    for (at_shutdown, revoked) in [(false, 0), (true, 3)] {
        let mock = outside().await;
        let own = format!("[flow.few.revoke]\nat_shutdown = {at_shutdown}");
        let mut bearerd = Bearerd::start(door(&mock, 9).replace("[flow.few.revoke]", &own)).await;
        calls(&bearerd, users(3)).await;
        bearerd.signal("TERM");
        assert!(bearerd.ended().await.success());
        assert_eq!(mock.count(Api::Yodlee, Kind::Revoke), revoked);
    }
}

/// Ten users that make requests until they are stopped; all must succeed.
struct Load(Arc<AtomicBool>, tokio::task::JoinHandle<usize>);

impl Load {
    fn start(bearerd: &Bearerd) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (until, client, url) = (Arc::clone(&over), client(), bearerd.url("yodlee", "/whoami"));
        let task = tokio::spawn(async move {
            let mut calls = 0;
            while !until.load(Ordering::Relaxed) {
                for user in users(10) {
                    let answer = as_user(&client, &url, &user).await;
                    assert_eq!((answer.status, answer.json()["subject"].as_str()), (200, Some(&*user)), "{answer:?}");
                    calls += 1;
                }
            }
            calls
        });
        Self(over, task)
    }

    async fn end(self) {
        self.0.store(true, Ordering::Relaxed);
        assert!(self.1.await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_secret_is_proved_by_few_users_and_disturbs_none() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, YODLEE.secret).unwrap();
    let bearerd = Bearerd::start(Door::to(&mock, Api::Yodlee).file("client_secret", &secret).toml()).await;
    calls(&bearerd, users(10)).await;
    let load = Load::start(&bearerd);
    std::fs::write(&secret, "canary-wrong").unwrap();
    bearerd.in_state("yodlee", "degraded").await;
    let error = bearerd.status_of("yodlee").await["last_error"].clone();
    assert_eq!(error["code"], "token-rejected");
    let before = mock.count(Api::Yodlee, Kind::Login);
    assert!((11..=13).contains(&before), "{before} logins");
    mock.yodlee().accept_secret("canary-second");
    std::fs::write(&secret, "canary-second").unwrap();
    bearerd.log().says("the changed secret works").await;
    eventually("no longer degraded", || async { bearerd.status_of("yodlee").await["state"].is_null() }).await;
    calls(&bearerd, users(10)).await;
    load.end().await;
    assert!(mock.count(Api::Yodlee, Kind::Login) <= before + 3, "who has a token keeps it");
    // New users log in with the new secret.
    calls(&bearerd, ["somebody-new".to_owned()].into_iter()).await;
    let connections = mock.received_by(Api::Yodlee, Kind::Call).iter().map(|call| call.connection).max();
    let first = mock.received_by(Api::Yodlee, Kind::Call).iter().map(|call| call.connection).min();
    assert!(connections.unwrap() - first.unwrap() < 64, "the connections stay: {first:?} to {connections:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_read_again_leaves_users_their_tokens() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Yodlee).toml()).await;
    calls(&bearerd, users(10)).await;
    let load = Load::start(&bearerd);
    for times in 1..=3 {
        bearerd.signal("HUP");
        eventually("read again", || async { bearerd.log().count("configuration reloaded") == times }).await;
    }
    calls(&bearerd, users(10)).await;
    load.end().await;
    assert_eq!((mock.count(Api::Yodlee, Kind::Login), mock.count(Api::Yodlee, Kind::Revoke)), (10, 0));
    assert_eq!(logins(&mock, "user-0"), 1);
}

#[tokio::test]
async fn two_upstreams_of_one_account_share_their_users_tokens() {
    let mock = outside().await;
    let one = Door::to(&mock, Api::Yodlee);
    let bearerd = Bearerd::start(one.toml() + &one.named("other").toml()).await;
    let client = client();
    for upstream in ["yodlee", "other"] {
        let answer = as_user(&client, &bearerd.url(upstream, "/whoami"), "anna").await;
        assert_eq!(answer.json()["token"], 1);
    }
    assert_eq!(mock.count(Api::Yodlee, Kind::Login), 1);
}

/// `cargo test --test integration -- --ignored ten_thousand`: half a minute at a thousand requests a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute of a whole machine"]
async fn ten_thousand_users_at_a_thousand_requests_a_second_never_meet() {
    let mock = outside().await;
    let bearerd = Bearerd::start(door(&mock, 10_000)).await;
    let started = std::time::Instant::now();
    calls(&bearerd, (0..3).flat_map(|_| users(10_000))).await;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("30,000 requests of 10,000 users in {seconds:.1} s: {:.0} a second", 30_000.0 / seconds);
    assert_eq!(mock.count(Api::Yodlee, Kind::Call), 30_000);
    assert_eq!(bearerd.metric("bearerd_subjects", &[]).await as usize, 10_000);
}
