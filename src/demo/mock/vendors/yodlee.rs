//! Yodlee: a token per user, a nested reply, 400 for wrong credentials, and its own error codes.

use http::HeaderMap;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::demo::mock::answer::{EndpointRequest, MockAnswer, bearer, empty, json};
use crate::demo::mock::dialect::Dialect;
use crate::demo::mock::event::What;
use crate::demo::mock::received::Kind;
use crate::demo::mock::tokens::Worth;
use crate::demo::mock::vendor::Vendor;

pub(in crate::demo::mock) struct Yodlee;

impl Dialect for Yodlee {
    fn token_kind(&self, path: &str, asked: &EndpointRequest) -> Option<Kind> {
        let kind = if asked.method == http::Method::DELETE { Kind::Revoke } else { Kind::Login };
        (path == "/auth/token").then_some(kind)
    }

    fn token_reply(&self, _: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer {
        if asked.kind == Kind::Revoke {
            return revoke(&asked.headers, vendor);
        }
        if asked.method != http::Method::POST {
            return empty(405);
        }
        match login_name(asked, vendor) {
            Ok(name) => json(201, &grant(asked, name, vendor)),
            Err((status, body)) => json(status, &body),
        }
    }

    fn refusal(&self, _: &str) -> Value {
        error("Y301", "Invalid clientId or secret")
    }

    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>> {
        let refuse = |body: Value| Err(json(401, &body).into());
        if !head.headers.contains_key("api-version") {
            return refuse(error("Y016", "Missing HTTP header: Api-Version"));
        }
        let Some(token) = bearer(&head.headers) else {
            return refuse(error("Y007", "Missing HTTP header: Authorization"));
        };
        match vendor.worth(token) {
            Worth::Good => Ok(()),
            Worth::Expired(_) => refuse(self.expired()),
            Worth::Unknown => refuse(error("Y020", "Invalid token in authorization header")),
        }
    }

    fn expired(&self) -> Value {
        error("Y023", "Token has expired")
    }

    fn sample(&self, path: &str) -> Option<Value> {
        let account = json!({ "id": 10_041_001, "accountName": "Everyday checking", "accountStatus": "ACTIVE",
            "balance": { "amount": 1541.2, "currency": "USD" } });
        (path == "/accounts").then(|| json!({ "account": [account] }))
    }
}

fn error(code: &str, message: &str) -> Value {
    json!({ "errorCode": code, "errorMessage": message, "referenceCode": "demo" })
}

/// The user of a valid token request.
fn login_name(asked: &EndpointRequest, vendor: &Vendor) -> Result<String, (u16, Value)> {
    if asked.header("authorization").is_some() {
        return Err((401, error("Y015", "Unexpected HTTP header: Authorization")));
    }
    let (Some(name), Some("1.1")) = (asked.header("loginname"), asked.header("api-version")) else {
        return Err((401, error("Y016", "Missing HTTP header: loginName or Api-Version")));
    };
    if !(3..=150).contains(&name.chars().count()) || name.contains(char::is_whitespace) {
        return Err((400, error("Y800", "Invalid value for loginName")));
    }
    let (Some(id), Some(secret)) = (asked.form("clientId"), asked.form("secret")) else {
        return Err((400, error("Y303", "clientId or secret missing")));
    };
    if !vendor.knows(id.as_bytes(), secret.as_bytes()) {
        return Err((400, Yodlee.refusal("")));
    }
    Ok(name.to_owned())
}

fn grant(asked: &EndpointRequest, name: String, vendor: &Vendor) -> Value {
    let issued = vendor.issue(asked, Some(name), None);
    let terms = vendor.terms();
    let at = OffsetDateTime::from(vendor.wall());
    let (date, (hour, minute, second)) = (at.date(), at.to_hms());
    let issued_at = format!("{date}t{hour:02}:{minute:02}:{second:02}z");
    let mut token = json!({ "accessToken": issued.token, "issuedAt": issued_at });
    if let Some(value) = terms.seconds(issued.seconds.to_string().into()) {
        token["expiresIn"] = value;
    }
    json!({ "token": token })
}

fn revoke(headers: &HeaderMap, vendor: &Vendor) -> MockAnswer {
    match bearer(headers).and_then(|token| vendor.tokens.revoke(token)) {
        Some(number) => {
            vendor.tell(What::Revoked { number });
            empty(204)
        }
        None => json(401, &error("Y020", "Invalid token in authorization header")),
    }
}
