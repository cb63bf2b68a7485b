//! The effect of replies on a token, with the core around the flow.

use super::*;
use crate::record::TokenRecord;
use crate::token::grant::Generation;
use crate::token::key::TokenKey;
use crate::token::pool::TokenPool;
use crate::token::spec::TokenSpec;
use crate::token::store::memory::MemoryStore;

fn spec(flow: &Flow) -> TokenSpec {
    let mut recipe = RecipeWriter::default();
    flow.write_recipe(&mut recipe);
    TokenSpec {
        key: TokenKey { recipe: recipe.finish(), subject: None },
        store_key: flow.store_key.clone(),
        source: source(flow),
        policy: flow.policy.clone(),
        record: Arc::new(TokenRecord::new("test")),
        prove: false,
    }
}

/// The requests of a flow whose first refresh gets this reply and whose logins succeed.
async fn requested_paths(refused: String) -> Vec<String> {
    let login = ok(r#"{"access_token":"t1","refresh_token":"r1","expires_in":3600}"#);
    let again = ok(r#"{"access_token":"t2","refresh_token":"r2","expires_in":3600}"#);
    let endpoint = Endpoint::start([login, refused, again]).await;
    let flow = shipped("simacan", &[("auth", &endpoint.url), ("username", "u"), ("password", "p")]);
    let pool = TokenPool::start(Arc::new(SystemClock), Arc::new(MemoryStore::default()), fastrand::Rng::with_seed(1));
    let handle = pool.open(spec(&flow));
    handle.usable(Duration::from_secs(5)).await.unwrap();
    let _ = handle.force().await;
    endpoint.calls().iter().filter_map(|call| Some(call.split(' ').nth(1)?.to_owned())).collect()
}

#[tokio::test]
async fn a_refused_refresh_is_followed_by_one_login_regardless_of_the_body() {
    let bodies = [
        "",
        "<html><title>401 Authorization Required</title></html>",
        r#"{"status":401,"error":"Unauthorized"}"#,
        r#"{"error":{"code":401}}"#,
        r#"{"error":true}"#,
        r#"{"error":"invalid_token"}"#,
        r#"{"error":"Refresh token expired"}"#,
        r#"{"error":"invalid_grant"}"#,
    ];
    for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone"] {
        for body in bodies {
            let requested_paths = requested_paths(reply(status, "", body)).await;
            assert_eq!(requested_paths, ["/auth/password", "/auth/refresh", "/auth/password"], "{status} {body}");
        }
    }
}

#[tokio::test]
async fn a_refused_client_or_a_failing_server_is_not_followed_by_a_login() {
    for (status, body) in [
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#),
        ("400 Bad Request", r#"{"error":"unauthorized_client"}"#),
        ("403 Forbidden", ""),
        ("429 Too Many Requests", ""),
        ("500 Internal Server Error", r#"{"error":"invalid_grant"}"#),
        ("302 Found", ""),
        ("200 OK", "<html>"),
        ("200 OK", r#"{"access_token":" \n"}"#),
    ] {
        assert_eq!(
            requested_paths(reply(status, "", body)).await,
            ["/auth/password", "/auth/refresh"],
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn an_invalid_token_does_not_replace_a_valid_one() {
    for bad in ["true", "{}", r#""  ""#, r#""T\u0000""#, r#""T\nU""#] {
        let good = ok(r#"{"access_token":"good","expires_in":3600}"#);
        let endpoint = Endpoint::start([good, ok(&format!("{{\"access_token\":{bad}}}"))]).await;
        let flow = flow(&format!("token = {{ url = \"{}\" }}", endpoint.url), &[]);
        let pool =
            TokenPool::start(Arc::new(SystemClock), Arc::new(MemoryStore::default()), fastrand::Rng::with_seed(1));
        let handle = pool.open(spec(&flow));
        handle.usable(Duration::from_secs(5)).await.unwrap();
        let _ = handle.force().await;
        assert_eq!(endpoint.calls().len(), 2);
        let token = handle.current(SystemClock.now()).unwrap();
        assert_eq!((token.access.expose(), token.generation), ("good", Generation(1)), "{bad}");
        let error = handle.status().last_error.unwrap();
        assert_eq!((error.code, error.action.as_str()), ("token-failing", "wait"));
        assert!(error.message.contains("the token at /access_token"), "{}", error.message);
    }
}
