//! Why a reply has no token, in words and without secrets.

use std::time::Duration;

use http::{StatusCode, header};

use super::excerpt;
use super::locator::{Located, Locator};
use super::mask::Mask;
use super::server_time;
use super::times;
use crate::flow::client::Reply;
use crate::token::action::Action;
use crate::token::source::{MintError, Outcome};

/// Where servers put error messages, best first.
const ERRORS: [&str; 6] = ["/error_description", "/error", "/errors/0", "/errorMessage", "/errmsg", "/message"];

/// Values of `error` that refuse the client itself, not the grant (RFC 6749 §5.2).
const CLIENT_IS_REFUSED: [&str; 2] = ["invalid_client", "unauthorized_client"];
/// Values of `error` for requests that other credentials would not help.
const REQUEST_IS_WRONG: [&str; 6] = [
    "unauthorized_client",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unsupported_grant_type",
    "unsupported_token_type",
];

/// The error for a reply outside 2xx.
pub(in crate::flow) fn refused(what: &str, reply: &Reply, mask: &Mask) -> MintError {
    let located = Located::new(&reply.headers, &reply.body);
    let text = match reply.headers.get(header::LOCATION).filter(|_| reply.status.is_redirection()) {
        Some(location) => Some(format!("redirects are not followed; this one points to {}", target(location))),
        None => server_message(&located).or_else(|| reply.unread.clone()).or_else(|| excerpt::words(&reply.body)),
    };
    let error = error_code(&located);
    let is = |codes: &[&str]| error.as_deref().is_some_and(|error| codes.contains(&error));
    let outcome = match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Rejected,
        status if may_be_dead(status) && is(&CLIENT_IS_REFUSED) => Outcome::Rejected,
        _ => Outcome::Status,
    };
    let message = sentence(mask, what, &reply.status.to_string(), text);
    MintError {
        grant_is_dead: may_be_dead(reply.status) && !is(&CLIENT_IS_REFUSED),
        retry_after: retry_after(reply),
        action: match outcome {
            Outcome::Rejected => is(&REQUEST_IS_WRONG).then_some(Action::FixConfiguration),
            _ => (!comes_back(reply.status)).then_some(Action::FixConfiguration),
        },
        ..MintError::new(outcome, message)
    }
}

/// Whether a later request may succeed.
fn comes_back(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || later.contains(&status)
}

/// The error for a 2xx reply without a token.
pub(in crate::flow) fn unusable(what: &str, why: &str, reply: &Reply, mask: &Mask) -> MintError {
    let located = Located::new(&reply.headers, &reply.body);
    let text = match (located.json(), &reply.unread) {
        (_, Some(unread)) => Some(unread.clone()),
        (Some(_), None) => server_message(&located),
        (None, None) => Some(excerpt::of_json(&reply.body)),
    };
    MintError::new(Outcome::BadReply, sentence(mask, what, &format!("{}, but {why}", reply.status), text))
}

fn sentence(mask: &Mask, what: &str, status: &str, text: Option<String>) -> String {
    let text = text.map_or_else(String::new, |text| format!(": {}", mask.clean(&text)));
    format!("{what}: {status}{text}")
}

/// The server's error message.
fn server_message(reply: &Located<'_>) -> Option<String> {
    ERRORS.iter().find_map(|pointer| Locator::pointer(pointer).find(reply))
}

/// A redirect's target without its query, which may contain anything.
fn target(location: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(location.as_bytes());
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Whether this status means that the refresh token is dead. The body does not matter: `Unauthorized`, an object or
/// HTML come from frameworks, and are not OAuth error codes.
fn may_be_dead(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE)
}

fn error_code(reply: &Located<'_>) -> Option<String> {
    Locator::pointer("/error").find(reply).map(|code| code.trim().to_owned())
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date by the server's clock.
fn retry_after(reply: &Reply) -> Option<Duration> {
    let text = reply.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let now = server_time(&reply.headers, reply.received_wall, reply.received_wall);
    times::moment(text).map(|at| at.saturating_sub(now))
}

#[cfg(test)]
mod tests;
