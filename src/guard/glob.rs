//! Globs of paths: `*` is a run within a segment, `**` a run across segments, `/**` whole segments or none.

/// Stands for an encoded slash that is data. No path holds it otherwise: a decoded NUL is refused.
const DATA_SLASH: u8 = 0;

/// Whether a raw path is allowed by one of the globs. An API may read `%2F` as a separator or as data, so the path must be
/// allowed both ways; and it may resolve dot segments, so there must be none.
pub(super) fn any_matches(globs: &[String], path: &str) -> bool {
    let Some(separated) = decode(path, b'/') else { return false };
    let Some(data) = decode(path, DATA_SLASH) else { return false };
    let any = |path: &[u8]| globs.iter().any(|glob| matches(glob.as_bytes(), path));
    !has_dot_segment(&separated) && any(&separated) && (separated == data || any(&data))
}

/// The path decoded once, with `slash` for each encoded slash; `None` if it is not valid percent-encoded UTF-8.
fn decode(path: &str, slash: u8) -> Option<Vec<u8>> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => match hex(bytes.next()?)? << 4 | hex(bytes.next()?)? {
                0 => return None,
                b'/' => slash,
                byte => byte,
            },
            byte => byte,
        });
    }
    std::str::from_utf8(&decoded).is_ok().then_some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A backslash separates too: some servers read it so.
fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b".."))
}

/// Runs the glob as an automaton over the path: the places in the glob that the path so far can have reached. Time is
/// the product of both lengths, whatever a caller sends.
fn matches(glob: &[u8], path: &[u8]) -> bool {
    let mut places = vec![false; glob.len().saturating_add(1)];
    let mut next = places.clone();
    reach(glob, 0, &mut places);
    for &byte in path {
        for (place, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
            match glob.get(place..).unwrap_or_default() {
                [b'*', b'*', ..] => reach(glob, place, &mut next),
                [b'*', ..] if byte != b'/' => reach(glob, place, &mut next),
                [literal, ..] if *literal == byte => reach(glob, place.saturating_add(1), &mut next),
                _ => {}
            }
        }
        std::mem::swap(&mut places, &mut next);
        next.fill(false);
    }
    places.last().copied().unwrap_or(false)
}

/// Marks a place, and those that follow it when a star matches nothing.
fn reach(glob: &[u8], place: usize, places: &mut [bool]) {
    let Some(reached) = places.get_mut(place) else { return };
    if std::mem::replace(reached, true) {
        return;
    }
    let skipped = match glob.get(place..).unwrap_or_default() {
        [b'/', b'*', b'*'] | [b'/', b'*', b'*', b'/', ..] => 3,
        [b'*', b'*', ..] => 2,
        [b'*', ..] => 1,
        _ => return,
    };
    reach(glob, place.saturating_add(skipped), places);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(glob: &str, path: &str) -> bool {
        any_matches(&[glob.to_owned()], path)
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_cross() {
        for (glob, path, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a", "/ab", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/x*z", "/a/xyz", true),
            ("/a/x*z", "/a/xy", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/a/**/d", "/a/d", true),
            ("/a/**/d", "/a/b/c/d", true),
            ("/a/**/d", "/a/bd", false),
            ("/**", "/", true),
            ("**", "/anything/at all", true),
            ("**/b", "/a/b", true),
            ("*", "/a", false),
            ("/a*b*c", "/aXbXbXc", true),
            ("/ä", "/%C3%A4", true),
            ("/a b", "/a%20b", true),
            ("/a*", "/a%2a", true),
            ("/A", "/a", false),
        ] {
            assert_eq!(allows(glob, path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn no_spelling_of_a_path_leads_out_of_its_glob() {
        for path in [
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "/a/..",
            "/a/.",
            "/a/..%2fb",
            "/a/..%5Cb",
            "/a/..\\b",
            "/a%2Fb",
            "/%61%2F",
            "/a/%",
            "/a/%4",
            "/a/%zz",
            "/a/%ff",
            "/a/%00",
            "/a/%+1",
            "/A/b",
        ] {
            assert!(!allows("/a/**", path), "{path}");
        }
    }

    #[test]
    fn an_encoded_slash_is_allowed_where_both_readings_are() {
        assert!(allows("/a/**", "/a/b%2Fc"));
        assert!(allows("**", "/a%2fb"));
        assert!(!allows("/a/*", "/a/b%2Fc"));
        assert!(!allows("/a/b/c", "/a/b%2Fc"));
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert!(allows("/a%20b", "/a%2520b"));
        assert!(!allows("/a b", "/a%2520b"));
    }

    #[test]
    fn a_hostile_path_costs_no_more_than_its_length() {
        assert!(!allows("/**a*a**a*a**b", &format!("/{}", "a".repeat(60_000))));
    }
}
