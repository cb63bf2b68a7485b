//! Simacan: one password login, then rotating refresh tokens. Reuse of one ends the session.

use serde_json::{Value, json};

use crate::demo::mock::answer::{EndpointRequest, MockAnswer, bearer, empty, json};
use crate::demo::mock::dialect::Dialect;
use crate::demo::mock::received::Kind;
use crate::demo::mock::tokens::{Session, Worth};
use crate::demo::mock::vendor::Vendor;

pub(in crate::demo::mock) struct Simacan;

impl Dialect for Simacan {
    fn token_kind(&self, path: &str, _: &EndpointRequest) -> Option<Kind> {
        match path {
            "/auth/password" => Some(Kind::Login),
            "/auth/refresh" => Some(Kind::Refresh),
            _ => None,
        }
    }

    fn token_reply(&self, path: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer {
        if asked.method != http::Method::POST {
            return empty(405);
        }
        if !asked.is("application/x-www-form-urlencoded") {
            return empty(415);
        }
        let session = if asked.kind == Kind::Refresh { refresh(asked, vendor) } else { login(asked, vendor) };
        match session {
            Ok(session) => json(200, &grant(asked, session, vendor)),
            Err(400) => json(400, &json!({ "message": "A field is missing" })),
            Err(status) => json(status, &self.refusal(path)),
        }
    }

    fn refusal(&self, _: &str) -> Value {
        json!({ "message": "Unauthorized" })
    }

    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>> {
        match vendor.worth(bearer(&head.headers).unwrap_or_default()) {
            Worth::Good => Ok(()),
            _ => Err(json(401, &self.expired()).into()),
        }
    }

    fn expired(&self) -> Value {
        json!({ "message": "Unauthorized" })
    }

    fn sample(&self, path: &str) -> Option<Value> {
        let trip = json!({ "id": "trip-7", "from": "Amersfoort", "to": "Utrecht", "status": "EN_ROUTE" });
        (path == "/trips").then(|| json!({ "trips": [trip] }))
    }
}

fn login(asked: &EndpointRequest, vendor: &Vendor) -> Result<Session, u16> {
    let username = asked.form("username").ok_or(400_u16)?;
    let password = asked.form("password").ok_or(400_u16)?;
    if !vendor.knows(username.as_bytes(), password.as_bytes()) {
        return Err(401);
    }
    Ok(vendor.tokens.session(None))
}

fn refresh(asked: &EndpointRequest, vendor: &Vendor) -> Result<Session, u16> {
    let token = asked.form("refresh_token").ok_or(400_u16)?;
    vendor.tokens.redeem(&token, vendor.terms().rotates).ok_or(401)
}

fn grant(asked: &EndpointRequest, session: Session, vendor: &Vendor) -> Value {
    let issued = vendor.issue(asked, None, Some(session));
    let mut reply = json!({ "access_token": issued.token, "refresh_token": issued.refresh_token,
        "token_type": "bearer" });
    if let Some(value) = vendor.terms().seconds(issued.seconds.into()) {
        reply["expires_in"] = value;
    }
    reply
}
