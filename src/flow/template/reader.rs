//! Reads templates, and checks every name where it is written.

use std::cell::RefCell;
use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, header};

use crate::document::{Node, Problems, nearest};
use crate::flow::template::{Template, days_ahead};

/// Where a template is used, which determines the names that have values there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::flow) enum Use {
    /// Defaults, environments, policy: only variables.
    Setting,
    /// Requests to the token endpoint.
    Request,
    /// Calls to the API, rendered once per token.
    Inject,
}

/// The names that a flow has.
#[derive(Debug, Default)]
pub(in crate::flow) struct FlowNames {
    /// Variables, those of `[env]` included.
    pub(in crate::flow) variables: Vec<String>,
    /// Values that the flow reads from replies besides the token.
    pub(in crate::flow) captures: Vec<String>,
    pub(in crate::flow) subject: bool,
    /// Whether there is a token request.
    pub(in crate::flow) requests: bool,
}

impl FlowNames {
    fn has(&self, name: &str, at: Use) -> bool {
        let is = |list: &[String]| list.iter().any(|own| own == name);
        if is(&self.variables) {
            return true;
        }
        match (at, name) {
            (Use::Setting, _) => false,
            (_, "subject") => self.subject,
            (_, "token") | (Use::Request, "refresh_token") => self.requests,
            (Use::Request, "now" | "uuid") => true,
            (Use::Request, name) if days_ahead(name).is_some() => true,
            _ => is(&self.captures),
        }
    }

    fn hint(&self, name: &str, at: Use) -> Option<String> {
        let hint = match name {
            "subject" if at != Use::Setting => "add `subject = { from = \"header:…\" }`",
            "token" if at == Use::Inject => "the flow makes no token request: add `[token]`, or a variable `token`",
            "refresh_token" if at == Use::Inject => "a refresh token goes to the token endpoint only",
            "now" | "uuid" if at == Use::Inject => "headers for the API are computed once per token, not per call",
            "jwt" => "`[sign]` is not supported yet",
            name if name.starts_with("via.") => "`via` is not supported yet",
            name => {
                let known = self.variables.iter().chain(&self.captures).map(String::as_str);
                return nearest(name, known.chain(["token", "refresh_token", "subject", "now", "uuid"]))
                    .map(|name| format!("did you mean `${{{name}}}`?"))
                    .or_else(|| Some(format!("add it to `[vars]`; known: {}", self.variables.join(", "))));
            }
        };
        Some(hint.to_owned())
    }
}

pub(in crate::flow) struct FlowReader<'p> {
    pub(in crate::flow) problems: &'p Problems,
    pub(in crate::flow) names: FlowNames,
    whole: Node<'p>,
    used: RefCell<BTreeSet<String>>,
}

impl<'p> FlowReader<'p> {
    pub(in crate::flow) fn new(problems: &'p Problems, whole: &Node<'p>, names: FlowNames) -> Self {
        Self { problems, names, whole: whole.clone(), used: RefCell::default() }
    }

    /// Reports a problem with the whole flow.
    pub(in crate::flow) fn whole_error(&self, message: &str, hint: String) {
        self.whole.error(self.problems, message, Some(hint));
    }

    /// Whether a template has used this name.
    pub(in crate::flow) fn has_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    pub(in crate::flow) fn note_use(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// Reads a template and checks its names.
    pub(in crate::flow) fn template(&self, node: &Node<'_>, at: Use) -> Option<Template> {
        self.parse(node, node.text(self.problems)?, at)
    }

    fn parse(&self, node: &Node<'_>, text: &str, at: Use) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(message) => {
                node.error(self.problems, message, None);
                return None;
            }
        };
        for name in template.names() {
            self.note_use(name);
            if !self.names.has(name, at) {
                let message = format!("unknown name `${{{name}}}`");
                node.error(self.problems, message, self.names.hint(name, at));
            }
        }
        Some(template)
    }

    /// Reads a duration, which may be a template.
    pub(in crate::flow) fn duration(&self, node: &Node<'_>) -> Option<Template> {
        let template = match node.as_text() {
            Some(_) => self.template(node, Use::Setting)?,
            None => Template::default(),
        };
        if template.as_text().is_some() {
            node.duration(self.problems)?;
        }
        Some(template)
    }

    /// Reads the values of a table, in the order of writing.
    pub(in crate::flow) fn pairs(&self, node: &Node<'_>, at: Use) -> Vec<(String, Template)> {
        if node.table(self.problems).is_none() {
            return Vec::new();
        }
        let pairs = node.entries().into_iter();
        pairs.filter_map(|value| Some((value.name().to_owned(), self.template(&value, at)?))).collect()
    }

    /// Reads headers; their names may be templates too.
    pub(in crate::flow) fn headers(&self, node: &Node<'_>, at: Use) -> Vec<(Template, Template)> {
        if node.table(self.problems).is_none() {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut headers = Vec::new();
        for value in node.entries() {
            let Some(name) = self.parse(&value, value.name(), Use::Setting) else { continue };
            let Some(template) = self.template(&value, at) else { continue };
            if let Some(Err(message)) = name.as_text().map(header_name) {
                value.error(self.problems, message, None);
            }
            if !seen.insert(value.name().to_ascii_lowercase()) {
                value.error(self.problems, format!("the header `{}` is set twice", value.name()), None);
            }
            if template.texts().any(|text| HeaderValue::from_str(text).is_err()) {
                value.error(self.problems, "a header cannot contain a control character", None);
            }
            headers.push((name, template));
        }
        headers
    }
}

/// A cookie name is a token (RFC 6265).
pub(in crate::flow) fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
}

/// A header name that a flow may set. HTTP itself sets those that frame the message.
pub(in crate::flow) fn header_name(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(text).map_err(|_| format!("invalid header name `{text}`"))?;
    let framing = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    if framing.contains(&name) {
        Err(format!("the header `{name}` cannot be set: HTTP sets it itself"))
    } else {
        Ok(name)
    }
}
