//! Settings of outbound calls: TLS, outbound proxy, timeouts, the one repeat.

use super::defaults::{filled, lasting};
use super::scope::Scope;
use super::{exposure, host};
use crate::document::{Node, Problems, Table};
use crate::endpoint::OutboundProxy;
use crate::proxy::settings::{Retry, Timeouts};
use crate::tls::{PemFile, TlsSettings, client_config};

pub(super) fn tls(node: Option<Node<'_>>, scope: &Scope<'_>) -> Option<TlsSettings> {
    let Some(node) = node else { return Some(TlsSettings::default()) };
    let table = node.table(scope.problems)?;
    let ca = table.optional("ca", |node| scope.pem_file(node));
    let [cert, key] = ["cert", "key"].map(|name| table.optional(name, |node| scope.pem_file(node)));
    if let (Some(node), Some(Some(PemFile { path, .. }))) = (table.get("key"), &key) {
        exposure::check_secret(&node, path, scope.problems);
    }
    let written = (table.get("cert").is_some(), table.get("key").is_some());
    let server_name =
        table.optional("server_name", |node| host::read(node, node.text(scope.problems)?, scope.problems));
    table.finish(scope.problems);
    if let (true, false) | (false, true) = written {
        let (has, lacks) = if written.0 { ("cert", "key") } else { ("key", "cert") };
        let hint = "a client certificate needs both; they can be the same file".to_owned();
        node.error(scope.problems, format!("`{has}` is set, but `{lacks}` is not"), Some(hint));
        return None;
    }
    let settings = TlsSettings { ca: ca?, identity: cert?.zip(key?), server_name: server_name? };
    let names_files = settings.ca.is_some() || settings.identity.is_some();
    if let Some(error) = names_files.then(|| client_config(&settings).err()).flatten() {
        node.error(scope.problems, error.to_string(), None);
        return None;
    }
    Some(settings)
}

pub(super) fn proxy(table: &Table<'_>, scope: &Scope<'_>) -> Option<Option<OutboundProxy>> {
    let problems = scope.problems;
    let no_proxy = table.or("no_proxy", Vec::new(), |node| node.texts(problems));
    let Some(node) = table.get("proxy") else {
        if let Some(node) = table.get("no_proxy") {
            node.warn(problems, "`no_proxy` has no effect without `proxy`", None);
        }
        return Some(None);
    };
    let found = scope.value(&node)?;
    let Ok(proxy) = OutboundProxy::new(found.value, no_proxy.as_deref().unwrap_or_default()) else {
        let hint = "expected a URL such as `http://proxy.example.com:3128`; HTTP_PROXY and similar variables are \
            not used"
            .to_owned();
        node.error(problems, "invalid HTTP proxy URL", Some(hint));
        return None;
    };
    if proxy.has_password() && node.as_text().is_some() && !node.is_environment() {
        let hint = "write { file = \"/path\" } or { env = \"NAME\" } instead".to_owned();
        node.warn(problems, "proxy password written in plain text in the configuration file", Some(hint));
    }
    no_proxy.map(|_| Some(proxy))
}

pub(super) fn timeouts(node: &Node<'_>, problems: &Problems) -> Option<Timeouts> {
    filled(Some(node), Timeouts::default(), problems, |table, timeouts| {
        table.fill("connect", &mut timeouts.connect, |node| lasting(node, problems));
        table.fill("response", &mut timeouts.response, |node| lasting(node, problems));
        table.fill("idle", &mut timeouts.idle, |node| node.duration(problems));
        table.fill("connection_life", &mut timeouts.connection_life, |node| lasting(node, problems));
        table.fill("token_wait", &mut timeouts.token_wait, |node| node.duration(problems));
    })
}

pub(super) fn retry(node: &Node<'_>, problems: &Problems) -> Option<Retry> {
    filled(Some(node), Retry::default(), problems, |table, retry| {
        table.fill("body", &mut retry.body, |node| node.size(problems));
        let words = [("all", false), ("idempotent", true)];
        table.fill("methods", &mut retry.idempotent_only, |node| node.one_of(problems, &words));
    })
}
