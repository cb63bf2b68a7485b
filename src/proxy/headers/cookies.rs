//! Cookies by name, in the request's `Cookie` header.

use http::{HeaderMap, HeaderValue, header};

/// Removes cookies with one of the `dropped` names or a name in `set`, and appends `set`. The bytes of the others stay
/// as they are.
pub(super) fn replace(headers: &mut HeaderMap, dropped: &[String], set: &[(String, String)]) {
    let goes = |name: &[u8]| {
        dropped.iter().any(|own| own.as_bytes() == name) || set.iter().any(|(own, _)| own.as_bytes() == name)
    };
    let mut pairs: Vec<Vec<u8>> = Vec::new();
    let mut hit = !set.is_empty();
    for line in headers.get_all(header::COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            if goes(name) {
                hit = true;
            } else if !pair.is_empty() {
                pairs.push(pair.to_vec());
            }
        }
    }
    if !hit {
        return;
    }
    pairs.extend(set.iter().map(|(name, value)| format!("{name}={value}").into_bytes()));
    headers.remove(header::COOKIE);
    if let (false, Ok(mut value)) = (pairs.is_empty(), HeaderValue::from_bytes(&pairs.join(&b"; "[..]))) {
        value.set_sensitive(true);
        headers.insert(header::COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(lines: &[&'static str], dropped: &[&str], set: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        let dropped: Vec<_> = dropped.iter().map(|&name| name.to_owned()).collect();
        let set: Vec<_> = set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        replace(&mut headers, &dropped, &set);
        headers.get_all(header::COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_cookie_is_replaced_by_name_in_every_line() {
        assert_eq!(replaced(&[], &[], &[("s", "1")]), ["s=1"]);
        assert_eq!(replaced(&["a=1; s=evil;b=\"x y\"", "s=evil"], &[], &[("s", "1")]), ["a=1; b=\"x y\"; s=1"]);
        assert_eq!(replaced(&["ss=1"], &["s"], &[]), ["ss=1"]);
        assert_eq!(replaced(&["s=1"], &["s"], &[]), [""; 0]);
        assert_eq!(replaced(&["a=1;  b=2"], &["s"], &[]), ["a=1;  b=2"]);
    }
}
