//! Maps references in an upstream's response to the caller's URLs. Works on bytes, since field values need not be text (RFC 9110
//! §5.5).

use http::{HeaderName, header, request};

use super::set_cookie;
use crate::guard;
use crate::proxy::message::authority::authority;
use crate::proxy::settings::{Base, UpstreamSettings};

static OPERATION_LOCATION: HeaderName = HeaderName::from_static("operation-location");

/// How a caller sees an upstream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerView<'a> {
    /// The upstream's base URL.
    pub(crate) base: &'a Base,
    /// The authority that the caller used.
    pub(crate) authority: &'a str,
    /// The prefix that was removed from the caller's path.
    pub(crate) mount: &'a str,
}

impl<'a> CallerView<'a> {
    /// The view of the caller that sent this head. Uses `listener` if the caller names no valid authority; on a Unix socket the
    /// guard does not check it.
    pub(crate) fn of(
        head: &'a request::Parts,
        listener: &'a str,
        settings: &'a UpstreamSettings,
        base: &'a Base,
    ) -> Self {
        let named = authority(&head.uri, &head.headers).filter(|named| guard::is_authority(named));
        Self { base, authority: named.unwrap_or(listener), mount: settings.matches.mount() }
    }

    /// The rewritten value of a header; `None` if it stays the same.
    pub(super) fn rewritten(&self, name: &HeaderName, value: &[u8]) -> Option<Vec<u8>> {
        match *name {
            header::LOCATION | header::CONTENT_LOCATION => self.reference(value),
            header::SET_COOKIE => Some(set_cookie::local(value, |path| (!self.is_plain()).then(|| self.path(path)))),
            header::LINK => self.link(value),
            header::REFRESH => self.refresh(value),
            _ if *name == OPERATION_LOCATION => self.reference(value),
            _ => None,
        }
    }

    /// Whether paths are the same on both sides.
    fn is_plain(&self) -> bool {
        self.mount.is_empty() && self.base.path.is_empty()
    }

    /// Maps a path of the upstream; one outside of the base becomes the root.
    fn path(&self, path: &[u8]) -> Vec<u8> {
        self.rooted(self.within_base(path).unwrap_or_default())
    }

    /// Maps a reference; `None` if it is relative to the request or points outside of the base.
    fn reference(&self, reference: &[u8]) -> Option<Vec<u8>> {
        let reference = reference.trim_ascii();
        if reference.starts_with(b"/") && !reference.starts_with(b"//") {
            let rest = self.within_base(reference)?;
            return (!self.is_plain()).then(|| self.rooted(rest));
        }
        let (tls, after) = match strip_scheme(reference, b"https:") {
            Some(after) => (true, after),
            None => strip_scheme(reference, b"http:").map_or((self.base.tls, reference), |after| (false, after)),
        };
        let after = after.strip_prefix(b"//")?;
        let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(after.len());
        let (authority, path) = after.split_at_checked(end)?;
        let rest = self.is_base_authority(tls, authority).then(|| self.within_base(path)).flatten()?;
        Some([b"http://", self.authority.as_bytes(), &self.rooted(rest)].concat())
    }

    /// Whether an authority is the base's, with either scheme: an API behind a gateway that terminates TLS often calls itself
    /// `http`.
    fn is_base_authority(&self, tls: bool, authority: &[u8]) -> bool {
        let host_port = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        let colon = host_port.iter().rposition(|byte| *byte == b':');
        let (host, port) = match colon.and_then(|colon| host_port.split_at_checked(colon)) {
            Some((host, port)) if !port.ends_with(b"]") => (host, port.get(1..).unwrap_or_default()),
            _ => (host_port, &[][..]),
        };
        let default = |tls: bool| if tls { 443 } else { 80 };
        let port = match port {
            [] => Some(default(tls)),
            port => std::str::from_utf8(port).ok().and_then(|port| port.parse::<u16>().ok()),
        };
        let both_default = port == Some(default(tls)) && self.base.port == default(self.base.tls);
        (both_default || port == Some(self.base.port)) && self.is_base_host(host)
    }

    fn is_base_host(&self, host: &[u8]) -> bool {
        let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
        host.strip_suffix(b".").unwrap_or(host).eq_ignore_ascii_case(self.base.host.as_bytes())
    }

    /// The rest of a path inside of the base.
    fn within_base<'b>(&self, path: &'b [u8]) -> Option<&'b [u8]> {
        let rest = path.strip_prefix(self.base.path.as_bytes())?;
        matches!(rest.first(), None | Some(b'/' | b'?' | b'#')).then_some(rest)
    }

    fn rooted(&self, rest: &[u8]) -> Vec<u8> {
        let slash: &[u8] = if self.mount.is_empty() && !rest.starts_with(b"/") { b"/" } else { b"" };
        [self.mount.as_bytes(), slash, rest].concat()
    }

    /// Maps the targets of `Link` (RFC 8288 §3): the text in angle brackets at the start of each member. Everything else stays
    /// byte for byte.
    fn link(&self, line: &[u8]) -> Option<Vec<u8>> {
        let (mut local, mut changed) = (Vec::with_capacity(line.len()), false);
        let (mut begins, mut quoted, mut escaped) = (true, false, false);
        let mut rest = line;
        while let Some((&byte, after)) = rest.split_first() {
            local.push(byte);
            rest = after;
            if begins && byte == b'<' {
                let end = rest.iter().position(|byte| *byte == b'>')?;
                let (target, after) = rest.split_at_checked(end)?;
                let rewritten = self.reference(target);
                changed |= rewritten.is_some();
                local.extend_from_slice(rewritten.as_deref().unwrap_or(target));
                rest = after;
            }
            begins = !quoted && (byte == b',' || (begins && byte.is_ascii_whitespace()));
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && quoted && !escaped;
        }
        changed.then_some(local)
    }

    /// Maps the URL of a `Refresh`, which is found as browsers find it: after the time, with an optional `url=` and quotation
    /// mark.
    fn refresh(&self, line: &[u8]) -> Option<Vec<u8>> {
        let mut url = line.trim_ascii_start();
        let is_time = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        url = url.get(url.iter().position(|byte| !is_time(byte))?..)?.trim_ascii_start();
        url = url.strip_prefix(b";").or_else(|| url.strip_prefix(b",")).unwrap_or(url).trim_ascii_start();
        let named = url.split_at_checked(3).filter(|(name, _)| name.eq_ignore_ascii_case(b"url"));
        let named = named.and_then(|(_, after)| after.trim_ascii_start().strip_prefix(b"="));
        url = named.unwrap_or(url).trim_ascii_start();
        let quote = url.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
        url = if quote.is_some() { url.get(1..)? } else { url };
        let before = line.len().checked_sub(url.len())?;
        let length = url.iter().position(|byte| Some(*byte) == quote).unwrap_or(url.len());
        let (url, after) = url.split_at_checked(length)?;
        Some([line.get(..before)?, &self.reference(url)?, after].concat())
    }
}

/// Strips a scheme, in any case.
fn strip_scheme<'a>(reference: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, after) = reference.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(after)
}
