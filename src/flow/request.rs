//! A request to a token endpoint: as written, with variables filled in, and as bytes.

pub(super) mod parts;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};

use self::parts::{RequestParts, encode};
use super::address::{self, Chosen, Hosts};
use super::template::binder::Binder;
use super::template::reader::{FlowReader, Use};
use super::template::{Lookup, Template};
use crate::document::{Node, Table, ValueKind};
use crate::endpoint;
use crate::token::key::RecipeWriter;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("bearerd/", env!("CARGO_PKG_VERSION")));

/// A request to a token endpoint.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TokenRequest {
    method: Method,
    pub(super) url: Template,
    parts: RequestParts,
    body: BodyTemplate,
}

#[derive(Clone, PartialEq, Eq)]
enum BodyTemplate {
    None,
    Form(Vec<(String, Template)>),
    Json(Json),
}

/// A JSON value whose strings are templates.
#[derive(Clone, PartialEq, Eq)]
enum Json {
    Text(Template),
    Table(Vec<(String, Json)>),
    List(Vec<Json>),
    Plain(serde_json::Value),
}

impl TokenRequest {
    /// Reads the keys of a request; the table may have others.
    pub(super) fn read(reader: &FlowReader<'_>, table: &Table<'_>) -> Option<Self> {
        let at = Use::Request;
        let method = table.get("method").map_or(Some(Method::POST), |node| method(reader, &node));
        let url = table.require("url", reader.problems).and_then(|node| url(reader, &node));
        let parts = RequestParts::read(reader, table, at);
        let form = table.get("form").map(|node| BodyTemplate::Form(reader.pairs(&node, at)));
        let json = table.get("json").map(|node| BodyTemplate::Json(Json::read(reader, &node)));
        if form.is_some() && json.is_some() {
            table.node().error(reader.problems, "a request has one body: set `form` or `json`, not both", None);
        }
        Some(Self { method: method?, url: url?, parts, body: form.or(json).unwrap_or(BodyTemplate::None) })
    }

    /// Fills in the variables.
    pub(super) fn bind(&self, binder: &Binder<'_>) -> Self {
        let url = binder.bind_url(&self.url).unwrap_or_default();
        if let Some(text) = url.as_text()
            && let Err(message) = endpoint::parse(text, binder.plaintext)
        {
            binder.fault(&self.url, &format!("gives a URL that {message}"), None);
        }
        let body = match &self.body {
            BodyTemplate::None => BodyTemplate::None,
            BodyTemplate::Form(pairs) => BodyTemplate::Form(binder.pairs(pairs)),
            BodyTemplate::Json(json) => json.bind(binder).map_or(BodyTemplate::None, BodyTemplate::Json),
        };
        Self { method: self.method.clone(), url, parts: self.parts.bind(binder), body }
    }

    /// All its templates.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut all = vec![&self.url];
        all.extend(self.parts.templates());
        match &self.body {
            BodyTemplate::None => {}
            BodyTemplate::Form(pairs) => all.extend(pairs.iter().map(|(_, value)| value)),
            BodyTemplate::Json(json) => json.collect(&mut all),
        }
        all
    }

    /// Whether a template uses this name.
    pub(super) fn uses(&self, name: &str) -> bool {
        self.templates().iter().any(|template| template.uses(name))
    }

    /// Adds everything that determines the token.
    pub(super) fn write_recipe(&self, recipe: &mut RecipeWriter) {
        recipe.part("method", self.method.as_str().as_bytes()).part("url", self.url.source().as_bytes());
        self.parts.write_recipe(recipe);
        match &self.body {
            BodyTemplate::None => {}
            BodyTemplate::Form(pairs) => {
                for (name, value) in pairs {
                    recipe.part("form", name.as_bytes()).part("=", value.source().as_bytes());
                }
            }
            BodyTemplate::Json(json) => {
                let text = json.render(&|name: &str| Some(format!("${{{name}}}"))).unwrap_or_default();
                recipe.part("json", text.to_string().as_bytes());
            }
        }
    }

    /// Builds the request. The error is for people but may contain values of the request: mask it.
    pub(super) fn build(&self, values: &dyn Lookup, url_policy: &UrlPolicy<'_>) -> Result<Request<Bytes>, String> {
        let mut url = url_policy.url(&self.url, values)?;
        let mut query = url.query().map_or_else(Vec::new, |query| vec![query.to_owned()]);
        query.extend(self.parts.render_query(values).into_iter().map(|(name, value)| format!("{name}={value}")));
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        let (body, kind) = self.body.render(values);
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        if url_policy.is_chosen(&self.url, &url) {
            request.extensions_mut().insert(Chosen);
        }
        *request.uri_mut() = url.as_str().parse().map_err(|_| "the URL cannot be used in a request".to_owned())?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::USER_AGENT, AGENT);
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        parts::apply(&self.parts, headers, values)?;
        Ok(request)
    }

    /// The encoded Basic credentials, which are as secret as their parts.
    pub(super) fn basic_pair(&self, values: &dyn Lookup) -> Option<String> {
        self.parts.basic.as_ref()?.pair(values)
    }
}

/// The rules for URLs of requests.
#[derive(Clone, Copy)]
pub(super) struct UrlPolicy<'a> {
    /// Whether `http` to other machines is allowed.
    pub(super) plaintext: bool,
    /// The hosts that are allowed in URLs with captured values.
    pub(super) hosts: &'a Hosts,
    /// The names of captured values.
    pub(super) captures: &'a [String],
    /// The request whose reply had the captures; a captured URL may be relative to it.
    pub(super) origin: Option<&'a str>,
}

