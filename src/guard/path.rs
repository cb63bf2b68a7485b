//! The meanings of a path. Paths are forwarded byte for byte, and servers interpret them in different ways, so a path
//! is allowed only if every interpretation is.

use super::glob::Globs;

/// Represents an encoded slash. It occurs nowhere else, because a decoded NUL is refused.
const ENCODED_SLASH: u8 = 0;

/// The maximum number of bytes that are matched for an ambiguous path, over all interpretations. Plain paths have no
/// limit.
const AMBIGUOUS: usize = 64 << 10;

/// Whether the globs allow a path as sent, decoded once and, if it is encoded twice, decoded twice.
pub(super) fn is_allowed(globs: &Globs, path: &str) -> bool {
    if is_plain(path.as_bytes()) {
        return globs.fit(path.as_bytes());
    }
    let Some(once) = decode(path.as_bytes(), Strictness::Valid) else { return false };
    let Some(twice) = decode(&once, Strictness::Lenient) else { return false };
    let is_settled = || decode(&twice, Strictness::Lenient).is_some_and(|thrice| thrice == twice);
    is_allowed_in_all_ways(globs, &once) && (once == twice || (is_settled() && is_allowed_in_all_ways(globs, &twice)))
}

/// Whether all servers interpret it in the same way.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|byte| {
        let follows_slash = std::mem::replace(&mut before, *byte) == b'/';
        match byte {
            b'%' | b';' | b'\\' => false,
            b'/' | b'.' => !follows_slash,
            _ => true,
        }
    })
}

/// Whether a decoded path has a segment `.` or `..` for any server: after a slash or a backslash, with parameters, or
/// with white space that some file systems ignore.
pub fn has_dot_segment(decoded: &[u8]) -> bool {
    decoded.split(|byte| matches!(byte, b'/' | b'\\' | &ENCODED_SLASH)).any(|segment| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let end = name.iter().rposition(|byte| *byte > b' ');
        matches!(end.and_then(|end| name.get(..=end)), Some(b"." | b".."))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Invalid percent-encoding is refused.
    Valid,
    /// Invalid percent-encoding stands for itself.
    Lenient,
}

/// Decodes a path once; `None` if the result is not UTF-8 or has a NUL.
fn decode(mut path: &[u8], strictness: Strictness) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    while let Some((&first, after)) = path.split_first() {
        let (byte, rest) = match (first, escape(after)) {
            (b'%', Some((0, _))) => return None,
            (b'%', Some((b'/', rest))) => (ENCODED_SLASH, rest),
            (b'%', Some((byte, rest))) => (byte, rest),
            (b'%', None) if strictness == Strictness::Valid => return None,
            _ => (first, after),
        };
        decoded.push(byte);
        path = rest;
    }
    std::str::from_utf8(&decoded).is_ok().then_some(decoded)
}

