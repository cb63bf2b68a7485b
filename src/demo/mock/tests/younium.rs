use serde_json::json;

use super::super::{LEGAL_ENTITY, LEGAL_ENTITY_ID, Said, YOUNIUM};
use super::{FORM, Got, Method, World, got};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn login(world: &World, path: &str, id: &str, secret: &str) -> Got {
    let body = json!({ "clientId": id, "secret": secret }).to_string();
    world.post(&format!("{}{path}", world.mock.younium().url()), &JSON, body).await
}

#[tokio::test]
async fn auth_v2_answers_in_snake_case_with_the_wrong_weekday() {
    let world = World::new().await;
    let got = login(&world, "/auth/v2/token", YOUNIUM.id, YOUNIUM.secret).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.json()["expires_in"], 86_400);
    assert_eq!(got.text("/expires"), "Thu, 22 Sep 2027 12:00:00 GMT", "a Wednesday, in truth");
    assert!(got.text("/access_token").starts_with("eyJ"));
    assert!(!got.text("/refresh_token").is_empty());
}

#[tokio::test]
async fn auth_v1_answers_in_camel_case() {
    let world = World::new().await;
    let got = login(&world, "/auth/token", YOUNIUM.id, YOUNIUM.secret).await;
    assert_eq!(got.json()["expiresIn"], 86_400);
    assert_eq!(world.call(world.mock.younium(), "/accounts", &got.text("/accessToken")).await.status, 200);
    assert!(got.json().get("access_token").is_none());
}

#[tokio::test]
async fn each_version_has_its_own_error_for_wrong_credentials() {
    let world = World::new().await;
    let v2 = login(&world, "/auth/v2/token", YOUNIUM.id, "wrong").await;
    assert_eq!((v2.status, v2.json()["errors"].as_array().unwrap().len()), (401, 1));
    let v1 = login(&world, "/auth/token", "wrong", YOUNIUM.secret).await;
    assert_eq!(v1.status, 401);
    assert!(v1.json()["error"].is_string());
}

#[tokio::test]
async fn a_login_must_be_a_json_post_with_both_fields() {
    let world = World::new().await;
    let url = world.mock.younium().token_url();
    let body = json!({ "clientId": YOUNIUM.id, "secret": YOUNIUM.secret }).to_string();
    assert_eq!(world.post(&url, &[("content-type", FORM)], body).await.status, 415);
    assert_eq!(world.post(&url, &JSON, json!({ "clientId": YOUNIUM.id }).to_string()).await.status, 400);
    assert_eq!(got(world.request(Method::GET, &url, &JSON)).await.status, 405);
}

#[tokio::test]
async fn accounts_are_shown_in_both_spellings_to_a_good_token_only() {
    let world = World::new().await;
    let younium = world.mock.younium();
    let token = login(&world, "/auth/v2/token", YOUNIUM.id, YOUNIUM.secret).await.text("/access_token");
    for path in ["/accounts", "/Accounts"] {
        assert_eq!(world.call(younium, path, &token).await.json()["totalCount"], 2);
        assert_eq!(world.call(younium, path, "wrong").await.status, 401);
    }
    world.clock.advance(86_399);
    assert_eq!(world.call(younium, "/accounts", &token).await.status, 200);
    world.clock.advance(1);
    assert_eq!(world.call(younium, "/accounts", &token).await.status, 401);
}

#[tokio::test]
async fn an_empty_or_unknown_legal_entity_is_forbidden() {
    let world = World::new().await;
    let token = login(&world, "/auth/v2/token", YOUNIUM.id, YOUNIUM.secret).await.text("/access_token");
    let url = format!("{}/accounts", world.mock.younium().url());
    for (entity, status) in [("", 403), ("Other AB", 403), (LEGAL_ENTITY, 200), (LEGAL_ENTITY_ID, 200)] {
        let headers = [("authorization", &*format!("Bearer {token}")), ("legal-entity", entity)];
        assert_eq!(got(world.request(Method::GET, &url, &headers)).await.status, status, "{entity:?}");
    }
}

#[tokio::test]
async fn a_lifetime_can_be_given_as_a_date_only() {
    let world = World::new().await;
    world.mock.younium().says(Said::DateOnly);
    let got = login(&world, "/auth/v2/token", YOUNIUM.id, YOUNIUM.secret).await;
    assert!(got.json().get("expires_in").is_none());
    assert!(got.json().get("expires").is_some());
}
