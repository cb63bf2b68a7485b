//! Header names that CGI-style servers cannot tell apart (RFC 3875 §4.1.18): CGI, WSGI, Rack and PHP turn headers into variables.
//! They replace `-` (some also other punctuation) by `_`, and join the values of equal names.

use http::HeaderName;

/// Hop-by-hop, network and credential headers with a hyphen in their names. [`is_alias`] recognises other spellings of them.
const OURS: [&[u8]; 6] = [
    b"keep-alive",
    b"x-bearerd-key",
    b"content-length",
    b"proxy-connection",
    b"transfer-encoding",
    b"proxy-authorization",
];

const FORWARDED: &[u8] = b"x-forwarded-";

/// Whether both names become the same variable.
pub(super) fn is_same_variable(one: &HeaderName, two: &HeaderName) -> bool {
    is_same(one.as_str().as_bytes(), two.as_str().as_bytes())
}

/// Whether this is another spelling of a header that is never forwarded.
pub(super) fn is_alias(name: &str) -> bool {
    let name = name.as_bytes();
    let forwarded = name.split_at_checked(FORWARDED.len()).is_some_and(|(start, _)| is_same(start, FORWARDED));
    forwarded || OURS.iter().any(|own| *own != name && is_same(own, name))
}

fn is_same(one: &[u8], two: &[u8]) -> bool {
    let is_word = u8::is_ascii_alphanumeric;
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one == two || !(is_word(one) || is_word(two)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_makes_no_difference() {
        let same = |one: &str, two: &str| is_same_variable(&one.parse().unwrap(), &two.parse().unwrap());
        for (one, two, expected) in [
            ("Legal-Entity", "legal_entity", true),
            ("legal_entity", "Legal-Entity", true),
            ("x-a-b", "X_A-b", true),
            ("x-a-b", "x.a~b", true),
            ("x-a-b", "x-a-c", false),
            ("x-a-b", "x-a_b_", false),
            ("x-a-b", "xaab", false),
            ("x-a-b", "x0a-b", false),
        ] {
            assert_eq!(same(one, two), expected, "{one} {two}");
        }
    }

    #[test]
    fn only_other_spellings_are_aliases() {
        for name in [
            "x_forwarded_for",
            "x-forwarded_for",
            "x_forwarded-",
            "x.forwarded.host",
            "transfer_encoding",
            "keep_alive",
        ] {
            assert!(is_alias(name), "{name}");
        }
        for name in ["content_length", "proxy_authorization", "proxy~connection", "x_bearerd-key", "x_bearerd_key"] {
            assert!(is_alias(name), "{name}");
        }
        for name in ["content-length", "x_forward_for", "content_type", "user_agent", "x_forwarded", "x_request_id", ""]
        {
            assert!(!is_alias(name), "{name}");
        }
    }
}
