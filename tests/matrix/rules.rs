//! The allowed differences between a direct call and the same call through bearerd.

use crate::caller::Calls;
use crate::message::{Field, Message};
use crate::upstream::{BASE, Speaks};

/// The protocols of caller and upstream.
#[derive(Clone, Copy)]
pub struct Way {
    pub calls: Calls,
    pub speaks: Speaks,
}

/// One row, with the ports of its participants.
#[derive(Clone, Copy)]
pub struct Case {
    pub way: Way,
    /// Where bearerd listens.
    pub door: u16,
    /// The upstream behind it.
    pub upstream: u16,
    /// The upstream that is called directly.
    pub straight: u16,
}

/// An allowed difference, with its source, and the transformation from the direct message to the one through bearerd.
/// Any other difference is a fault.
pub struct Rule {
    pub why: &'static str,
    pub section: &'static str,
    pub foretell: fn(&mut Message, &Case),
}

const fn rule(why: &'static str, section: &'static str, foretell: fn(&mut Message, &Case)) -> Rule {
    Rule { why, section, foretell }
}

pub const OF_REQUESTS: &[Rule] = &[
    rule("the host is the upstream's", "RFC 9110 §7.2, RFC 9113 §8.3.1", |message, case| {
        for (_, value) in message.fields.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("host")) {
            *value = format!("127.0.0.1:{}", case.upstream);
        }
    }),
    rule("the path is below the API's base URL", "RFC 9110 §7.1, by the configuration", |message, _| {
        message.more.insert_str(0, BASE);
    }),
    rule(
        "the token, which is checked separately, replaces the caller's credentials",
        "RFC 6750 §2.1",
        |message, _| {
            take(message, &["authorization", "proxy-authorization"]);
        },
    ),
    rule("headers about the caller's network are not forwarded", "RFC 7239 §8.2", |message, _| {
        take(message, &["x-forwarded-for", "x-forwarded-proto", "forwarded"]);
        // Also in trailers, so that a caller cannot set credentials.
        message.trailers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    }),
    CONNECTION,
    rule("TE is sent as an option of the connection", "RFC 9110 §10.1.4", |message, case| {
        if !case.way.speaks.is_http2() && message.field("te").is_some() {
            message.fields.push(("Connection".into(), "TE".into()));
        }
    }),
    rule(
        "each connection has its own version and framing",
        "RFC 9110 §6.2, RFC 9112 §6, RFC 9113 §8.1",
        |message, case| {
            let chunked = case.way.calls == Calls::Http2 && message.field("content-length").is_none();
            let (http2, empty) = (case.way.speaks.is_http2(), message.body.is_empty());
            if http2 {
                take(message, &["transfer-encoding"]);
            } else if chunked && !empty {
                message.fields.push(("Transfer-Encoding".into(), "chunked".into()));
            }
            message.version = if http2 { "HTTP/2.0" } else { "HTTP/1.1" }.into();
        },
    ),
    rule(SPELLING, SPELLING_SECTION, |message, case| {
        spell(message, case.way.speaks.is_http2());
    }),
    ORDER,
];

/// The allowed differences of responses. The direct response uses the caller's protocol, so there are few.
pub const OF_ANSWERS: &[Rule] = &[
    rule("a response to HEAD need not announce trailers", "RFC 9110 §9.3.2", |message, case| {
        if case.way.calls == Calls::Http1 && message.body.is_empty() {
            message.take("trailer");
        }
    }),
    rule("a response without a body has no length", "RFC 9110 §8.6", |message, _| {
        if message.start == "204" {
            message.take("content-length");
        }
    }),
    rule("HTTP/2 has no reason phrase", "RFC 9113 §8.3.2", |message, case| {
        if case.way.calls != Calls::Http2 && case.way.speaks.is_http2() {
            message.more =
                http::StatusCode::from_bytes(message.start.as_bytes()).unwrap().canonical_reason().unwrap().into();
        }
    }),
    rule(
        "URLs below the API's base URL are rewritten to the local address",
        "RFC 9110 §7.7, §10.2.2",
        |message, case| {
            let (theirs, ours) =
                (format!("http://127.0.0.1:{}{BASE}", case.straight), format!("http://127.0.0.1:{}", case.door));
            for (_, value) in
                message.fields.iter_mut().filter(|(name, _)| name.to_ascii_lowercase().ends_with("location"))
            {
                *value = value.replace(&theirs, &ours);
                *value = value.strip_prefix(BASE).unwrap_or(value).to_owned();
            }
        },
    ),
    rule(
        "cookies are rewritten for the local address over plain HTTP",
        "RFC 6265 §5.2.3, §5.2.4, §5.2.5",
        |message, _| {
            for (_, value) in message.fields.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
                *value = value.replace("; Domain=example.com", "").replace("; Secure", "");
                *value = value.replace(&format!("Path={BASE}"), "Path=");
            }
        },
    ),
    rule("only bearerd marks responses as its own", "RFC 9209 §2", |message, _| {
        message.fields.iter_mut().for_each(|(_, value)| *value = value.replace("bearerd; error=dns_error, ", ""));
    }),
    rule("hyper sends no interim responses to HTTP/2 callers", "RFC 9110 §15.2 requires more", |message, case| {
        if case.way.calls == Calls::Http2 {
            message.interim.clear();
        }
    }),
    CONNECTION,
    rule("a response that ends with the connection gets framing", "RFC 9112 §6.3, §7.1", |message, case| {
        let framed = ["content-length", "transfer-encoding"].iter().any(|name| message.field(name).is_some());
        if case.way.calls == Calls::Http1 && !framed && !message.body.is_empty() {
            message.fields.push(("Transfer-Encoding".into(), "chunked".into()));
        }
    }),
    rule("HTTP/1.0 callers get HTTP/1.0 responses", "RFC 9110 §2.5", |message, case| {
        if case.way.calls == Calls::Http10 {
            message.version = "HTTP/1.0".into();
        }
    }),
    rule(SPELLING, SPELLING_SECTION, |message, case| {
        spell(message, case.way.calls == Calls::Http2);
    }),
    ORDER,
];

