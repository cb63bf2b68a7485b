//! What may differ between a call made straight and the same call made through bearerd: nothing but this.

use crate::caller::Calls;
use crate::message::{Field, Message};
use crate::upstream::Speaks;

/// One row of the test.
#[derive(Clone, Copy)]
pub struct Way {
    pub calls: Calls,
    pub speaks: Speaks,
}

impl Way {
    /// Whether a spelling survives: it does not exist in HTTP/2.
    fn keeps_spelling(self) -> bool {
        self.calls == Calls::Http1 && !self.speaks.is_http2()
    }
}

/// A difference that is allowed, where it is written, and what takes it out of a message: the same for both, so that
/// everything else is compared.
pub struct Rule {
    pub why: &'static str,
    pub section: &'static str,
    pub even_out: fn(&mut Message, Way),
}

const fn rule(why: &'static str, section: &'static str, even_out: fn(&mut Message, Way)) -> Rule {
    Rule { why, section, even_out }
}

/// What may differ in a request.
pub const OF_REQUESTS: &[Rule] = &[
    rule(
        "the host is the upstream's, in the form of its protocol",
        "RFC 9110 §7.2, RFC 9113 §8.3.1",
        |message, _| {
            message.take("host");
        },
    ),
    rule("the token takes the place of the caller's credentials", "RFC 6750 §2.1", |message, _| {
        message.take("authorization");
    }),
    rule("what a caller says about its own network is not passed on", "RFC 7239 §8.2", |message, _| {
        message.take("x-forwarded-for");
    }),
    CONNECTION,
    FRAMING,
    SPELLING,
    TRAILERS,
    ORDER,
];

/// What may differ in an answer.
pub const OF_ANSWERS: &[Rule] = &[
    rule("there is no reason phrase in HTTP/2", "RFC 9113 §8.3.2", |message, way| {
        if !way.keeps_spelling() {
            message.more.clear();
        }
    }),
    rule("an answer without content need not announce trailers", "RFC 9110 §9.3.2", |message, _| {
        if message.body.is_empty() {
            message.take("trailer");
        }
    }),
    CONNECTION,
    FRAMING,
    SPELLING,
    TRAILERS,
    ORDER,
];

const CONNECTION: Rule = rule("what belongs to one connection ends there", "RFC 9110 §7.6.1", |message, _| {
    message.take("connection");
});

const FRAMING: Rule = rule("each connection has its own framing", "RFC 9112 §6, RFC 9113 §8.1", |message, _| {
    message.take("transfer-encoding");
});

const SPELLING: Rule = rule("names have no case in HTTP/2", "RFC 9113 §8.2.1", |message, way| {
    if !way.keeps_spelling() {
        message.fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
    }
});

const TRAILERS: Rule = rule("hyper writes names of trailers in lower case", "RFC 9110 §5.1", |message, _| {
    message.trailers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
});

/// The sort is stable: lines of the same name stay as they stand.
const ORDER: Rule = rule("lines of different names have no order", "RFC 9110 §5.3", |message, _| {
    let key = |(name, _): &Field| name.to_ascii_lowercase();
    message.fields.sort_by_key(key);
    message.trailers.sort_by_key(key);
});

/// What is still different once the rules are applied: field, what was expected, what came.
pub fn differences(rules: &[Rule], way: Way, expected: &Message, came: &Message) -> Vec<String> {
    let (mut expected, mut came) = (expected.clone(), came.clone());
    for rule in rules {
        (rule.even_out)(&mut expected, way);
        (rule.even_out)(&mut came, way);
    }
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: &dyn std::fmt::Debug, came: &dyn std::fmt::Debug| {
        let (expected, came) = (format!("{expected:?}"), format!("{came:?}"));
        if expected != came {
            found.push(format!("{what}: expected {expected}, came {came}"));
        }
    };
    compare("start", &(&expected.start, &expected.more), &(&came.start, &came.more));
    compare("interim", &expected.interim, &came.interim);
    compare("trailers", &expected.trailers, &came.trailers);
    compare("length of the body", &expected.body.len(), &came.body.len());
    compare("body", &(expected.body == came.body), &true);
    let missing: Vec<_> = expected.fields.iter().filter(|field| !came.fields.contains(field)).collect();
    let added: Vec<_> = came.fields.iter().filter(|field| !expected.fields.contains(field)).collect();
    compare("fields, missing and added", &(Vec::<&Field>::new(), Vec::<&Field>::new()), &(missing, added));
    compare("order of fields", &expected.fields, &came.fields);
    found
}
