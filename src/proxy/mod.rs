//! The data path: the life of a request. This page is its map.
//!
//! | stage | what happens there |
//! |---|---|
//! | [`server`] | the data thread: opens and closes listeners, and goes down in phases |
//! | [`caller`] | a caller's connection: accepted, read, parked, ended |
//! | [`request`] | one request from its head to its response, and its one repeat |
//! | [`backend`] | an upstream as the data thread holds it: routes, rendered tokens, pools |
//! | [`upstream`] | connections to the API, in HTTP/1.1 and HTTP/2 |
//! | [`message`] | what is sent, apart from any connection: target, headers, body |
//! | [`limits`] | deadlines, requests in flight, sockets, memory |
//!
//! A stage imports only those below it. [`settings`], [`mod@listen`], [`socket`], [`error`] and [`spawn`] are shared by all.
//! `tests/layering.rs` holds the longest chain of imports between stages.
//!
//! # One request, file by file
//!
//! 1. [`caller::accept`] admits the connection, `caller::preface` tells HTTP/1.1 from HTTP/2, [`caller::connection`] serves it.
//! 2. [`request::serve`] judges the caller and finds the upstream ([`backend::route`], [`backend::worker`]), removes what must
//!    not pass ([`message::headers`]), and takes the body in ([`message::body`]).
//! 3. `request::forward` gets a rendered token from [`backend`]; `request::reconnect` takes a connection of [`upstream::pool`], and
//!    another one if that is dead; `request::send` joins the target to the base ([`message::target`]), puts the headers together,
//!    and sends the attempt ([`message::attempt`]).
//! 4. [`upstream::http1`] or [`upstream::http2`] writes it and reads the response; what comes ahead of it goes through
//!    [`message::interim`] and [`message::expect`].
//! 5. [`request::expiry`] decides whether the token is dead. If so, `request::forward` sends the request once more with a
//!    different token.
//! 6. [`request::response`] streams the body to the caller. When it ends, the connection returns to the pool and
//!    [`request::exchange`] writes the access log and the metrics. [`request::upgrade`] leaves HTTP altogether.
//!
//! All of it runs on one thread, in plain cells ([`backend::worker`]). Tokens and routes come from outside by pointers that
//! are swapped whole. Every failure has its row in [`error`].

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

/// One upstream, whole.
pub struct Upstream {
    /// What it was told.
    pub settings: UpstreamSettings,
    /// What its flow sets, and so never lets through.
    pub owned: Owned,
    /// How its API takes the token.
    pub usage: Arc<dyn Usage>,
    /// Its token, or its tokens.
    pub tokens: Tokens,
    /// TLS towards the API.
    pub tls: Arc<rustls::ClientConfig>,
    /// What happened to its requests.
    pub record: Arc<UpstreamRecord>,
    /// What happened to its tokens.
    pub token_record: Arc<TokenRecord>,
}

/// Where an upstream's requests get their token.
pub enum Tokens {
    /// From one token for all callers.
    One(TokenHandle),
    /// From one per subject, opened on first use.
    PerSubject {
        /// Who is a subject.
        rule: SubjectRule,
        /// Opens a subject's token.
        open: Arc<dyn Fn(&Subject) -> TokenHandle + Send + Sync>,
    },
}
