//! Replaces and removes cookies by name in `Cookie` headers. The bytes of other cookies stay the same.

use http::{HeaderMap, HeaderValue, header};

/// Removes the cookies with these names.
pub(super) fn strip(headers: &mut HeaderMap, unwanted: &[String]) {
    let is_unwanted = |name: &[u8]| unwanted.iter().any(|own| own.as_bytes() == name);
    if !pairs(headers).any(|pair| is_unwanted(name(pair))) {
        return;
    }
    let left = line(pairs(headers).filter(|pair| !is_unwanted(name(pair))).map(<[u8]>::to_vec));
    headers.remove(header::COOKIE);
    headers.extend(left.map(|line| (header::COOKIE, line)));
}

/// The cookies, with those in `set` added or replaced by name.
pub(super) fn with(headers: &HeaderMap, set: &[(String, String)]) -> Option<HeaderValue> {
    let is_kept = |pair: &&[u8]| !set.iter().any(|(own, _)| own.as_bytes() == name(pair));
    let set = set.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    line(pairs(headers).filter(is_kept).map(<[u8]>::to_vec).chain(set))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii));
    pairs.filter(|pair| !pair.is_empty())
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn line(pairs: impl Iterator<Item = Vec<u8>>) -> Option<HeaderValue> {
    let pairs: Vec<_> = pairs.collect();
    let mut line = HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok().filter(|_| !pairs.is_empty())?;
    line.set_sensitive(true);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_replaced_by_name_in_every_line() {
        let set = [("s".to_owned(), "1".to_owned())];
        for (lines, expected) in
            [(&[][..], "s=1"), (&["a=1; s=evil;b=\"x y\"", "s=evil"], "a=1; b=\"x y\"; s=1"), (&["ss=1;"], "ss=1; s=1")]
        {
            let line = with(&headers(lines), &set).unwrap();
            assert_eq!(line, expected);
            assert!(line.is_sensitive());
        }
    }

    #[test]
    fn unwanted_cookies_are_removed_and_other_lines_unchanged() {
        for (lines, left) in [
            (&["ss=1"][..], &["ss=1"][..]),
            (&["s=1"], &[]),
            (&["a=1;  b=2", "c"], &["a=1;  b=2", "c"]),
            (&["a=1;  s=2", "c"], &["a=1; c"]),
        ] {
            let mut headers = headers(lines);
            strip(&mut headers, &["s".to_owned()]);
            let lines: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
            assert_eq!(lines, left);
        }
    }
}
