//! `[expired]`: the responses that mean that the token has expired.

use http::{HeaderMap, HeaderName, StatusCode};

use crate::document::{Node, Problems};
use crate::flow::reply;
use crate::flow::reply::locator::{Located, Locator};
use crate::flow::template::reader::FlowReader;
use crate::token::usage::Verdict;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// gRPC's UNAUTHENTICATED, in responses with status 200.
const GRPC_UNAUTHENTICATED: &str = "16";

/// When a response means that the token must be replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::flow) struct Expired {
    statuses: Vec<StatusCode>,
    when: Vec<When>,
}

/// A condition on a value in the response.
#[derive(Clone, PartialEq, Eq, Debug)]
struct When {
    status: Option<StatusCode>,
    at: Locator,
    values: Vec<String>,
}

impl Expired {
    /// Reads the table. A 401 counts unless `when` is more specific.
    pub(in crate::flow) fn read(reader: &FlowReader<'_>, node: Option<&Node<'_>>) -> Self {
        let problems = reader.problems;
        let mut expired = Self { statuses: vec![StatusCode::UNAUTHORIZED], when: Vec::new() };
        let Some(table) = node.and_then(|node| node.table(problems)) else { return expired };
        let (status, when) = (table.get("status"), table.get("when"));
        table.finish(problems);
        if let Some(node) = &when {
            let entries = node.list(problems).unwrap_or_default();
            expired.when = entries.iter().filter_map(|entry| When::read(entry, problems)).collect();
            expired.statuses.clear();
        }
        if let Some(node) = &status {
            let items = node.list(problems).unwrap_or_default();
            expired.statuses = items.iter().filter_map(|item| status_code(item, problems)).collect();
        }
        expired
    }

    /// Judges a response's head. gRPC's status is in the head only if there is no body (trailers-only).
    pub(in crate::flow) fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        // A scan is cheaper than looking up a header that is almost never there.
        let mut lines = headers.iter();
        let mut grpc = || lines.any(|(name, status)| *name == GRPC_STATUS && status == GRPC_UNAUTHENTICATED);
        if self.statuses.contains(&status) || (self.statuses.contains(&StatusCode::UNAUTHORIZED) && grpc()) {
            return Verdict::Expired;
        }
        let head = Located::new(headers, b"");
        let mut verdict = Verdict::Accepted;
        for when in self.when.iter().filter(|when| when.is_about(status)) {
            if when.holds(&head) {
                return Verdict::Expired;
            }
            if when.at.needs_body() {
                verdict = Verdict::AskBody;
            }
        }
        verdict
    }

    /// Whether a body may be needed.
    pub(in crate::flow) fn reads_bodies(&self) -> bool {
        self.when.iter().any(|when| when.at.needs_body())
    }

    /// Whether a body that is neither a JSON object nor an array can have the value.
    pub(in crate::flow) fn reads_text(&self) -> bool {
        self.when.iter().any(|when| when.at.takes_any_body())
    }

    /// Judges a response's body.
    pub(in crate::flow) fn body_says_expired(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
        let response = Located::new(headers, body);
        self.when.iter().any(|when| when.is_about(status) && when.holds(&response))
    }
}

impl When {
    fn read(node: &Node<'_>, problems: &Problems) -> Option<Self> {
        let table = node.table(problems)?;
        let status = table.get("status").and_then(|node| status_code(&node, problems));
        let at = table.require("at", problems).and_then(|node| reply::locator(&node, problems));
        let values = table.require("in", problems).and_then(|node| node.texts(problems));
        table.finish(problems);
        Some(Self { status, at: at?, values: values? })
    }

    fn is_about(&self, status: StatusCode) -> bool {
        self.status.is_none_or(|own| own == status)
    }

    fn holds(&self, response: &Located<'_>) -> bool {
        self.at.find(response).is_some_and(|found| self.values.contains(&found))
    }
}

fn status_code(node: &Node<'_>, problems: &Problems) -> Option<StatusCode> {
    let number = node.integer(problems)?;
    let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
    if status.is_none() {
        node.error(problems, format!("invalid status {number}"), None);
    }
    status
}

#[cfg(test)]
mod tests;
