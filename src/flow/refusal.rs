//! A reply that gave no token, in words for people and without a secret.

use std::time::Duration;

use http::{StatusCode, header};

use super::client::Reply;
use super::locate::{Located, Locator, text_of};
use super::reply::server_time;
use super::times;
use crate::token::source::{MintError, Outcome};

/// Where servers put what they have to say, best first.
const ERRORS: [&str; 6] = ["/error_description", "/error", "/errors/0", "/errorMessage", "/errmsg", "/message"];

/// The most characters of a server's own words that are shown.
const SHOWN: usize = 300;

/// Values that must not be shown, whoever says them.
#[derive(Default)]
pub(super) struct Mask(Vec<String>);

impl Mask {
    /// One more; its form-encoded spelling goes too, because servers quote what they got.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let url = super::shape::encode(secret);
        self.0.extend([secret.to_owned(), form, url]);
        // The longest first: a secret that is part of another one must not break it up.
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self.0.dedup();
    }

    /// The text without them, without control characters, and not too long.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret, "…");
        }
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match clean.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
            None => clean,
        }
    }
}

/// Why a reply that is no success gave no token.
pub(super) fn refused(what: &str, reply: &Reply, mask: &Mask) -> MintError {
    let located = Located::new(&reply.headers, &reply.body);
    let outcome = match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Rejected,
        _ => Outcome::Status,
    };
    let said = match reply.headers.get(header::LOCATION).filter(|_| reply.status.is_redirection()) {
        Some(location) => Some(format!("redirects are not followed; this one goes to {}", target(location))),
        None => said(&located),
    };
    MintError {
        outcome,
        grant_is_dead: grant_is_dead(reply.status, &located),
        retry_after: retry_after(reply),
        message: sentence(mask, what, &reply.status.to_string(), said),
    }
}

/// Why a reply that claims success gave no token.
pub(super) fn unusable(what: &str, why: &str, reply: &Reply, mask: &Mask) -> MintError {
    let said = said(&Located::new(&reply.headers, &reply.body));
    let message = sentence(mask, what, &format!("{}, but {why}", reply.status), said);
    MintError { outcome: Outcome::BadReply, grant_is_dead: false, retry_after: None, message }
}

fn sentence(mask: &Mask, what: &str, status: &str, said: Option<String>) -> String {
    let said = said.map_or_else(String::new, |said| format!(": {}", mask.clean(&said)));
    format!("{what}: {status}{said}")
}

/// The server's own words.
fn said(reply: &Located<'_>) -> Option<String> {
    ERRORS.iter().find_map(|pointer| Locator::pointer(pointer).find(reply))
}

/// A redirect's target without its query, which may hold anything.
fn target(location: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(location.as_bytes());
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// RFC 6749 §5.2: a refresh token is dead when it is refused with `invalid_grant`; servers that name no error mean that.
fn grant_is_dead(status: StatusCode, reply: &Located<'_>) -> bool {
    let refused = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    let error = reply.json().and_then(|json| json.get("error")).filter(|error| !error.is_null());
    refused && error.is_none_or(|error| text_of(error).is_some_and(|text| text.is_empty() || text == "invalid_grant"))
}

/// RFC 9110 §10.2.3: seconds, or a date, which is of the server's clock.
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
