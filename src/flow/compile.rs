//! Compiles a flow and the values of its variables to a [`Flow`], and reports every problem with the values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::address::{self, Hosts};
use super::compiled::{Flow, Values};
use super::mint::{Calls, TokenCall};
use super::spec::{CallSpec, FlowSpec, SUBJECT_IDLE, SubjectSpec, Variable};
use super::template::Template;
use super::template::binder::{Binder, ValueFault};
use super::usage::inject::{FlowUsage, Inject, usage};
use crate::document::nearest;
use crate::endpoint;
use crate::secret::Secret;
use crate::token::key::{StoreKey, SubjectPattern, SubjectRule};
use crate::token::plan::Policy;

/// A variable's value, and whether it is, or is made of, a secret.
struct Resolved {
    value: Secret,
    secret: bool,
}

impl Flow {
    /// Fills in a flow's variables: first `values`, then `env` (or the first environment), then defaults. An empty
    /// value counts as none. `plaintext` allows `http` to other machines. Problems go to `fault`; if there is one,
    /// there is no flow.
    pub fn compile(
        spec: &FlowSpec,
        env: Option<&str>,
        values: &Values,
        plaintext: bool,
        fault: &mut dyn FnMut(ValueFault),
    ) -> Option<Self> {
        compile(spec, env, values, plaintext, fault)
    }
}

fn compile(
    spec: &FlowSpec,
    env: Option<&str>,
    values: &Values,
    plaintext: bool,
    fault: &mut dyn FnMut(ValueFault),
) -> Option<Flow> {
    let mut faults = BTreeSet::new();
    // A wrong value is wrong wherever it is used, and a missing one also breaks the URL: report it once.
    let mut count = |found: ValueFault| {
        if faults.insert(found.variable.clone()) || found.variable.is_none() {
            fault(found);
        }
    };
    let resolved = resolve(spec, env, values, &mut count);
    let mut variables: BTreeMap<_, _> = resolved.iter().map(|(name, own)| (name.clone(), own.value.clone())).collect();
    let seed = spec.starts_from_refresh_token().then(|| variables.remove("refresh_token")).flatten();
    let binder = Binder::new(variables, plaintext, &mut count);
    let inject = spec.inject.bind(&binder);
    let upstream = upstream(spec, &binder);
    let fixed = upstream.as_ref().and_then(Template::as_text).map(str::to_owned);
    let mut calls = calls(spec, &binder, fixed.as_deref(), seed, &resolved);
    let base = upstream.filter(|template| template.as_text().is_none());
    let upstream_from_login = base.is_some();
    let usage = flow_usage(spec, inject.clone(), base, &calls);
    calls.usage = Some(Arc::clone(&usage));
    let flow = Flow {
        name: spec.name.as_str().into(),
        upstream_from_login,
        subject: spec.subject.as_ref().and_then(|subject| subject_rule(subject, &binder)),
        owned: inject.owned(),
        policy: policy(spec, &binder).into(),
        store_key: store_key(spec, &resolved),
        uses_refresh_tokens: calls.refresh.as_ref().is_some_and(|call| call.request.uses("refresh_token")),
        needs_lasting_store: spec.starts_from_refresh_token(),
        makes_requests: spec.token.is_some() || spec.refresh.is_some(),
        usage,
        upstream: fixed,
        calls: Arc::new(calls),
    };
    faults.is_empty().then_some(flow)
}

