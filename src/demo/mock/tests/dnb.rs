use base64::Engine as _;

use super::super::DNB;
use super::{FORM, Got, World, form};

fn basic(secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{}:{secret}", DNB.id)))
}

async fn login(world: &World, authorization: &str, content_type: &str, fields: &[(&str, &str)]) -> Got {
    let headers = [("authorization", authorization), ("content-type", content_type)];
    world.post(&world.mock.dnb().token_url(), &headers, form(fields)).await
}

const ASK: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "a b")];

#[tokio::test]
async fn a_plain_basic_pair_gets_a_token_with_its_scope() {
    let world = World::new().await;
    let got = login(&world, &basic(DNB.secret), FORM, &ASK).await;
    assert_eq!(got.status, 200);
    assert_eq!((got.text("/scope").as_str(), got.text("/token_type").as_str()), ("a b", "Bearer"));
    assert_eq!(got.json()["expires_in"], 3600);
    assert_eq!(world.call(world.mock.dnb(), "/companies", &got.text("/access_token")).await.status, 200);
}

#[tokio::test]
async fn a_form_encoded_pair_is_refused() {
    let world = World::new().await;
    let encoded: String = url::form_urlencoded::byte_serialize(DNB.secret.as_bytes()).collect();
    let got = login(&world, &basic(&encoded), FORM, &ASK).await;
    assert_eq!((got.status, got.text("/error").as_str()), (401, "invalid_client"));
    assert_eq!(got.text("/error_description"), "Bad credentials");
}

#[tokio::test]
async fn the_form_must_be_one_and_name_grant_and_scope() {
    let world = World::new().await;
    let pair = basic(DNB.secret);
    let errors = [
        login(&world, &pair, "application/json", &ASK).await,
        login(&world, &pair, FORM, &ASK[..1]).await,
        login(&world, &pair, FORM, &[("grant_type", "password")]).await,
    ];
    let errors = errors.map(|got| (got.status, got.text("/error")));
    let codes = ["invalid_request", "invalid_scope", "unsupported_grant_type"];
    assert_eq!(errors, codes.map(|code| (400, code.to_owned())));
    let in_body = [ASK[0], ASK[1], ("client_id", DNB.id), ("client_secret", DNB.secret)];
    assert_eq!(login(&world, "Basic", FORM, &in_body).await.status, 401);
}

#[tokio::test]
async fn the_api_calls_a_dead_token_invalid() {
    let world = World::new().await;
    let token = login(&world, &basic(DNB.secret), FORM, &ASK).await.text("/access_token");
    world.clock.advance(3600);
    for token in [&*token, "wrong"] {
        let got = world.call(world.mock.dnb(), "/companies", token).await;
        assert_eq!((got.status, got.text("/error").as_str()), (401, "invalid_token"));
    }
}
