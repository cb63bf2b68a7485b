//! Rewrites an upstream's `Set-Cookie` for the caller.

/// Removes the domain, maps the path with `path` (which returns `None` if it stays), and removes `Secure`, since callers use
/// plain HTTP: unless clients would reject the cookie without it.
pub(super) fn local(cookie: &[u8], path: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let needs = Needs::of(cookie);
    let parts = cookie.split(|byte| *byte == b';').enumerate();
    let parts = parts.filter_map(|(place, part)| match place {
        0 => Some(part.to_vec()),
        _ => attribute(part, needs, &path),
    });
    parts.collect::<Vec<_>>().join(&b';')
}

/// Attributes that a client requires of the cookie.
#[derive(Clone, Copy)]
struct Needs {
    secure: bool,
    root: bool,
}

impl Needs {
    /// Cookies with a name prefix, and cookies for other sites, require attributes (RFC 6265bis §4.1.3, §5.7).
    fn of(cookie: &[u8]) -> Self {
        let mut parts = cookie.split(|byte| *byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let begins = |prefix: &[u8]| {
            name.split_at_checked(prefix.len()).is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix))
        };
        let root = begins(b"__Host-");
        let prefixed = root || begins(b"__Secure-") || begins(b"__Http-");
        let for_others = parts.map(pair).any(|(name, value)| {
            name.eq_ignore_ascii_case(b"partitioned")
                || (name.eq_ignore_ascii_case(b"samesite") && value.eq_ignore_ascii_case(b"none"))
        });
        Self { secure: prefixed || for_others, root }
    }
}

fn attribute(part: &[u8], needs: Needs, path: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (name, value) = pair(part);
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    if is(b"domain") || (is(b"secure") && !needs.secure) {
        return None;
    }
    let mapped = (is(b"path") && !needs.root).then(|| path(value)).flatten();
    Some(mapped.map_or_else(|| part.to_vec(), |path| [b" Path=", &*path].concat()))
}

/// Splits an attribute into name and value.
fn pair(part: &[u8]) -> (&[u8], &[u8]) {
    let equals = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
    let (name, value) = part.split_at_checked(equals).unwrap_or((part, b""));
    (name.trim_ascii(), value.strip_prefix(b"=").unwrap_or(value).trim_ascii())
}
