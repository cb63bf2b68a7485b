//! What a flow's requests and its injection have in common: Basic credentials, headers, query, cookies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::document::{Node, Table};
use crate::flow::template::binder::Binder;
use crate::flow::template::reader::{FlowReader, Use, header_name, is_cookie_name};
use crate::flow::template::{Lookup, Template};
use crate::token::key::RecipeWriter;
use crate::token::patch::CasedName;

/// All characters except the unreserved ones of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes one component of a URL.
pub(in crate::flow) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The parts of a request besides method, URL and body.
#[derive(Clone, PartialEq, Eq, Default)]
pub(in crate::flow) struct RequestParts {
    pub(in crate::flow) basic: Option<Basic>,
    pub(in crate::flow) headers: Vec<(Template, Template)>,
    pub(in crate::flow) query: Vec<(String, Template)>,
    pub(in crate::flow) cookies: Vec<(String, Template)>,
}

/// Basic credentials (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub(in crate::flow) struct Basic {
    user: Template,
    password: Template,
    scheme: Template,
    /// Whether the pair is form-encoded first (RFC 6749 §2.3.1).
    form: bool,
}

impl RequestParts {
    /// Reads the keys of these parts; the table may have others.
    pub(in crate::flow) fn read(reader: &FlowReader<'_>, table: &Table<'_>, at: Use) -> Self {
        let form = table.get("encode").is_some_and(|node| reads_form(reader, &node));
        let parts = Self {
            basic: table.get("basic").and_then(|node| Basic::read(reader, &node, at, form)),
            headers: table.get("headers").map_or_else(Vec::new, |node| reader.headers(&node, at)),
            query: table.get("query").map_or_else(Vec::new, |node| reader.pairs(&node, at)),
            cookies: table.get("cookies").map_or_else(Vec::new, |node| cookies(reader, &node, at)),
        };
        let is_authorization =
            |name: &Template| name.as_text().is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
        if parts.basic.is_some() && parts.headers.iter().any(|(name, _)| is_authorization(name)) {
            table.node().error(reader.problems, "`basic` and `headers.authorization` set the same header", None);
        }
        parts
    }

    pub(in crate::flow) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fills in the variables, and drops parts that are not sent.
    pub(in crate::flow) fn bind(&self, binder: &Binder<'_>) -> Self {
        Self {
            basic: self.basic.as_ref().and_then(|basic| basic.bind(binder)),
            headers: bind_headers(&self.headers, binder),
            query: binder.pairs(&self.query),
            cookies: binder.pairs(&self.cookies),
        }
    }

    /// All its templates.
    pub(in crate::flow) fn templates(&self) -> Vec<&Template> {
        let basic = self.basic.iter().flat_map(|basic| [&basic.user, &basic.password, &basic.scheme]);
        let headers = self.headers.iter().flat_map(|(name, value)| [name, value]);
        let pairs = self.query.iter().chain(&self.cookies).map(|(_, value)| value);
        basic.chain(headers).chain(pairs).collect()
    }

    /// Adds everything that determines what is sent.
    pub(in crate::flow) fn write_recipe(&self, recipe: &mut RecipeWriter) {
        if let Some(basic) = &self.basic {
            recipe.part("basic", if basic.form { b"form" } else { b"plain" });
        }
        let query = self.query.iter().map(|(name, _)| ("query", name));
        let names = query.chain(self.cookies.iter().map(|(name, _)| ("cookie", name)));
        for (kind, name) in names {
            recipe.part(kind, name.as_bytes());
        }
        for template in self.templates() {
            recipe.part("value", template.source().as_bytes());
        }
    }

    /// The names of the headers that it sets, with variables filled in.
    pub(in crate::flow) fn header_names(&self) -> Vec<HeaderName> {
        let basic = self.basic.iter().map(|_| header::AUTHORIZATION);
        basic.chain(names(&self.headers)).collect()
    }

    /// Renders the headers, without cookies; all are marked as sensitive.
    pub(in crate::flow) fn render_headers(&self, values: &dyn Lookup) -> Result<Vec<(CasedName, HeaderValue)>, String> {
        let mut headers = render_headers(&self.headers, values)?;
        if let Some(basic) = &self.basic
            && let Some(value) = basic.render(values)
        {
            headers.push((header::AUTHORIZATION.into(), sensitive(&header::AUTHORIZATION, &value)?));
        }
        Ok(headers)
    }

    /// Renders the percent-encoded query pairs.
    pub(in crate::flow) fn render_query(&self, values: &dyn Lookup) -> Vec<(String, String)> {
        let pairs = self.query.iter();
        pairs.filter_map(|(name, value)| Some((encode(name), encode(&value.render(values)?)))).collect()
    }

    /// Renders the cookies.
    pub(in crate::flow) fn render_cookies(&self, values: &dyn Lookup) -> Result<Vec<(String, String)>, String> {
        let cookies = self.cookies.iter().filter_map(|(name, value)| Some((name.clone(), value.render(values)?)));
        let is_value = |value: &str| value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
        let check = |(name, value): (String, String)| {
            if is_value(&value) { Ok((name, value)) } else { Err(format!("invalid value for the cookie `{name}`")) }
        };
        cookies.map(check).collect()
    }
}