impl UrlPolicy<'_> {
    /// Whether a reply chose the URL's host.
    pub(super) fn is_chosen(&self, template: &Template, url: &url::Url) -> bool {
        let captured = template.names().any(|name| self.captures.iter().any(|capture| capture == name));
        let relative = self.origin.is_some_and(|origin| origin == address::origin(url));
        let is_local = url.host_str().is_some_and(|host| host.ends_with(".localhost"));
        captured && !relative && !is_local && self.hosts.only_by_pattern(url)
    }

    /// Renders the URL, if it is allowed.
    pub(super) fn url(&self, template: &Template, values: &dyn Lookup) -> Result<url::Url, String> {
        let names: Vec<_> = template.names().collect();
        let opaque = |name: &str| {
            let value = values.value(name)?;
            // A caller's or server's value is encoded as one component; a captured URL is used as it is.
            if self.captures.iter().any(|capture| capture == name) { Some(value) } else { component(&value) }
        };
        let text = template
            .render_url(&opaque)
            .ok_or_else(|| format!("the URL needs `{}`, which has no value", names.join("`, `")))?;
        let captured = names.iter().any(|name| self.captures.iter().any(|capture| capture == name));
        let text = match self.origin {
            Some(origin) if captured && text.starts_with('/') => format!("{origin}{text}"),
            _ => text,
        };
        // The URL parser would drop these and call a different URL.
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("the URL contains white space or a control character".to_owned());
        }
        let url = endpoint::parse(&text, self.plaintext).map_err(|message| format!("the URL {message}"))?;
        if captured && !self.hosts.allow(&url) {
            let host = url.host_str().unwrap_or_default();
            return Err(format!("the login's reply names the host {host}, which is not in the flow's `hosts`"));
        }
        Ok(url)
    }
}

/// A value as one path segment or query value. A value of dots would move up the path.
fn component(value: &str) -> Option<String> {
    (!matches!(value, "." | "..")).then(|| encode(value))
}

impl BodyTemplate {
    fn render(&self, values: &dyn Lookup) -> (Bytes, Option<&'static str>) {
        match self {
            Self::None => (Bytes::new(), None),
            Self::Form(pairs) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(pairs.iter().filter_map(|(name, value)| Some((name, value.render(values)?))));
                (form.finish().into(), Some("application/x-www-form-urlencoded"))
            }
            Self::Json(json) => {
                let text = json.render(values).unwrap_or_default().to_string();
                (text.into(), Some("application/json"))
            }
        }
    }
}

impl Json {
    fn read(reader: &FlowReader<'_>, node: &Node<'_>) -> Self {
        match node.kind() {
            ValueKind::Text => Self::Text(reader.template(node, Use::Request).unwrap_or_default()),
            ValueKind::Table => {
                let entries = node.entries().into_iter();
                Self::Table(entries.map(|entry| (entry.name().to_owned(), Self::read(reader, &entry))).collect())
            }
            ValueKind::List => {
                let items = node.list(reader.problems).unwrap_or_default();
                Self::List(items.iter().map(|item| Self::read(reader, item)).collect())
            }
            ValueKind::Integer | ValueKind::Float | ValueKind::Boolean => Self::Plain(node.json()),
        }
    }

    fn bind(&self, binder: &Binder<'_>) -> Option<Self> {
        Some(match self {
            Self::Text(template) => Self::Text(binder.bind(template)?),
            Self::Table(entries) => {
                let bound = entries.iter().filter_map(|(name, json)| Some((name.clone(), json.bind(binder)?)));
                Self::Table(bound.collect())
            }
            Self::List(items) => Self::List(items.iter().filter_map(|json| json.bind(binder)).collect()),
            Self::Plain(value) => Self::Plain(value.clone()),
        })
    }

    fn collect<'t>(&'t self, into: &mut Vec<&'t Template>) {
        match self {
            Self::Text(template) => into.push(template),
            Self::Table(entries) => entries.iter().for_each(|(_, json)| json.collect(into)),
            Self::List(items) => items.iter().for_each(|json| json.collect(into)),
            Self::Plain(_) => {}
        }
    }

    fn render(&self, values: &dyn Lookup) -> Option<serde_json::Value> {
        Some(match self {
            Self::Text(template) => template.render(values)?.into(),
            Self::Table(entries) => {
                let rendered = entries.iter().filter_map(|(name, json)| Some((name.clone(), json.render(values)?)));
                serde_json::Value::Object(rendered.collect())
            }
            Self::List(items) => items.iter().filter_map(|json| json.render(values)).collect(),
            Self::Plain(value) => value.clone(),
        })
    }
}

fn method(reader: &FlowReader<'_>, node: &Node<'_>) -> Option<Method> {
    let text = node.text(reader.problems)?;
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    if !known.contains(&text) {
        node.error(reader.problems, format!("unknown method `{text}`"), Some(known.join(", ")));
    }
    text.parse().ok()
}

fn url(reader: &FlowReader<'_>, node: &Node<'_>) -> Option<Template> {
    let template = reader.template(node, Use::Request)?;
    // Variables are checked with their values, plain text here.
    if let Some(text) = template.as_text()
        && let Err(message) = endpoint::parse(text, true)
    {
        node.error(reader.problems, format!("the URL {message}"), None);
    }
    Some(template)
}
