//! What happens to an answer's headers: what belongs to the upstream's connection goes, and what names the upstream's
//! address names the caller's view of it.

use http::{HeaderMap, HeaderValue, header};

use super::marks::Marks;
use super::strip_each;
use crate::proxy::error::PROXY_STATUS;
use crate::proxy::settings::Base;

/// How the caller sees the upstream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// The upstream's base.
    pub(crate) base: &'a Base,
    /// The authority that the caller used.
    pub(crate) authority: &'a str,
    /// The prefix that was removed from the caller's path.
    pub(crate) mount: &'a str,
}

/// Removes what belongs to the upstream's connection, and every claim to be an answer of bearerd's own.
pub(crate) fn strip(headers: &mut HeaderMap, marks: Marks) {
    strip_each(headers, marks, Marks::NOT_FROM_UPSTREAMS);
    if marks.meet(Marks::PROXY_STATUS) {
        keep_others_status(headers);
    }
}

/// Names the caller's address where the upstream's is named.
pub(crate) fn localise(headers: &mut HeaderMap, view: &View<'_>) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let local = headers.get(&name).and_then(|value| view.location(value.to_str().ok()?));
        if let Some(local) = local.and_then(|local| HeaderValue::try_from(local).ok()) {
            headers.insert(name, local);
        }
    }
    if headers.contains_key(header::SET_COOKIE) {
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|value| view.cookie(value)).collect();
        headers.remove(header::SET_COOKIE);
        headers.extend(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    }
}

impl View<'_> {
    /// The local form of a reference into the base; `None` where it points elsewhere or is relative to the request.
    fn location(&self, reference: &str) -> Option<String> {
        if let Some(path) = reference.strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
            let rest = self.within_base(&reference[..=path.len()])?;
            let plain = self.mount.is_empty() && self.base.path.is_empty();
            return (!plain).then(|| rooted(self.mount, rest));
        }
        let scheme = if self.base.tls { "https:" } else { "http:" };
        let after = match reference.get(..scheme.len()) {
            Some(start) if start.eq_ignore_ascii_case(scheme) => &reference[scheme.len()..],
            _ => reference,
        };
        let after = after.strip_prefix("//")?;
        let (authority, path) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
        let rest = self.is_base_authority(authority).then(|| self.within_base(path)).flatten()?;
        Some(format!("http://{}{}", self.authority, rooted(self.mount, rest)))
    }

    fn is_base_authority(&self, authority: &str) -> bool {
        let port = if self.base.tls { ":443" } else { ":80" };
        let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
        self.base.authority.to_str().is_ok_and(|own| plain(own) == plain(authority))
    }

    /// What follows the base's path, if this is inside it.
    fn within_base<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.base.path)?;
        (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
    }

    /// A cookie for the caller's address: no domain, no `Secure` over plain HTTP, and the path that the caller sees.
    fn cookie(&self, cookie: &HeaderValue) -> HeaderValue {
        let Ok(text) = cookie.to_str() else { return cookie.clone() };
        let attributes = text.split(';').enumerate().filter_map(|(place, part)| self.attribute(place == 0, part));
        let local = attributes.collect::<Vec<_>>().join(";");
        HeaderValue::try_from(local).unwrap_or_else(|_| cookie.clone())
    }

    fn attribute(&self, is_value: bool, part: &str) -> Option<String> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            _ if is_value => Some(part.to_owned()),
            "domain" | "secure" => None,
            "path" if !(self.mount.is_empty() && self.base.path.is_empty()) => {
                let rest = self.within_base(value.trim()).unwrap_or("");
                Some(format!(" Path={}", rooted(self.mount, rest)))
            }
            _ => Some(part.to_owned()),
        }
    }
}

fn rooted(mount: &str, rest: &str) -> String {
    let slash = if mount.is_empty() && !rest.starts_with('/') { "/" } else { "" };
    format!("{mount}{slash}{rest}")
}

/// Keeps the members of other proxies (RFC 9209): only bearerd itself may say that an answer is bearerd's.
fn keep_others_status(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers.get_all(PROXY_STATUS).iter().cloned().collect();
    headers.remove(PROXY_STATUS);
    for line in lines {
        let Ok(text) = line.to_str() else { continue };
        let kept: Vec<_> = members(text).into_iter().filter(|member| !is_ours(member)).collect();
        if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::try_from(kept.join(", "))) {
            headers.append(PROXY_STATUS, value);
        }
    }
}

fn is_ours(member: &str) -> bool {
    let name = member.split(';').next().unwrap_or_default().trim().trim_matches('"');
    name.eq_ignore_ascii_case("bearerd")
}

/// Members of a structured list: split at commas outside of quoted strings.
fn members(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let separates = |letter: char| {
        let separates = letter == ',' && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && quoted && !escaped;
        separates
    };
    text.split(separates).map(str::trim).filter(|member| !member.is_empty()).collect()
}

#[cfg(test)]
mod tests;
