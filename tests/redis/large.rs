//! Fifty processes under load, with Redis killed and processes killed and paused at random: three minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bearerd::demo::mock::{Api, Kind, Mock};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::support::{Bearerd, Door, Redis, client, outside};

const PROCESSES: usize = 50;
const LIFE: Duration = Duration::from_secs(10);
const TIME: Duration = Duration::from_secs(180);
/// When Redis is killed, and how long it stays down.
const OUTAGES: [Duration; 2] = [Duration::from_secs(50), Duration::from_secs(110)];
const OUTAGE: Duration = Duration::from_secs(12);
/// The pause between two calls to one process.
const PACE: Duration = Duration::from_millis(250);
/// The pause between two failures.
const MISFORTUNE: Duration = Duration::from_secs(3);

type Member = Arc<Mutex<Bearerd>>;
type Statuses = BTreeMap<String, u64>;

async fn member(configuration: &str) -> Bearerd {
    Bearerd::start(configuration).await
}

/// Calls one process until the end, whatever the results.
async fn load(member: Member, end: Instant) -> Statuses {
    let (client, mut statuses) = (client(), Statuses::new());
    while Instant::now() < end {
        tokio::time::sleep(PACE).await;
        let url = member.lock().await.url("simacan", "/trips");
        let answer = client.get(url).timeout(Duration::from_secs(15)).send().await;
        let status = answer.map_or_else(|_| "no answer".to_owned(), |answer| answer.status().as_str().to_owned());
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// Kills, or pauses for longer than a lease, one process after another, and returns the numbers of both.
async fn misfortunes(members: Vec<Member>, configuration: String, end: Instant) -> (u64, u64) {
    let (mut random, mut killed, mut paused) = (fastrand::Rng::with_seed(7), 0, JoinSet::new());
    while Instant::now() + 4 * MISFORTUNE < end {
        tokio::time::sleep(MISFORTUNE).await;
        let member = Arc::clone(&members[random.usize(..members.len())]);
        if random.bool() {
            killed += 1;
            let mut place = member.lock().await;
            place.signal("KILL");
            *place = self::member(&configuration).await;
        } else {
            let time = Duration::from_secs(random.u64(2..11));
            paused.spawn(async move {
                let place = member.lock().await;
                place.signal("STOP");
                tokio::time::sleep(time).await;
                place.signal("CONT");
            });
        }
    }
    (killed, paused.join_all().await.len() as u64)
}

async fn outages(mut redis: Redis, start: Instant, end: Instant) -> Redis {
    for outage in OUTAGES {
        tokio::time::sleep_until((start + outage).into()).await;
        redis.kill();
        tokio::time::sleep(OUTAGE).await;
        redis.again().await;
    }
    tokio::time::sleep_until(end.into()).await;
    redis
}

/// The refused refreshes with their connections. The mock keeps only the last requests, so it is polled.
async fn refusals(mock: Arc<Mock>, end: Instant) -> BTreeSet<(u64, String)> {
    let mut refused = BTreeSet::new();
    while Instant::now() < end {
        tokio::time::sleep(2 * MISFORTUNE).await;
        let sent = mock.received_by(Api::Simacan, Kind::Refresh).into_iter();
        refused.extend(sent.filter(|it| it.status == Some(401)).map(|it| (it.connection, it.text())));
    }
    refused
}

/// Each renewal is one request. While Redis is down, each process is on its own: one login for each lifetime that
/// starts, and one for the current one.
fn strict_bound(renewals: u64) -> u64 {
    let away = OUTAGE * u32::try_from(OUTAGES.len()).unwrap();
    renewals + PROCESSES as u64 * (away.as_secs().div_ceil(LIFE.as_secs()) + 1)
}

async fn newest(members: &[Member]) -> u64 {
    let mut newest = 0;
    for member in members {
        let status = member.lock().await.status_of("simacan").await;
        newest = newest.max(status["token"]["generation"].as_u64().unwrap_or(0));
    }
    newest
}

fn requests(mock: &Mock) -> (u64, u64) {
    (mock.count(Api::Simacan, Kind::Login), mock.count(Api::Simacan, Kind::Refresh))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes three minutes: tests/fleet"]
async fn fifty_processes_ask_for_tokens_like_one() {
    assert!(Redis::is_here("the large fleet"), "needs redis-server");
    let (mock, redis) = (Arc::new(outside().await), Redis::start().await);
    mock.simacan().lives(LIFE);
    let configuration = Door::to(&mock, Api::Simacan).toml() + &redis.table();
    let mut members = Vec::new();
    for _ in 0..PROCESSES {
        members.push(Arc::new(Mutex::new(member(&configuration).await)));
    }
    println!("{PROCESSES} processes started: {:?} logins and refreshes", requests(&mock));
    mock.forget();
    let before = newest(&members).await;
    let (start, end) = (Instant::now(), Instant::now() + TIME);
    let calls: JoinSet<_> = members.iter().map(|member| load(Arc::clone(member), end)).collect();
    let misfortunes = tokio::spawn(misfortunes(members.clone(), configuration, end));
    let refusals = tokio::spawn(refusals(Arc::clone(&mock), end));
    let _redis = outages(redis, start, end).await;
    let mut statuses = Statuses::new();
    for (status, count) in calls.join_all().await.into_iter().flatten() {
        *statuses.entry(status).or_default() += count;
    }
    let (killed, paused) = misfortunes.await.unwrap();
    let ((logins, refreshes), renewals) = (requests(&mock), newest(&members).await - before);
    let (resent, strict) = (refusals.await.unwrap().len() as u64, strict_bound(renewals));
    println!("{killed} killed, {paused} paused; answers: {statuses:?}");
    println!("{logins} logins, {refreshes} refreshes, {renewals} generations, {resent} refresh tokens sent twice");
    println!("{} token requests; the limit without failures is {strict}", logins + refreshes);
    // A killed process may have made a request without using the reply, and its successor makes another. A refresh
    // token that a resumed process sends again is refused: a request without a generation. One login follows, which is
    // the next generation.
    let bound = strict + killed + resent;
    assert!(logins + refreshes <= bound, "{} token requests; the limit is {bound}", logins + refreshes);
    assert!(resent <= paused, "{resent} refresh tokens sent again, but only {paused} owners were paused");
    assert!(!statuses.contains_key("401"), "{statuses:?}");
}
