//! An upstream's cookie as the caller's client would keep it.

/// The cookie without its domain, with its path as `path` has it for the caller (`None` if it is the same), and over plain HTTP without `Secure`: unless a
/// client would drop the cookie for lack of that.
pub(super) fn local(cookie: &[u8], path: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let needs = Needs::of(cookie);
    let parts = cookie.split(|byte| *byte == b';').enumerate();
    let parts = parts.filter_map(|(place, part)| match place {
        0 => Some(part.to_vec()),
        _ => attribute(part, needs, &path),
    });
    parts.collect::<Vec<_>>().join(&b';')
}

/// What a client wants of a cookie if it is to keep it.
#[derive(Clone, Copy)]
struct Needs {
    secure: bool,
    root: bool,
}

impl Needs {
    /// RFC 6265bis §4.1.3 and §5.7: names with a prefix promise attributes, and cookies for other sites are secure.
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
    let moved = (is(b"path") && !needs.root).then(|| path(value)).flatten();
    Some(moved.map_or_else(|| part.to_vec(), |path| [b" Path=", &*path].concat()))
}

/// Name and value of an attribute.
fn pair(part: &[u8]) -> (&[u8], &[u8]) {
    let equals = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
    let (name, value) = part.split_at_checked(equals).unwrap_or((part, b""));
    (name.trim_ascii(), value.strip_prefix(b"=").unwrap_or(value).trim_ascii())
}
