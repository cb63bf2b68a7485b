use base64::Engine as _;

use super::super::{OAUTH, OAUTH_USER};
use super::{FORM, Got, World, form};

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

async fn ask(world: &World, authorization: Option<&str>, fields: &[(&str, &str)]) -> Got {
    let mut headers = vec![("content-type", FORM)];
    headers.extend(authorization.map(|value| ("authorization", value)));
    world.post(&world.mock.oauth().token_url(), &headers, form(fields)).await
}

#[tokio::test]
async fn the_client_is_known_by_its_form_encoded_basic_pair_or_by_the_body() {
    let world = World::new().await;
    let grant = ("grant_type", "client_credentials");
    let pair = basic(&encoded(OAUTH.id), &encoded(OAUTH.secret));
    let got = ask(&world, Some(&pair), &[grant, ("scope", "read")]).await;
    assert_eq!((got.status, got.text("/scope").as_str()), (200, "read"));
    assert!(got.json().get("refresh_token").is_none());
    let body = [grant, ("client_id", OAUTH.id), ("client_secret", OAUTH.secret)];
    assert_eq!(ask(&world, None, &body).await.status, 200);
    assert_eq!(ask(&world, Some(&pair), &body).await.text("/error"), "invalid_request");
    let plain = ask(&world, Some(&basic(OAUTH.id, OAUTH.secret)), &[grant]).await;
    assert_eq!((plain.status, plain.text("/error").as_str()), (401, "invalid_client"));
    assert!(plain.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_password_begins_a_session_that_refresh_tokens_continue() {
    let world = World::new().await;
    let pair = basic(&encoded(OAUTH.id), &encoded(OAUTH.secret));
    let password = [("grant_type", "password"), ("username", OAUTH_USER.id), ("password", OAUTH_USER.secret)];
    let first = ask(&world, Some(&pair), &password).await.text("/refresh_token");
    let refresh = |token: String| {
        let (world, pair) = (&world, &pair);
        async move { ask(world, Some(pair), &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await }
    };
    let second = refresh(first.clone()).await.text("/refresh_token");
    let stolen = refresh(first).await;
    assert_eq!((stolen.status, stolen.text("/error").as_str()), (400, "invalid_grant"));
    assert_eq!(refresh(second).await.status, 400);
    world.mock.oauth().rotates(false);
    let given = world.mock.oauth().new_refresh_token();
    assert_eq!(refresh(given.clone()).await.status, 200);
    assert_eq!(refresh(given).await.status, 200);
}

#[tokio::test]
async fn unknown_grants_are_named_as_such() {
    let world = World::new().await;
    let pair = basic(&encoded(OAUTH.id), &encoded(OAUTH.secret));
    let got = ask(&world, Some(&pair), &[("grant_type", "magic")]).await;
    assert_eq!((got.status, got.text("/error").as_str()), (400, "unsupported_grant_type"));
}
