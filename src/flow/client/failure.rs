//! Why a request got no reply, in words. Never with a URL, whose query may contain a secret.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use super::reply::NoReply;
use super::resolver::PrivateAddress;
use crate::token::source::Outcome;

/// The reply started and did not end.
#[derive(Debug, thiserror::Error)]
#[error("the reply was cut off")]
pub(super) struct ReplyCut(#[source] pub(super) reqwest::Error);

/// The reply is larger than any token.
#[derive(Debug, thiserror::Error)]
#[error("the reply is larger than 1 MiB")]
pub(super) struct TooLarge;

/// The error of a request that timed out.
pub(super) fn late(timeout: Duration, began: bool) -> NoReply {
    let what = if began { "the reply started but did not end" } else { "no reply" };
    NoReply { outcome: Outcome::Timeout, why: format!("{what} within {} s", timeout.as_secs_f32()) }
}

/// Explains a failed request.
pub(super) fn explain(error: &(dyn Error + 'static)) -> NoReply {
    let no_reply = |outcome, why: &str| NoReply { outcome, why: why.to_owned() };
    if error.is::<TooLarge>() {
        return no_reply(Outcome::BadReply, &error.to_string());
    }
    if let Some(ReplyCut(cause)) = error.downcast_ref() {
        let why = if cause.is_timeout() { "the reply took too long" } else { "the reply was cut off" };
        return no_reply(Outcome::BadReply, why);
    }
    match error.downcast_ref::<reqwest::Error>() {
        Some(cause) if cause.is_connect() => NoReply { outcome: Outcome::Connect, why: connecting(cause) },
        Some(cause) if cause.is_timeout() => no_reply(Outcome::Timeout, "no reply in time"),
        Some(cause) if cause.is_builder() => no_reply(Outcome::BadReply, "the request cannot be sent"),
        _ => no_reply(Outcome::BadReply, "the connection closed before a reply"),
    }
}

fn connecting(error: &reqwest::Error) -> String {
    let chain: Vec<_> = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| deeper(*error)).collect();
    let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return format!("TLS failed: {}", certificate(tls).map_or_else(|| tls.to_string(), str::to_owned));
    }
    if let Some(private) = chain.iter().find_map(|error| error.downcast_ref::<PrivateAddress>()) {
        return private.to_string();
    }
    if chain.iter().any(|error| error.to_string().starts_with("dns error")) {
        return "the host name cannot be resolved".to_owned();
    }
    let kinds: Vec<_> = chain.iter().filter_map(|error| Some(error.downcast_ref::<std::io::Error>()?.kind())).collect();
    if kinds.contains(&ErrorKind::ConnectionRefused) {
        return "the connection was refused: nothing listens there".to_owned();
    }
    if error.is_timeout() || kinds.contains(&ErrorKind::TimedOut) {
        return "the host did not respond in time".to_owned();
    }
    match chain.last() {
        Some(last) if chain.len() > 1 => format!("cannot connect: {last}"),
        _ => "cannot connect".to_owned(),
    }
}

/// The next cause. An I/O error has its cause one level deeper.
fn deeper<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

fn certificate(error: &rustls::Error) -> Option<&'static str> {
    use rustls::CertificateError as Wrong;
    let rustls::Error::InvalidCertificate(wrong) = error else { return None };
    match wrong {
        Wrong::UnknownIssuer => Some("its certificate is not signed by a trusted root (see `tls.ca`)"),
        Wrong::Expired | Wrong::ExpiredContext { .. } => Some("its certificate has expired"),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            Some("its certificate is not valid yet: check the clock")
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => Some("its certificate is for another name"),
        _ => None,
    }
}
