//! `Max-Forwards`: how many more intermediaries an `OPTIONS` request may pass (RFC 9110 §7.6.2).

use http::request::Parts;
use http::{HeaderMap, Method, header};

/// Counts bearerd itself. Returns whether the request may not pass it.
pub(crate) fn is_exhausted(head: &mut Parts) -> bool {
    if head.method != Method::OPTIONS {
        return false;
    }
    let Some(left) = left(&head.headers) else { return false };
    let rest = left.checked_sub(1);
    if let Some(rest) = rest {
        head.headers.insert(header::MAX_FORWARDS, rest.into());
    }
    rest.is_none()
}

/// How many are left. A number that is too large for the type becomes smaller, which is allowed.
fn left(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::MAX_FORWARDS)?.to_str().ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn one_is_taken_off_until_none_is_left() {
        for (method, sent, exhausted, rest) in [
            ("OPTIONS", "0", true, "0"),
            ("OPTIONS", "000", true, "000"),
            ("OPTIONS", "1", false, "0"),
            ("OPTIONS", "10", false, "9"),
            ("OPTIONS", "99999999999999999999999", false, "18446744073709551614"),
            ("OPTIONS", "", false, ""),
            ("OPTIONS", "+1", false, "+1"),
            ("OPTIONS", "x", false, "x"),
            ("GET", "0", false, "0"),
            ("options", "0", false, "0"),
        ] {
            let request = Request::builder().method(method).header("max-forwards", sent).body(()).unwrap();
            let mut head = request.into_parts().0;
            assert_eq!(is_exhausted(&mut head), exhausted, "{method} {sent}");
            assert_eq!(head.headers["max-forwards"], rest, "{method} {sent}");
        }
        assert!(!is_exhausted(&mut Request::options("/").body(()).unwrap().into_parts().0));
    }
}
