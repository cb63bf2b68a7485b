//! Redis with TLS and a user.

use std::fs;

use bearerd::demo::mock::{Api, Kind};

use crate::support::{Authority, Bearerd, Door, Redis, outside, table};

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn tls_and_a_user_with_no_more_rights_than_needed_will_do() {
    if !Redis::is_here("Redis with TLS") || !Authority::is_possible("Redis with TLS") {
        return;
    }
    let (mock, authority, port) = (outside().await, Authority::new(), free_port());
    let path = |name: &str| authority.path(name);
    authority.issue("redis");
    let rights = "~bearerd:* &bearerd:* +hget +hset +set +get +del +pexpire +eval +publish +subscribe +ping";
    fs::write(path("users.acl"), format!("user default off\nuser proxy on >p@ss:word {rights}\n")).unwrap();
    let (port_text, users) = (port.to_string(), path("users.acl"));
    let (cert, key, ca) = (path("redis.pem"), path("redis.key"), path("ca.pem"));
    let tls = ["--tls-port", &port_text, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let options = [&tls[..], &["--tls-auth-clients", "no", "--aclfile", &users]].concat();
    let _redis = Redis::start_with(&options).await;
    for user in ["proxy:p%40ss%3Aword", "proxy:wrong"] {
        let url = format!("rediss://{user}@localhost:{port}/0");
        let configuration = Door::to(&mock, Api::Simacan).toml() + &table(&url);
        let bearerd = Bearerd::start_with(configuration, |command| {
            command.env("SSL_CERT_FILE", &ca);
        })
        .await;
        bearerd.ready().await;
        let log = bearerd.log().text();
        assert!(!log.contains("p@ss") && !log.contains("p%40ss"), "{log}");
        assert_eq!(bearerd.log().count("Redis is unreachable, and each"), usize::from(user.ends_with("wrong")));
        drop(bearerd);
    }
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 2, "one in Redis, one beside it");
}
