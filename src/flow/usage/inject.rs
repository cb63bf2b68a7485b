//! `[inject]`: what API calls get.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::expired::Expired;
use crate::document::Node;
use crate::flow::address::Hosts;
use crate::flow::request::UrlPolicy;
use crate::flow::request::parts::{self, RequestParts, bind_headers};
use crate::flow::template::Template;
use crate::flow::template::binder::Binder;
use crate::flow::template::reader::{FlowReader, Use};
use crate::token::grant::Token;
use crate::token::patch::{Owned, Patch};
use crate::token::usage::{PatchError, Usage, Verdict};

/// What API calls get.
#[derive(Clone)]
pub(in crate::flow) struct Inject {
    pub(in crate::flow) parts: RequestParts,
    pub(in crate::flow) defaults: Vec<(Template, Template)>,
}

impl Inject {
    /// Reads the table. By default the token is a bearer token (RFC 6750).
    pub(in crate::flow) fn read(reader: &FlowReader<'_>, node: Option<&Node<'_>>) -> Self {
        let mut inject = Self { parts: RequestParts::default(), defaults: Vec::new() };
        if let Some(table) = node.and_then(|node| node.table(reader.problems)) {
            inject.parts = RequestParts::read(reader, &table, Use::Inject);
            let defaults = table.get("defaults");
            inject.defaults = defaults.map_or_else(Vec::new, |node| reader.headers(&node, Use::Inject));
            table.finish(reader.problems);
        }
        if inject.parts.is_empty() {
            inject.parts.headers.extend(bearer(reader, node));
        }
        inject
    }

    /// Fills in the variables.
    pub(in crate::flow) fn bind(&self, binder: &Binder<'_>) -> Self {
        Self { parts: self.parts.bind(binder), defaults: bind_headers(&self.defaults, binder) }
    }

    /// The names that callers cannot set. Headers with an empty value are left to the caller.
    pub(in crate::flow) fn owned(&self) -> Owned {
        let names = |pairs: &[(String, Template)]| pairs.iter().map(|(name, _)| name.clone()).collect();
        Owned {
            headers: self.parts.header_names(),
            query: names(&self.parts.query),
            cookies: names(&self.parts.cookies),
        }
    }
}

fn bearer(reader: &FlowReader<'_>, node: Option<&Node<'_>>) -> Option<(Template, Template)> {
    reader.note_use("token");
    if !reader.names.requests && !reader.names.variables.iter().any(|name| name == "token") {
        let hint = "add `[token]`, or an `[inject]` that uses the variables".to_owned();
        match node {
            Some(node) => node.error(reader.problems, "there is no token to inject", Some(hint)),
            None => reader.whole_error("the flow gets no token and injects nothing", hint),
        }
    }
    let value = Template::parse("Bearer ${token}").ok()?;
    Some((Template::literal("Authorization"), value))
}

/// How one upstream's API receives the token and reports that it has expired.
pub(in crate::flow) struct FlowUsage {
    pub(in crate::flow) inject: Inject,
    pub(in crate::flow) expired: Expired,
    /// Whether there is anything to renew: flows without a token request have nothing.
    pub(in crate::flow) renews: bool,
    /// The API's base URL, if only the login's reply names it.
    pub(in crate::flow) base: Option<Template>,
    pub(in crate::flow) hosts: Hosts,
    pub(in crate::flow) captures: Vec<String>,
    pub(in crate::flow) origin: Option<String>,
    pub(in crate::flow) plaintext: bool,
}

impl FlowUsage {
    /// The base, and whether the reply chose its host.
    fn base(&self, values: &dyn Fn(&str) -> Option<String>) -> Result<(Option<String>, bool), String> {
        let Some(template) = &self.base else { return Ok((None, false)) };
        let url_policy = UrlPolicy {
            plaintext: self.plaintext,
            hosts: &self.hosts,
            captures: &self.captures,
            origin: self.origin.as_deref(),
        };
        let url = url_policy.url(template, &values)?;
        if url.query().is_some() {
            return Err("the API's URL has a query".to_owned());
        }
        let is_chosen = url_policy.is_chosen(template, &url);
        Ok((Some(url.into()), is_chosen))
    }
}

impl Usage for FlowUsage {
    fn patch(&self, token: &Token) -> Result<Patch, PatchError> {
        let values = |name: &str| match name {
            "token" => Some(token.access.expose().to_owned()).filter(|text| !text.is_empty()),
            "subject" => token.subject.as_ref().map(|subject| subject.as_str().to_owned()),
            name => token.captures.get(name).map(|value| value.expose().to_owned()),
        };
        let patch = || {
            let (base, base_is_chosen) = self.base(&values)?;
            Ok(Patch {
                headers: self.inject.parts.render_headers(&values)?,
                defaults: parts::render_headers(&self.inject.defaults, &values)?,
                query: self.inject.parts.render_query(&values),
                cookies: self.inject.parts.render_cookies(&values)?,
                base,
                base_is_chosen,
            })
        };
        let mut patch: Patch = patch().map_err(PatchError)?;
        // There may be one per subject: frees unused capacity.
        patch.headers.shrink_to_fit();
        patch.defaults.shrink_to_fit();
        patch.query.shrink_to_fit();
        patch.cookies.shrink_to_fit();
        Ok(patch)
    }

    fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        if self.renews { self.expired.verdict(status, headers) } else { Verdict::Accepted }
    }

    fn body_says_expired(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
        self.renews && self.expired.body_says_expired(status, headers, body)
    }

    fn reads_bodies(&self) -> bool {
        self.renews && self.expired.reads_bodies()
    }

    fn reads_text(&self) -> bool {
        self.renews && self.expired.reads_text()
    }
}

/// For [`crate::flow::Flow`].
pub(in crate::flow) fn usage(usage: FlowUsage) -> Arc<dyn Usage> {
    Arc::new(usage)
}
