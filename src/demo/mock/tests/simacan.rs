use super::super::{Api, Kind, SIMACAN};
use super::{FORM, Got, World, form};

const HEADERS: [(&str, &str); 1] = [("content-type", FORM)];

async fn login(world: &World, password: &str) -> Got {
    let body = form(&[("username", SIMACAN.id), ("password", password)]);
    world.post(&world.mock.simacan().token_url(), &HEADERS, body).await
}

async fn refresh(world: &World, token: &str) -> Got {
    let url = format!("{}/auth/refresh", world.mock.simacan().url());
    world.post(&url, &HEADERS, form(&[("refresh_token", token)])).await
}

#[tokio::test]
async fn a_password_begins_a_session() {
    let world = World::new().await;
    assert!(world.mock.simacan().token_url().ends_with("/auth/password"));
    let got = login(&world, SIMACAN.secret).await;
    assert_eq!((got.status, got.text("/token_type").as_str()), (200, "bearer"));
    assert_eq!(got.json()["expires_in"], 3600);
    assert_eq!(login(&world, "wrong").await.status, 401);
    let url = world.mock.simacan().token_url();
    let json = [("content-type", "application/json")];
    assert_eq!(world.post(&url, &json, "{}").await.status, 415);
    assert_eq!(world.post(&url, &HEADERS, form(&[("username", SIMACAN.id)])).await.status, 400);
}

#[tokio::test]
async fn each_refresh_returns_a_new_refresh_token() {
    let world = World::new().await;
    let first = login(&world, SIMACAN.secret).await.text("/refresh_token");
    let got = refresh(&world, &first).await;
    let second = got.text("/refresh_token");
    assert_ne!(first, second);
    assert_eq!(world.call(world.mock.simacan(), "/trips", &got.text("/access_token")).await.status, 200);
    assert_eq!(refresh(&world, &second).await.status, 200);
    assert_eq!(world.mock.count(Api::Simacan, Kind::Refresh), 2);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_session_and_no_other() {
    let world = World::new().await;
    let other = login(&world, SIMACAN.secret).await;
    let first = login(&world, SIMACAN.secret).await.text("/refresh_token");
    let second = refresh(&world, &first).await;
    assert_eq!(refresh(&world, &first).await.status, 401);
    assert_eq!(refresh(&world, &second.text("/refresh_token")).await.status, 401);
    assert_eq!(world.call(world.mock.simacan(), "/trips", &second.text("/access_token")).await.status, 401);
    assert_eq!(world.call(world.mock.simacan(), "/trips", &other.text("/access_token")).await.status, 200);
    assert_eq!(refresh(&world, &other.text("/refresh_token")).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_survive_the_access_tokens_but_not_their_session() {
    let world = World::new().await;
    let simacan = world.mock.simacan();
    let got = login(&world, SIMACAN.secret).await;
    simacan.expire_tokens();
    assert_eq!(world.call(simacan, "/trips", &got.text("/access_token")).await.status, 401);
    let got = refresh(&world, &got.text("/refresh_token")).await;
    assert_eq!(got.status, 200);
    simacan.end_sessions();
    assert_eq!(refresh(&world, &got.text("/refresh_token")).await.status, 401);
    assert_eq!(world.call(simacan, "/trips", &got.text("/access_token")).await.status, 200);
}