/// Fills in the variables of headers. An invalid value is reported at its variable.
pub(in crate::flow) fn bind_headers(
    headers: &[(Template, Template)],
    binder: &Binder<'_>,
) -> Vec<(Template, Template)> {
    let mut bound = Vec::new();
    for (name, value) in headers {
        let (Some(own), Some(text)) = (binder.bind(name), binder.bind(value)) else { continue };
        if let Err(message) = own.as_text().map_or(Ok(header::HOST), header_name) {
            binder.fault(name, "is not the name of a header that can be set", Some(message));
        }
        if text.texts().any(|text| HeaderValue::from_str(text).is_err()) {
            let hint = "the usual cause is a line end inside a secret's file";
            binder.fault(value, "contains a control character, which a header cannot have", Some(hint.to_owned()));
        }
        if text.as_text() != Some("") {
            bound.push((own, text));
        }
    }
    bound
}

pub(in crate::flow) fn names(headers: &[(Template, Template)]) -> impl Iterator<Item = HeaderName> {
    headers.iter().filter_map(|(name, _)| header_name(name.as_text()?).ok())
}

/// Renders headers.
pub(in crate::flow) fn render_headers(
    headers: &[(Template, Template)],
    values: &dyn Lookup,
) -> Result<Vec<(CasedName, HeaderValue)>, String> {
    let rendered = headers.iter().filter_map(|(name, value)| {
        let written = name.as_text()?;
        Some((CasedName::new(header_name(written).ok()?, written), value.render(values)?))
    });
    rendered.map(|(name, value)| sensitive(name.name(), &value).map(|value| (name, value))).collect()
}

fn sensitive(name: &HeaderName, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of header `{name}` contains a control character"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Renders headers and cookies onto a request.
pub(in crate::flow) fn apply(parts: &RequestParts, headers: &mut HeaderMap, values: &dyn Lookup) -> Result<(), String> {
    for (name, value) in parts.render_headers(values)? {
        headers.insert(name.name(), value);
    }
    let cookies: Vec<_> =
        parts.render_cookies(values)?.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !cookies.is_empty() {
        headers.insert(header::COOKIE, sensitive(&header::COOKIE, &cookies.join("; "))?);
    }
    Ok(())
}

fn reads_form(reader: &FlowReader<'_>, node: &Node<'_>) -> bool {
    match node.text(reader.problems) {
        Some("form") => true,
        Some("plain") | None => false,
        Some(other) => {
            node.error(
                reader.problems,
                format!("unknown encoding `{other}`"),
                Some("\"plain\" or \"form\"".to_owned()),
            );
            false
        }
    }
}

fn cookies(reader: &FlowReader<'_>, node: &Node<'_>, at: Use) -> Vec<(String, Template)> {
    for cookie in node.entries().iter().filter(|cookie| !is_cookie_name(cookie.name())) {
        cookie.error(reader.problems, format!("invalid cookie name `{}`", cookie.name()), None);
    }
    reader.pairs(node, at)
}

impl Basic {
    fn read(reader: &FlowReader<'_>, node: &Node<'_>, at: Use, form: bool) -> Option<Self> {
        let items = node.list(reader.problems)?;
        let mut templates = items.iter().map(|item| reader.template(item, at)).collect::<Option<Vec<_>>>()?.into_iter();
        match (templates.next(), templates.next(), templates.next(), templates.next()) {
            (Some(user), Some(password), scheme, None) => {
                let scheme = scheme.unwrap_or_else(|| Template::literal("Basic"));
                Some(Self { user, password, scheme, form })
            }
            _ => {
                let hint = "write `basic = [\"${client_id}\", \"${client_secret}\"]`; a third item is the scheme";
                node.error(reader.problems, "expected user and password", Some(hint.to_owned()));
                None
            }
        }
    }

    fn bind(&self, binder: &Binder<'_>) -> Option<Self> {
        let (user, password) = (binder.bind(&self.user), binder.bind(&self.password));
        (user.is_some() || password.is_some()).then(|| Self {
            user: user.unwrap_or_default(),
            password: password.unwrap_or_default(),
            scheme: binder.bind(&self.scheme).unwrap_or_else(|| Template::literal("Basic")),
            form: self.form,
        })
    }

    /// The encoded user and password.
    pub(in crate::flow) fn pair(&self, values: &dyn Lookup) -> Option<String> {
        let encode = |text: String| match self.form {
            true => url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
            false => text,
        };
        let (user, password) = (encode(self.user.render(values)?), encode(self.password.render(values)?));
        Some(STANDARD.encode(format!("{user}:{password}")))
    }

    fn render(&self, values: &dyn Lookup) -> Option<String> {
        Some(format!("{} {}", self.scheme.render(values)?, self.pair(values)?))
    }
}
