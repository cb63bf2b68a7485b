//! The data path: the life of a request.
//!
//! [`server`] accepts a caller and serves its [`connection`]. A request that comes in there is taken through [`serve`]
//! from its head to its answer: [`route`] finds the [`Upstream`] by listener, host and path; its `access` rules judge the
//! caller; [`headers`] takes away what must not pass, [`target`] joins the path to the base, [`body`] takes the body in.
//! [`forward`] then gets a token from the [`backend`], and sends the request, the token set over it ([`outbound`]), on a
//! connection of the [`pool`]. If the answer is a sign that the token is dead ([`expired`]) it is sent once more with
//! another one. The [`answer`] streams back; when it ends, the connection goes back to the pool and the [`entry`] into the
//! record.
//!
//! Callers and upstreams speak HTTP/1.1 or HTTP/2, each on its own side: a request is HTTP/1.1 inside, and [`version`]
//! says what differs on the wire. hyper speaks to callers; to upstreams the data thread itself does, in HTTP/1.1
//! ([`mod@line`], [`http1`]) or in h2's frames ([`http2`]). What they say ahead of an answer is [`interim`] or [`expect`]ed.
//! An answer's [`reading`] hides which it was. [`upgrade`] leaves HTTP altogether.
//!
//! All of it runs on one thread, in plain cells ([`here`]). Tokens and routes come from outside by pointers that are
//! swapped whole. Waiting has its limits in [`sweep`],
//! what all callers together may take in [`limiter`] and [`memory`]; every failure its row in [`error`].
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
