//! D&B Europe: client credentials by HTTP Basic, without form-encoding.

use serde_json::{Value, json};

use crate::demo::mock::answer::{EndpointRequest, MockAnswer, bearer, empty, json};
use crate::demo::mock::dialect::Dialect;
use crate::demo::mock::received::Kind;
use crate::demo::mock::tokens::Worth;
use crate::demo::mock::vendor::Vendor;

pub(in crate::demo::mock) struct Dnb;

impl Dialect for Dnb {
    fn token_kind(&self, path: &str, _: &EndpointRequest) -> Option<Kind> {
        matches!(path, "/as/token.oauth2" | "/sandbox/v1/token.oauth2").then_some(Kind::Login)
    }

    fn token_reply(&self, path: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer {
        if asked.method != http::Method::POST {
            return empty(405);
        }
        // The pair is compared as sent: split at the first colon, without decoding.
        let pair = asked.basic().unwrap_or_default();
        let mut halves = pair.splitn(2, |&byte| byte == b':');
        let (id, secret) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        if !vendor.knows(id, secret) {
            return json(401, &self.refusal(path));
        }
        match (asked.form("grant_type").as_deref(), asked.form("scope")) {
            (Some("client_credentials"), Some(scope)) if !scope.is_empty() => json(200, &grant(asked, scope, vendor)),
            (Some("client_credentials"), _) => json(400, &error("invalid_scope", "Scope is missing")),
            (Some(_), _) => json(400, &error("unsupported_grant_type", "Unsupported grant type")),
            (None, _) => json(400, &error("invalid_request", "Missing grant type")),
        }
    }

    fn refusal(&self, _: &str) -> Value {
        error("invalid_client", "Bad credentials")
    }

    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>> {
        match vendor.worth(bearer(&head.headers).unwrap_or_default()) {
            Worth::Good => Ok(()),
            _ => Err(json(401, &self.expired()).into()),
        }
    }

    fn expired(&self) -> Value {
        error("invalid_token", "Invalid Token: token not found, expired or invalid")
    }

    fn sample(&self, path: &str) -> Option<Value> {
        let company =
            json!({ "country": "SE", "registrationNumber": "5560000000", "name": "Acme AB", "rating": "AAA" });
        (path == "/companies").then(|| json!({ "companies": [company] }))
    }
}

fn error(code: &str, description: &str) -> Value {
    json!({ "error": code, "error_description": description })
}

fn grant(asked: &EndpointRequest, scope: String, vendor: &Vendor) -> Value {
    let issued = vendor.issue(asked, None, None);
    let mut reply = json!({ "access_token": issued.token, "scope": scope, "token_type": "Bearer" });
    if let Some(value) = vendor.terms().seconds(issued.seconds.into()) {
        reply["expires_in"] = value;
    }
    reply
}
