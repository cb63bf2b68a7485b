use super::super::YODLEE;
use super::{FORM, Got, Method, World, form, got};

async fn login(world: &World, headers: &[(&str, &str)], secret: &str) -> Got {
    let headers = [&[("content-type", FORM)], headers].concat();
    world.post(&world.mock.yodlee().token_url(), &headers, form(&[("clientId", YODLEE.id), ("secret", secret)])).await
}

fn anna() -> [(&'static str, &'static str); 2] {
    [("loginName", "anna"), ("Api-Version", "1.1")]
}

#[tokio::test]
async fn a_login_returns_a_nested_token_with_the_vendors_date_formats() {
    let world = World::new().await;
    assert!(world.mock.yodlee().token_url().ends_with("/ysl/auth/token"));
    let got = login(&world, &anna(), YODLEE.secret).await;
    assert_eq!(got.status, 201);
    assert_eq!(got.text("/token/expiresIn"), "1799");
    assert_eq!(got.text("/token/issuedAt"), "2027-09-21t12:00:00z");
    assert_eq!(got.text("/token/accessToken").len(), 28);
}

/// Headers and secret that are sent; status and code that are expected.
type Mistake<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[tokio::test]
async fn every_mistake_of_a_login_has_its_code() {
    let world = World::new().await;
    let long = "x".repeat(151);
    let cases: [Mistake<'_>; 8] = [
        (&anna(), "wrong", 400, "Y301"),
        (&[("Api-Version", "1.1")], YODLEE.secret, 401, "Y016"),
        (&[("loginName", "anna")], YODLEE.secret, 401, "Y016"),
        (&[("loginName", "an"), ("Api-Version", "1.1")], YODLEE.secret, 400, "Y800"),
        (&[("loginName", &long), ("Api-Version", "1.1")], YODLEE.secret, 400, "Y800"),
        (&[("loginName", "an na"), ("Api-Version", "1.1")], YODLEE.secret, 400, "Y800"),
        (&[anna()[0], anna()[1], ("authorization", "Basic eDp5")], YODLEE.secret, 401, "Y015"),
        (&[anna()[0], ("Api-Version", "1.0")], YODLEE.secret, 401, "Y016"),
    ];
    for (headers, secret, status, code) in cases {
        let got = login(&world, headers, secret).await;
        assert_eq!((got.status, got.text("/errorCode").as_str()), (status, code), "{headers:?}");
    }
    let json = [anna()[0], anna()[1], ("content-type", "application/json")];
    let got = world.post(&world.mock.yodlee().token_url(), &json, form(&[("clientId", YODLEE.id)])).await;
    assert_eq!((got.status, got.text("/errorCode").as_str()), (400, "Y303"));
}

#[tokio::test]
async fn a_call_reports_the_user_of_its_token_and_its_errors() {
    let world = World::new().await;
    let yodlee = world.mock.yodlee();
    let token = login(&world, &anna(), YODLEE.secret).await.text("/token/accessToken");
    let echo = world.call(yodlee, "/user", &token).await.json();
    assert_eq!((echo["subject"].as_str(), echo["token"].as_u64()), (Some("anna"), Some(1)));
    assert_eq!(world.call(yodlee, "/user", "wrong").await.text("/errorCode"), "Y020");
    let url = format!("{}/user", yodlee.url());
    let bare = got(world.request(Method::GET, &url, &[("api-version", "1.1")])).await;
    assert_eq!(bare.text("/errorCode"), "Y007");
    assert_eq!(got(world.request(Method::GET, &url, &[])).await.text("/errorCode"), "Y016");
    world.clock.advance(1799);
    let late = world.call(yodlee, "/user", &token).await;
    assert_eq!((late.status, late.text("/errorCode").as_str()), (401, "Y023"));
}

#[tokio::test]
async fn a_revoked_token_is_unknown() {
    let world = World::new().await;
    let yodlee = world.mock.yodlee();
    let token = login(&world, &anna(), YODLEE.secret).await.text("/token/accessToken");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("Api-Version", "1.1")];
    assert_eq!(got(world.request(Method::DELETE, &yodlee.token_url(), &headers)).await.status, 204);
    assert_eq!(world.call(yodlee, "/user", &token).await.text("/errorCode"), "Y020");
    assert_eq!(got(world.request(Method::DELETE, &yodlee.token_url(), &headers)).await.status, 401);
}

#[tokio::test]
async fn nothing_is_served_outside_the_base() {
    let world = World::new().await;
    let url = format!("http://{}/user", world.mock.yodlee().address());
    assert_eq!(got(world.request(Method::GET, &url, &[])).await.status, 404);
}