/// Of the options in `Connection`, bearerd sends `TE: trailers` itself too.
const CONNECTION: Rule =
    rule("connection-specific fields are not forwarded", "RFC 9110 §7.6.1, §11.7.1", |message, _| {
        let listed = message.take("connection").join(",");
        take(message, &listed.split(',').map(str::trim).filter(|name| *name != "TE").collect::<Vec<_>>());
        take(message, &["keep-alive", "proxy-connection", "proxy-authenticate", "upgrade"]);
    });

const SPELLING: &str = "names have no case: in HTTP/1.1 they go out `Like-This`, or as they are specified";
const SPELLING_SECTION: &str = "RFC 9110 §5.1, RFC 9113 §8.2.1";

fn spell(message: &mut Message, http2: bool) {
    for (name, _) in message.fields.iter_mut().chain(&mut message.trailers) {
        let parts = name.split('-').map(|part| match part.split_at_checked(1) {
            Some((first, rest)) if !http2 => first.to_ascii_uppercase() + &rest.to_ascii_lowercase(),
            _ => part.to_ascii_lowercase(),
        });
        *name = parts.collect::<Vec<_>>().join("-").replace("Soapaction", "SOAPAction");
    }
}

/// How both are compared. The sort is stable: equal names keep their order.
const ORDER: Rule = rule("fields with different names have no order", "RFC 9110 §5.3", |message, _| {
    let key = |(name, _): &Field| name.to_ascii_lowercase();
    message.fields.sort_by_key(key);
    message.trailers.sort_by_key(key);
});

fn take(message: &mut Message, names: &[&str]) {
    names.iter().for_each(|name| drop(message.take(name)));
}

/// The differences that no rule explains: field, expected, received.
pub fn differences(rules: &[Rule], case: &Case, expected: &Message, came: &Message) -> Vec<String> {
    let (mut expected, mut came) = (expected.clone(), came.clone());
    rules.iter().for_each(|rule| (rule.foretell)(&mut expected, case));
    (ORDER.foretell)(&mut came, case);
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: &dyn std::fmt::Debug, came: &dyn std::fmt::Debug| {
        let (expected, came) = (format!("{expected:?}"), format!("{came:?}"));
        if expected != came {
            found.push(format!("{what}: expected {expected}, came {came}"));
        }
    };
    compare("start", &(&expected.version, &expected.start, &expected.more), &(&came.version, &came.start, &came.more));
    compare("interim", &expected.interim, &came.interim);
    compare("trailers", &expected.trailers, &came.trailers);
    compare("length of the body", &expected.body.len(), &came.body.len());
    let agreed = expected.body.iter().zip(&came.body).take_while(|(expected, came)| expected == came).count();
    compare("bytes of the body that agree", &expected.body.len(), &agreed);
    let missing: Vec<_> = expected.fields.iter().filter(|field| !came.fields.contains(field)).collect();
    let added: Vec<_> = came.fields.iter().filter(|field| !expected.fields.contains(field)).collect();
    compare("fields, missing and added", &(Vec::<&Field>::new(), Vec::<&Field>::new()), &(&missing, &added));
    if missing.is_empty() && added.is_empty() {
        compare("order of fields", &expected.fields, &came.fields);
    }
    found
}
