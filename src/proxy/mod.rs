//! The data path: the life of a request. This page is its map.
//!
//! | stage | what happens there |
//! |---|---|
//! | [`server`] | runs the data thread: opens and closes listeners, and shuts down in phases |
//! | [`caller`] | serves a caller's connection: accepts, reads, parks and ends it |
//! | [`request`] | serves one request, from its head to its response, and repeats it at most once |
//! | [`backend`] | holds an upstream's state on the data thread: routes, rendered tokens, pools |
//! | [`upstream`] | connects to the API over HTTP/1.1 and HTTP/2 |
//! | [`message`] | builds what is sent, independent of any connection: target, headers, body |
//! | [`limits`] | limits waiting, requests in flight, sockets and memory |
//!
//! A stage imports only those below it. [`settings`], [`mod@listen`], [`socket`], [`error`] and [`spawn`] are shared by all.
//! `tests/layering.rs` enforces this, and limits the longest chain of imports between stages.
//!
//! # One request, file by file
//!
//! 1. [`caller::accept`] accepts the connection, `caller::preface` detects HTTP/1.1 or HTTP/2, and [`caller::connection`] serves
//!    it.
//! 2. [`request::serve`] checks whether the caller may call, finds the upstream ([`backend::route`], [`backend::worker`]),
//!    removes headers that must not be forwarded ([`message::headers`]), and prepares the body ([`message::body`]).
//! 3. `request::forward` gets a rendered token from [`backend`]. `request::reconnect` takes a connection from [`upstream::pool`],
//!    and another if that one is dead. `request::send` joins the target to the base URL ([`message::target`]), builds the headers,
//!    and sends the attempt ([`message::attempt`]).
//! 4. [`upstream::http1`] or [`upstream::http2`] writes the request and reads the response. Interim responses go through
//!    [`message::interim`] and [`message::expect`].
//! 5. [`request::expiry`] decides whether the response rejects the token. If so, `request::forward` repeats the request once with
//!    a different token.
//! 6. [`request::response`] streams the body to the caller. When the body ends, the connection returns to the pool, and
//!    `request::exchange` writes the access log and the metrics. [`request::upgrade`] takes over for WebSocket.
//!
//! All of this runs on one thread, without locks ([`backend::worker`]). Tokens and routes come from other threads through
//! pointers that are swapped atomically. [`error`] has a row for every failure.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

pub mod backend;
mod caller;
mod error;
mod limits;
pub mod listen;
mod message;
mod request;
pub mod server;
pub mod settings;
mod socket;
mod spawn;
mod upstream;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::record::{TokenRecord, UpstreamRecord};
use crate::token::handle::TokenHandle;
use crate::token::key::{Subject, SubjectRule};
use crate::token::patch::Owned;
use crate::token::usage::Usage;
use settings::UpstreamSettings;

/// An upstream: its settings, its tokens and its metrics.
pub struct Upstream {
    pub settings: UpstreamSettings,
    /// What the login flow sets on requests; a caller's own values for it are removed.
    pub owned: Owned,
    /// How the API expects the token.
    pub usage: Arc<dyn Usage>,
    pub tokens: Tokens,
    /// The TLS configuration for the API.
    pub tls: Arc<rustls::ClientConfig>,
    /// Metrics of its requests.
    pub record: Arc<UpstreamRecord>,
    /// Metrics of its tokens.
    pub token_record: Arc<TokenRecord>,
}

/// Where requests to an upstream get their token.
pub enum Tokens {
    /// One token for all callers.
    One(TokenHandle),
    /// One token per subject, opened on first use.
    PerSubject {
        /// How a request names its subject.
        rule: SubjectRule,
        /// Opens the token of a subject.
        open: Arc<dyn Fn(&Subject) -> TokenHandle + Send + Sync>,
    },
}
