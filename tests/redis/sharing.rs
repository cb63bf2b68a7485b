//! One account, three processes.

use std::collections::BTreeSet;
use std::time::Duration;

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};

use crate::support::{Bearerd, Door, Redis, eventually, get, outside, post};

/// How long a renewal may take to reach every process.
const SOON: Duration = Duration::from_secs(1);

struct Fleet {
    mock: Mock,
    redis: Redis,
    members: Vec<Bearerd>,
}

impl Fleet {
    async fn start(life: Duration) -> Self {
        let (mock, redis) = (outside().await, Redis::start().await);
        mock.simacan().lives(life);
        let mut fleet = Self { mock, redis, members: Vec::new() };
        for _ in 0..3 {
            fleet.join().await;
        }
        fleet
    }

    async fn join(&mut self) {
        let configuration = Door::to(&self.mock, Api::Simacan).toml() + &self.redis.table();
        let member = Bearerd::start(configuration).await;
        member.ready().await;
        self.members.push(member);
    }

    fn logins_and_refreshes(&self) -> (u64, u64) {
        (self.mock.count(Api::Simacan, Kind::Login), self.mock.count(Api::Simacan, Kind::Refresh))
    }

    async fn generations(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for member in &self.members {
            all.push(member.status_of("simacan").await["token"]["generation"].as_u64().unwrap());
        }
        all
    }

    async fn tokens(&self) -> BTreeSet<String> {
        let before = self.mock.received_by(Api::Simacan, Kind::Call).len();
        self.statuses().await;
        let calls = self.mock.received_by(Api::Simacan, Kind::Call).split_off(before);
        calls.iter().map(|call| call.header("authorization").unwrap().to_owned()).collect()
    }

    async fn statuses(&self) -> Vec<u16> {
        let mut all = Vec::new();
        for member in &self.members {
            all.push(get(&member.url("simacan", "/trips")).await.status);
        }
        all
    }
}

#[tokio::test]
async fn all_use_the_token_of_one_login_and_one_renewal_reaches_all_within_a_second() {
    if !Redis::is_here("one renewal reaches all") {
        return;
    }
    let fleet = Fleet::start(Duration::from_secs(3600)).await;
    assert_eq!((fleet.logins_and_refreshes(), fleet.generations().await), ((1, 0), vec![1, 1, 1]));
    assert_eq!(fleet.members[1].refresh("simacan").await.status, 200);
    let all_have_it = async { eventually("all have it", || async { fleet.generations().await == [2, 2, 2] }).await };
    tokio::time::timeout(SOON, all_have_it).await.expect("within a second");
    assert_eq!((fleet.logins_and_refreshes(), fleet.statuses().await), ((1, 1), vec![200; 3]));
}

#[tokio::test]
async fn renewals_in_time_are_one_request_each() {
    if !Redis::is_here("renewals are one request each") {
        return;
    }
    let fleet = Fleet::start(Duration::from_secs(4)).await;
    eventually("four generations", || async { fleet.generations().await.iter().all(|it| *it >= 4) }).await;
    let (newest, (logins, refreshes)) = (fleet.generations().await[0], fleet.logins_and_refreshes());
    assert!(logins == 1 && refreshes <= newest, "{logins} logins, {refreshes} refreshes for {newest} generations");
}

#[tokio::test]
async fn a_401_at_all_at_once_renews_once_for_all() {
    if !Redis::is_here("a 401 renews for all") {
        return;
    }
    let fleet = Fleet::start(Duration::from_secs(3600)).await;
    fleet.mock.simacan().expire_tokens();
    let calls = fleet.members.iter().map(|member| {
        tokio::spawn({
            let url = member.url("simacan", "/trips");
            async move { get(&url).await.status }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((fleet.logins_and_refreshes(), fleet.generations().await), ((1, 1), vec![2, 2, 2]));
}

#[tokio::test]
async fn grants_in_redis_are_encrypted_and_expire() {
    if !Redis::is_here("encryption of grants in Redis") {
        return;
    }
    let fleet = Fleet::start(Duration::from_secs(3600)).await;
    let key = fleet.redis.ask(&["--raw", "keys", "bearerd:*"]);
    let key = key.trim();
    assert!(key.starts_with("bearerd:{simacan-") && !key.contains('\n'), "{key}: one key, no lease left behind");
    let content = fleet.redis.ask(&["--raw", "hgetall", key]);
    assert!(content.contains("sealed"), "{content}");
    assert!(fleet.mock.secrets().iter().all(|secret| !content.contains(secret)), "{content}");
    assert!(fleet.redis.ask(&["--raw", "ttl", key]).trim().parse::<i64>().unwrap() > 3600);
}

#[tokio::test]
async fn without_redis_each_process_continues_and_they_rejoin() {
    if !Redis::is_here("Redis goes away") {
        return;
    }
    let mut fleet = Fleet::start(Duration::from_secs(8)).await;
    fleet.redis.kill();
    eventually("three separate logins", || async { fleet.logins_and_refreshes().0 >= 4 }).await;
    assert_eq!(fleet.logins_and_refreshes().1, 0, "nobody sent the shared refresh token");
    assert_eq!(fleet.statuses().await, [200; 3]);
    fleet.redis.again().await;
    eventually("all use one token again", || async { fleet.tokens().await.len() == 1 }).await;
    let (logins, refreshes) = fleet.logins_and_refreshes();
    eventually("a refresh", || async { fleet.logins_and_refreshes().1 > refreshes }).await;
    eventually("all use its token", || async { fleet.tokens().await.len() == 1 }).await;
    assert_eq!(fleet.logins_and_refreshes().0, logins, "shared again");
    for member in &fleet.members {
        let (away, back) = (member.log().count("Redis is unreachable, and each"), member.log().count("Redis is back"));
        assert_eq!((away, back), (1, 1), "said once");
    }
}

#[tokio::test]
async fn a_process_suspended_past_its_lease_adopts_the_token_of_the_others() {
    if !Redis::is_here("a lease is lost") {
        return;
    }
    let fleet = Fleet::start(Duration::from_secs(3600)).await;
    fleet.mock.simacan().set(Kind::Refresh, Behaviour::Stall);
    let order = fleet.members[0].admin_url("/refresh?upstream=simacan");
    let order = tokio::spawn(async move { post(&order, "").await });
    eventually("it has asked", || async { fleet.logins_and_refreshes().1 == 1 }).await;
    fleet.members[0].signal("STOP");
    fleet.mock.simacan().release(Kind::Refresh);
    assert_eq!(fleet.members[1].refresh("simacan").await.status, 200);
    fleet.members[0].signal("CONT");
    order.await.unwrap();
    eventually("all use one token", || async { fleet.tokens().await.len() == 1 }).await;
    assert_eq!(fleet.logins_and_refreshes(), (2, 1), "the mark says that the refresh token was sent: one login");
}