/// Every variable's value: the given one, else that of the environment or the default, else empty.
fn resolve(
    spec: &FlowSpec,
    env: Option<&str>,
    values: &Values,
    fault: &mut dyn FnMut(ValueFault),
) -> BTreeMap<String, Resolved> {
    for name in values.keys().filter(|name| !spec.variables.iter().any(|variable| variable.name == **name)) {
        let known = || spec.variables.iter().map(|variable| variable.name.as_str());
        let hint = match nearest(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the flow `{}` has no variable `{name}`", spec.name);
        fault(ValueFault { variable: Some(name.clone()), message, hint: Some(hint) });
    }
    let environment = environment(spec, env, fault);
    let mut resolved = BTreeMap::new();
    for variable in &spec.variables {
        let own = value_of(&variable.name, spec, &environment, values, &mut BTreeSet::new());
        match own {
            Some(own) => drop(resolved.insert(variable.name.clone(), own)),
            None => fault(ValueFault {
                variable: Some(variable.name.clone()),
                message: format!("the default of `{}` refers to itself", variable.name),
                hint: None,
            }),
        }
    }
    for variable in spec.variables.iter().filter(|variable| variable.required) {
        if resolved.get(&variable.name).is_none_or(|own| own.value.is_empty()) {
            fault(missing(variable));
        }
    }
    resolved
}

fn missing(variable: &Variable) -> ValueFault {
    ValueFault {
        variable: Some(variable.name.clone()),
        message: format!("`{}` is missing", variable.name),
        hint: variable.about.clone(),
    }
}

/// The values of the chosen environment.
fn environment<'s>(
    spec: &'s FlowSpec,
    env: Option<&str>,
    fault: &mut dyn FnMut(ValueFault),
) -> BTreeMap<&'s str, &'s str> {
    let chosen = match env {
        None => spec.environments.first(),
        Some(name) => spec.environments.iter().find(|environment| environment.name == name),
    };
    if let (Some(name), None) = (env, chosen) {
        let known: Vec<_> = spec.environments.iter().map(|environment| environment.name.as_str()).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it has no environments: remove `env`".to_owned(),
            None => format!("it has {}", known.join(", ")),
        };
        let message = format!("the flow `{}` has no environment `{name}`", spec.name);
        fault(ValueFault { variable: None, message, hint: Some(hint) });
    }
    // With an unknown environment, the values are checked against the first one.
    let pairs = chosen.or_else(|| spec.environments.first()).map_or(&[][..], |environment| &environment.values);
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// `None` if the value refers to itself. Given values are literal: only the flow's own texts are templates.
fn value_of(
    name: &str,
    spec: &FlowSpec,
    environment: &BTreeMap<&str, &str>,
    values: &Values,
    open: &mut BTreeSet<String>,
) -> Option<Resolved> {
    let variable = spec.variables.iter().find(|variable| variable.name == name)?;
    if let Some(value) = values.get(name).filter(|value| !value.is_empty()) {
        return Some(Resolved { value: value.clone(), secret: variable.secret });
    }
    let written = environment.get(name).copied().or(variable.default.as_deref()).unwrap_or_default();
    if !open.insert(name.to_owned()) {
        return None;
    }
    let template = Template::parse(written).unwrap_or_default();
    let mut parts = BTreeMap::new();
    let mut secret = variable.secret;
    for part in template.names() {
        let own = value_of(part, spec, environment, values, open)?;
        secret |= own.secret;
        parts.insert(part.to_owned(), own.value);
    }
    open.remove(name);
    let plain = template.bind(&parts).unwrap_or_default();
    let is_url = plain.as_text().is_some_and(|text| text.contains("://"));
    let text = if is_url { template.bind_url(&parts).unwrap_or_default() } else { plain };
    Some(Resolved { value: Secret::new(text.as_text().unwrap_or_default()), secret })
}

fn upstream(spec: &FlowSpec, binder: &Binder<'_>) -> Option<Template> {
    let written = spec.upstream.as_ref()?;
    let bound = binder.bind_url(written)?;
    if let Some(text) = bound.as_text() {
        match endpoint::parse(text, binder.plaintext) {
            Ok(url) if url.query().is_some() => binder.fault(written, "gives a base URL with a query", None),
            Ok(_) => {}
            Err(message) => binder.fault(written, &format!("gives a URL that {message}"), None),
        }
    }
    Some(bound)
}

fn calls(
    spec: &FlowSpec,
    binder: &Binder<'_>,
    upstream: Option<&str>,
    seed: Option<Secret>,
    resolved: &BTreeMap<String, Resolved>,
) -> Calls {
    let token = spec.token.as_ref().map(|call| bind_call(call, binder));
    let url = token.as_ref().and_then(|call: &TokenCall| call.request.url.as_text());
    let origin = url.and_then(|url| endpoint::parse(url, true).ok()).map(|url| address::origin(&url));
    let secrets = resolved.values().filter(|own| own.secret && !own.value.is_empty());
    Calls {
        refresh: spec.refresh.as_ref().map(|call| bind_call(call, binder)),
        revoke: spec.revoke.as_ref().map(|revoke| revoke.request.bind(binder)),
        revoke_at_shutdown: spec.revoke.as_ref().is_some_and(|revoke| revoke.at_shutdown),
        hosts: hosts(spec, binder, upstream),
        captures: spec.captures.clone(),
        secrets: secrets.map(|own| own.value.clone()).collect(),
        plaintext: binder.plaintext,
        fixed: fixed(spec, binder),
        usage: None,
        token,
        origin,
        seed,
    }
}

