//! Younium: JSON logins. Auth v1 and v2 differ in field names and error format.

use serde_json::{Map, Value, json};

use crate::demo::mock::answer::{EndpointRequest, MockAnswer, bearer, empty, http_date, json};
use crate::demo::mock::api::{LEGAL_ENTITY, LEGAL_ENTITY_ID};
use crate::demo::mock::dialect::Dialect;
use crate::demo::mock::received::Kind;
use crate::demo::mock::tokens::Worth;
use crate::demo::mock::vendor::Vendor;

pub(in crate::demo::mock) struct Younium;

const V1: &str = "/auth/token";
const V2: &str = "/auth/v2/token";

impl Dialect for Younium {
    fn token_kind(&self, path: &str, _: &EndpointRequest) -> Option<Kind> {
        matches!(path, V1 | V2).then_some(Kind::Login)
    }

    fn token_reply(&self, path: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer {
        if asked.method != http::Method::POST {
            return empty(405);
        }
        if !asked.is("application/json") {
            return empty(415);
        }
        let (Some(id), Some(secret)) = (asked.json("clientId"), asked.json("secret")) else {
            return json(400, &error(path, "The fields clientId and secret are required."));
        };
        if !vendor.knows(id.as_bytes(), secret.as_bytes()) {
            return json(401, &self.refusal(path));
        }
        json(200, &grant(asked, path == V1, vendor))
    }

    fn refusal(&self, path: &str) -> Value {
        error(path, "Invalid client id or secret.")
    }

    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>> {
        let token = bearer(&head.headers).unwrap_or_default();
        let Worth::Good = vendor.worth(token) else {
            return Err(json(401, &self.expired()).into());
        };
        let entity = head.headers.get("legal-entity").map(http::HeaderValue::as_bytes);
        match entity {
            Some(name) if name != LEGAL_ENTITY.as_bytes() && name != LEGAL_ENTITY_ID.as_bytes() => {
                Err(json(403, &json!({ "errors": ["The legal entity was not found."] })).into())
            }
            _ => Ok(()),
        }
    }

    fn expired(&self) -> Value {
        json!({ "errors": ["The access token is missing, expired or invalid."] })
    }

    fn sample(&self, path: &str) -> Option<Value> {
        let account = |number: &str, name: &str| {
            json!({ "accountNumber": number, "name": name, "accountType": "Customer", "currencyCode": "SEK",
                "legalEntity": LEGAL_ENTITY })
        };
        let accounts = [account("A-100001", "Northwind Traders AB"), account("A-100002", "Fjällräven Kaffe AB")];
        path.eq_ignore_ascii_case("/accounts")
            .then(|| json!({ "data": accounts, "pageNumber": 1, "pageSize": 100, "totalPages": 1, "totalCount": 2 }))
    }
}

fn error(path: &str, message: &str) -> Value {
    if path == V1 { json!({ "error": message }) } else { json!({ "errors": [message] }) }
}

fn grant(asked: &EndpointRequest, v1: bool, vendor: &Vendor) -> Value {
    let issued = vendor.issue(asked, None, None);
    let terms = vendor.terms();
    let [token, refresh, seconds] =
        if v1 { ["accessToken", "refreshToken", "expiresIn"] } else { ["access_token", "refresh_token", "expires_in"] };
    let mut reply = Map::new();
    reply.insert(token.into(), issued.token.into());
    // No endpoint accepts it; the documentation describes none.
    reply.insert(refresh.into(), vendor.tokens.dead_refresh_token().into());
    if let Some(value) = terms.seconds(issued.seconds.into()) {
        reply.insert(seconds.into(), value);
    }
    if terms.says_date() {
        // Its weekday is off by one day, as in the vendor's own example.
        reply.insert("expires".into(), http_date(issued.ends, 1).into());
    }
    reply.into()
}
