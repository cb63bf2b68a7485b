//! An OAuth 2.0 server as in RFC 6749: client authentication by Basic or body, three grants, rotating refresh tokens.

use http::header::WWW_AUTHENTICATE;
use percent_encoding::percent_decode;
use serde_json::{Value, json};

use crate::demo::mock::answer::{EndpointRequest, MockAnswer, bearer, empty, json, set};
use crate::demo::mock::api::OAUTH_USER;
use crate::demo::mock::dialect::Dialect;
use crate::demo::mock::received::Kind;
use crate::demo::mock::tokens::{Session, Worth};
use crate::demo::mock::vendor::Vendor;

pub(in crate::demo::mock) struct Oauth;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl Dialect for Oauth {
    fn token_kind(&self, path: &str, asked: &EndpointRequest) -> Option<Kind> {
        match path {
            "/token" if asked.form("grant_type").as_deref() == Some("refresh_token") => Some(Kind::Refresh),
            "/token" => Some(Kind::Login),
            "/revoke" => Some(Kind::Revoke),
            _ => None,
        }
    }

    fn token_reply(&self, path: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer {
        if asked.method != http::Method::POST {
            return empty(405);
        }
        if asked.header("authorization").is_some() && asked.form("client_secret").is_some() {
            return json(400, &error("invalid_request", "More than one client authentication"));
        }
        if !authenticated(asked, vendor) {
            let mut answer = json(401, &self.refusal(path));
            set(&mut answer, WWW_AUTHENTICATE, "Basic realm=\"demo\"");
            return answer;
        }
        if asked.kind == Kind::Revoke {
            // RFC 7009 §2.2: an unknown token is not an error.
            vendor.tokens.revoke(&asked.form("token").unwrap_or_default());
            return empty(200);
        }
        match session(asked, vendor) {
            Ok(session) => json(200, &grant(asked, asked.form("scope"), session, vendor)),
            Err(code) => json(400, &error(code, "The grant is not accepted")),
        }
    }

    fn refusal(&self, _: &str) -> Value {
        error("invalid_client", "Client authentication failed")
    }

    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>> {
        if let Worth::Good = vendor.worth(bearer(&head.headers).unwrap_or_default()) {
            return Ok(());
        }
        let mut answer = json(401, &self.expired());
        set(&mut answer, WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
        Err(answer.into())
    }

    fn expired(&self) -> Value {
        error("invalid_token", "The access token expired")
    }

    fn sample(&self, _: &str) -> Option<Value> {
        None
    }
}

fn error(code: &str, description: &str) -> Value {
    json!({ "error": code, "error_description": description })
}

/// Basic as in RFC 6749 §2.3.1, or the body, or an assertion, whose signature is not checked.
fn authenticated(asked: &EndpointRequest, vendor: &Vendor) -> bool {
    if let Some(pair) = asked.basic() {
        let mut halves = pair.splitn(2, |&byte| byte == b':').map(form_decoded);
        let (id, secret) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        return vendor.knows(&id, &secret);
    }
    if let (Some(id), Some(secret)) = (asked.form("client_id"), asked.form("client_secret")) {
        return vendor.knows(id.as_bytes(), secret.as_bytes());
    }
    let assertion = asked.form("client_assertion").or_else(|| asked.form("assertion"));
    assertion.is_some_and(|assertion| assertion.split('.').count() == 3)
}

fn form_decoded(half: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = half.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).collect()
}

/// The session that the grant starts or continues; `None` for client credentials, which need no refresh token.
fn session(asked: &EndpointRequest, vendor: &Vendor) -> Result<Option<Session>, &'static str> {
    match asked.form("grant_type").as_deref() {
        Some("client_credentials" | JWT_BEARER) => Ok(None),
        Some("password") => {
            let (name, password) = (asked.form("username"), asked.form("password"));
            let known = name.as_deref() == Some(OAUTH_USER.id) && password.as_deref() == Some(OAUTH_USER.secret);
            if known { Ok(Some(vendor.tokens.session(name))) } else { Err("invalid_grant") }
        }
        Some("refresh_token") => {
            let token = asked.form("refresh_token").ok_or("invalid_request")?;
            vendor.tokens.redeem(&token, vendor.terms().rotates).map(Some).ok_or("invalid_grant")
        }
        Some(_) => Err("unsupported_grant_type"),
        None => Err("invalid_request"),
    }
}

fn grant(asked: &EndpointRequest, scope: Option<String>, session: Option<Session>, vendor: &Vendor) -> Value {
    let subject = session.as_ref().and_then(|session| session.subject.clone());
    let issued = vendor.issue(asked, subject, session);
    let mut reply = json!({ "access_token": issued.token, "token_type": "Bearer" });
    if let Some(value) = vendor.terms().seconds(issued.seconds.into()) {
        reply["expires_in"] = value;
    }
    if let Some(token) = issued.refresh_token {
        reply["refresh_token"] = token.into();
    }
    if let Some(scope) = scope {
        reply["scope"] = scope.into();
    }
    reply
}