/// In a flow without a token request, the injected values are the token.
fn fixed(spec: &FlowSpec, binder: &Binder<'_>) -> Vec<Secret> {
    let asks = spec.token.is_some() || spec.refresh.is_some();
    let sent = spec.inject.parts.templates().into_iter().filter(|_| !asks);
    sent.filter_map(|template| Some(Secret::new(binder.bind(template)?.source()))).collect()
}

fn bind_call(call: &CallSpec, binder: &Binder<'_>) -> TokenCall {
    let ttl = binder.text(call.ttl.as_ref()).map(|_| binder.duration(call.ttl.as_ref(), Default::default()));
    TokenCall { request: call.request.bind(binder), read: call.read.clone(), ttl }
}

/// The hosts that captured URLs may name: the flow's `hosts`, else its API's host.
fn hosts(spec: &FlowSpec, binder: &Binder<'_>, upstream: Option<&str>) -> Hosts {
    let own: Vec<_> = spec.hosts.iter().filter_map(|host| binder.text(Some(host))).collect();
    let host = || endpoint::parse(upstream?, true).ok()?.host_str().map(str::to_owned);
    if spec.hosts.is_empty() { Hosts::new(host()) } else { Hosts::new(own) }
}

fn flow_usage(
    spec: &FlowSpec,
    inject: Inject,
    base: Option<Template>,
    calls: &Calls,
) -> Arc<dyn crate::token::usage::Usage> {
    usage(FlowUsage {
        inject,
        expired: spec.expired.clone(),
        renews: calls.token.is_some() || calls.refresh.is_some(),
        base,
        hosts: calls.hosts.clone(),
        captures: calls.captures.clone(),
        origin: calls.origin.clone(),
        plaintext: calls.plaintext,
    })
}

fn subject_rule(subject: &SubjectSpec, binder: &Binder<'_>) -> Option<SubjectRule> {
    let pattern = SubjectPattern::new(&subject.pattern).ok()?;
    let default = binder.text(subject.default.as_ref());
    let default = default.and_then(|name| {
        let matched = pattern.subject(&name);
        if matched.is_none() {
            let cause = subject.default.clone().unwrap_or_default();
            binder.fault(&cause, "is not a valid subject", Some(format!("it must match {}", subject.pattern)));
        }
        matched
    });
    let idle = binder.duration(subject.idle.as_ref(), SUBJECT_IDLE);
    Some(SubjectRule { header: subject.header.clone(), pattern, default, idle, max: subject.max })
}

fn policy(spec: &FlowSpec, binder: &Binder<'_>) -> Policy {
    let default = Policy::default();
    Policy {
        margin: binder.duration(spec.policy.margin.as_ref(), default.margin),
        min_interval: binder.duration(spec.policy.min_interval.as_ref(), default.min_interval),
        exclusive: spec.policy.exclusive,
        hold: binder.duration(spec.policy.hold.as_ref(), default.hold),
        while_used: spec.subject.is_some(),
    }
}

/// The flow and the non-secret variables that make its token, so that a changed secret finds the stored token.
fn store_key(spec: &FlowSpec, resolved: &BTreeMap<String, Resolved>) -> StoreKey {
    let names: BTreeSet<_> = spec.token_templates().into_iter().flat_map(Template::names).collect();
    let shown = names.into_iter().filter_map(|name| Some((name, resolved.get(name)?)));
    let mut parts = vec![spec.name.clone()];
    for (name, own) in shown.filter(|(_, own)| !own.secret && !own.value.is_empty()) {
        parts.push(format!("{name}={}", own.value.expose()));
    }
    StoreKey::new(parts.iter().map(String::as_str))
}

#[cfg(test)]
mod tests;
