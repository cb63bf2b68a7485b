//! The data path.

pub mod settings;

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