/// Decodes two hex digits; returns the byte and the rest.
fn escape(after: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = after.split_first_chunk()?;
    Some((hex(high)? << 4 | hex(low)?, rest))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One interpretation of a decoded path.
#[derive(Clone, Copy)]
struct Way {
    /// An encoded slash is a separator.
    slash: bool,
    /// A backslash is a separator.
    backslash: bool,
    /// Parameters of segments are ignored.
    parameters: bool,
}

fn is_allowed_in_all_ways(globs: &Globs, path: &[u8]) -> bool {
    let choices = |byte: u8| if path.contains(&byte) { &[false, true][..] } else { &[false][..] };
    let (slashes, backslashes, parameters) = (choices(ENCODED_SLASH), choices(b'\\'), choices(b';'));
    // Each may have empty segments, which some servers ignore.
    let ways =
        [slashes, backslashes, parameters].iter().fold(1_usize, |ways, choices| ways.saturating_mul(choices.len()));
    if has_dot_segment(path) || (ways > 1 && path.len().saturating_mul(ways) > AMBIGUOUS) {
        return false;
    }
    slashes.iter().all(|&slash| {
        backslashes.iter().all(|&backslash| {
            parameters.iter().all(|&parameters| {
                let read = Way { slash, backslash, parameters }.read(path);
                globs.fit(&read) && (!has_empty_segment(&read) || globs.fit(&merged(&read)))
            })
        })
    })
}

impl Way {
    fn read(self, path: &[u8]) -> Vec<u8> {
        let mut is_parameter = false;
        let separated = path.iter().map(|byte| match byte {
            &ENCODED_SLASH if self.slash => b'/',
            b'\\' if self.backslash => b'/',
            byte => *byte,
        });
        let kept = separated.filter(|byte| {
            is_parameter = *byte != b'/' && (is_parameter || (self.parameters && *byte == b';'));
            !is_parameter
        });
        kept.collect()
    }
}

fn has_empty_segment(path: &[u8]) -> bool {
    path.windows(2).any(|pair| pair == b"//")
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|next, before| (*next, *before) == (b'/', b'/'));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(glob: &str, path: &str) -> bool {
        is_allowed(&Globs::from_iter([glob]), path)
    }

    #[test]
    fn globs_match_the_decoded_path() {
        for (glob, path) in [("/ä", "/%C3%A4"), ("/a b", "/a%20b"), ("/a*", "/a%2a"), ("/a.b/*", "/a.b/.c")] {
            assert!(allows(glob, path), "{glob} {path}");
        }
    }

    #[test]
    fn no_encoding_of_a_path_escapes_its_glob() {
        for path in [
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "/a/..",
            "/a/.",
            "/a/..%2fb",
            "/a/..%5Cb",
            "/a/..\\b",
            "/a/..;/b",
            "/a/..;x=y/b",
            "/a/%2e%2e;/b",
            "/a/%2e%2e%3b/b",
            "/a/.;/b",
            "/a/..%20/b",
            "/a/..%09%0d/b",
            "/a/%252e%252e/b",
            "/a/%25%32%65./b",
            "/a/..%253b/b",
            "/a/..%255cb",
            "/a/%25252e%25252e/b",
            "/a%2Fb",
            "/%61%2F",
            "/a;/../b",
            "/a/;/../b",
            "/;/b",
            "//b",
            "/\\a/b",
            "/a/%",
            "/a/%zz",
            "/a/%ff",
            "/a/%c0%ae%c0%ae/b",
            "/a/%00",
            "/a/%2500",
            "/a/%+1",
            "/a/%u002e%u002e/b",
            "/A/b",
        ] {
            assert!(!allows("/a/**", path), "{path}");
        }
    }

    #[test]
    fn an_ambiguous_path_is_allowed_only_if_every_interpretation_is() {
        for (glob, path, allowed) in [
            ("/a/**", "/a/b%2Fc", true),
            ("**", "/a%2fb", true),
            ("/a/*", "/a/b%2Fc", false),
            ("/a/b/c", "/a/b%2Fc", false),
            ("/a/*", "/a/DOMAIN%5Cuser", false),
            ("/a/**", "/a/DOMAIN%5Cuser", true),
            ("/a/*", "/a/b;v=1", true),
            ("/a/*", "/a/b;v=1/c", false),
            ("/a/b", "/a/b;v=1", false),
            ("/a/b;v=1", "/a/b;v=1", false),
            ("/*/b", "//b", false),
            ("/*/b", "/;x/b", false),
            ("/a/**", "/a//b", true),
            ("/a/*/c", "/a//c", false),
            ("/a/**", "/a/50%25", true),
            ("/a/**", "/a/x%252Fy", true),
            ("/a/*", "/a/x%252Fy", false),
            ("/a/*", "/a/x%2520y", true),
            ("/a%20b", "/a%2520b", false),
            ("/a b", "/a%2520b", false),
        ] {
            assert_eq!(allows(glob, path), allowed, "{glob} {path}");
        }
        assert!(is_allowed(&Globs::from_iter(["/a%20b", "/a b"]), "/a%2520b"));
    }

    #[test]
    fn a_long_path_may_not_be_ambiguous() {
        let long = "b/".repeat(30_000);
        assert!(allows("/a/**", &format!("/a/{long}")));
        assert!(allows("/a/**", &format!("/a/%20{long}")));
        assert!(!allows("/a/**", &format!("/a/%2f{long}")));
        assert!(allows("/a/**", &format!("/a/%2f{}", "b/".repeat(5_000))));
    }
}
