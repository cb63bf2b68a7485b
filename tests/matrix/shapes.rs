//! The requests and responses.

use std::sync::LazyLock;

use crate::message::{Draft, Field, Framing, Message};

/// One byte more than is kept for a repeat.
pub const LARGE: usize = (1 << 20) + 1;

/// A target that a URL library would normalise.
const TARGET: &str = "/a%2Fb;v=1//c/%7Ed?q=%20+x&&y=%E4/..&=";

/// Header lines that a proxy could be tempted to change, and lines that it must remove.
const LINES: &[(&str, &str)] = &[
    ("X-MiXed", "one"),
    ("User-Agent", "matrix/1.0 (like nothing)"),
    ("accept", "text/*;q=0.5, */*"),
    ("Accept-Encoding", "br, gzip"),
    ("X-MIXED", "two,  and \"three\""),
    ("Cookie", "a=1; b=\"2\""),
    ("Range", "bytes=0-4"),
    ("SOAPAction", "\"urn:x\""),
    ("If-None-Match", "W/\"x\""),
    ("authorization", "Basic c3RvbGVu"),
    ("X-Forwarded-For", "192.0.2.1"),
    ("x-forwarded-PROTO", "https"),
    ("Forwarded", "for=192.0.2.1"),
    ("Proxy-Authorization", "Basic c3RvbGVu"),
    ("Authorization", "Bearer stolen"),
    ("X-Empty", ""),
];

/// The kinds of requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    Get,
    Head,
    Options,
    PostEmpty,
    PutSmall,
    Post64k,
    PostLarge,
    PostChunked,
    PatchTrailers,
    DeleteWithBody,
    PropfindLittleByLittle,
    PostExpecting,
}

impl Asks {
    pub const ALL: [Self; 12] = [
        Self::Get,
        Self::Head,
        Self::Options,
        Self::PostEmpty,
        Self::PutSmall,
        Self::Post64k,
        Self::PostLarge,
        Self::PostChunked,
        Self::PatchTrailers,
        Self::DeleteWithBody,
        Self::PropfindLittleByLittle,
        Self::PostExpecting,
    ];

    /// The request.
    pub fn draft(self) -> Draft {
        let (method, length, framing) = match self {
            Self::Get => ("GET", 0, Framing::None),
            Self::Head => ("HEAD", 0, Framing::None),
            Self::Options => ("OPTIONS", 0, Framing::None),
            Self::PostEmpty => ("POST", 0, Framing::Length),
            Self::PutSmall => ("PUT", 11, Framing::Length),
            Self::Post64k => ("POST", 64 << 10, Framing::Length),
            Self::PostLarge => ("POST", LARGE, Framing::Length),
            Self::PostChunked => ("POST", 70_001, Framing::Chunked(4_093)),
            Self::PatchTrailers => ("PATCH", 1_000, Framing::Chunked(50)),
            Self::DeleteWithBody => ("DELETE", 3, Framing::Length),
            Self::PropfindLittleByLittle => ("PROPFIND", 3_000, Framing::Chunked(1)),
            Self::PostExpecting => ("POST", 5_000, Framing::Length),
        };
        let mut message = Message::new(method, TARGET).with(LINES);
        message.body = bytes(length);
        if self == Self::PatchTrailers {
            message = message.with(&[("Trailer", "X-Sum, X-More")]);
            message.trailers =
                own(&[("X-Sum", "7"), ("authorization", "Bearer stolen"), ("X-More", "8"), ("x-sum", "9")]);
        }
        if self == Self::PostExpecting {
            message = message.with(&[("Expect", "100-continue")]);
        }
        Draft { message, framing }
    }

    /// Whether its body is kept for a repeat.
    pub fn is_kept(self) -> bool {
        self != Self::PostLarge
    }
}

/// The kinds of responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    Empty,
    Small,
    Large,
    Chunked,
    LittleByLittle,
    Trailers,
    UntilClose,
    NoContent,
    NotModified,
    Partial,
    Gzip,
    RedirectElsewhere,
    RedirectHome,
    SeeHome,
    Hints,
    Teapot,
    Failure,
    Early,
    ClosesAfter,
    /// 401 once, then the small response.
    ExpiredOnce,
    /// 401 each time.
    ExpiredAlways,
}

impl Says {
    pub const ALL: [Self; 21] = [
        Self::Empty,
        Self::Small,
        Self::Large,
        Self::Chunked,
        Self::LittleByLittle,
        Self::Trailers,
        Self::UntilClose,
        Self::NoContent,
        Self::NotModified,
        Self::Partial,
        Self::Gzip,
        Self::RedirectElsewhere,
        Self::RedirectHome,
        Self::SeeHome,
        Self::Hints,
        Self::Teapot,
        Self::Failure,
        Self::Early,
        Self::ClosesAfter,
        Self::ExpiredOnce,
        Self::ExpiredAlways,
    ];

    pub fn named(name: &str) -> Self {
        *Self::ALL.iter().find(|says| format!("{says:?}") == name).expect("the name of an answer")
    }

    /// The response to delivery number `delivery`, from zero.
    pub fn draft(self, delivery: usize) -> Draft {
        let (status, reason, length, framing) = match self {
            Self::Empty => ("200", "OK", 0, Framing::Length),
            Self::Small | Self::Hints | Self::Early | Self::ClosesAfter => ("200", "Quite Fine", 12, Framing::Length),
            Self::Large => ("200", "OK", LARGE, Framing::Length),
            Self::Chunked => ("201", "Created", 70_001, Framing::Chunked(4_093)),
            Self::LittleByLittle => ("200", "OK", 3_000, Framing::Chunked(1)),
            Self::Trailers => ("200", "OK", 1_000, Framing::Chunked(13)),
            Self::UntilClose => ("200", "OK", 70_001, Framing::Close),
            Self::NoContent => ("204", "No Content", 0, Framing::None),
            Self::NotModified => ("304", "Not Modified", 0, Framing::None),
            Self::Partial => ("206", "Partial Content", 5, Framing::Length),
            Self::Gzip => ("200", "OK", 33, Framing::Length),
            Self::RedirectElsewhere => ("302", "Found", 0, Framing::Length),
            Self::RedirectHome => ("307", "Temporary Redirect", 0, Framing::Length),
            Self::SeeHome => ("303", "See Other", 0, Framing::Length),
            Self::Teapot => ("418", "I'm a teapot", 4, Framing::Length),
            Self::Failure => ("503", "Service Unavailable", 20, Framing::Length),
            Self::ExpiredOnce if delivery > 0 => ("200", "Quite Fine", 12, Framing::Length),
            Self::ExpiredOnce | Self::ExpiredAlways => ("401", "Unauthorized", 9, Framing::Length),
        };
        let mut message = Message::new(status, reason).with(&[
            ("Date", "Thu, 27 Sep 2025 10:00:00 GMT"),
            ("ETag", "\"x\""),
            ("x-odd-CASE", "one"),
            ("Server", "matrix"),
            ("X-Odd-Case", "two"),
            ("Set-Cookie", "s=1; Path=/; HttpOnly"),
            ("Set-Cookie", "t=2"),
            ("WWW-Authenticate", "Bearer realm=\"x\""),
            ("Vary", "Accept-Encoding"),
            ("Proxy-Status", "bearerd; error=dns_error, other; error=\"a, b\""),
        ]);
        message.body = bytes(length);
        if self == Self::Trailers {
            message.trailers = own(&[("X-Sum", "13")]);
        }
        Draft { message: message.with(self.more()), framing }
    }

    /// Headers of this response only.
    fn more(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Trailers => &[("Trailer", "X-Sum")],
            Self::Partial => &[("Content-Range", "bytes 0-4/10")],
            Self::Gzip => &[("Content-Encoding", "gzip")],
            Self::RedirectElsewhere => &[("Location", "https://elsewhere.example/x?y#z")],
            Self::RedirectHome => &[
                ("Location", "HERE/base/x?y#z"),
                ("Content-Location", "/base/x"),
                ("set-cookie", "u=3; Domain=example.com; Path=/base/x; Secure; SameSite=Lax"),
            ],
            Self::SeeHome => &[("location", "/base/y?next=/base/z"), ("Set-Cookie", "v=4; Secure; HttpOnly")],
            Self::Failure => &[("Retry-After", "7")],
            _ => &[],
        }
    }

    /// Whether the upstream closes the connection after it.
    pub fn ends(self) -> bool {
        matches!(self, Self::UntilClose | Self::ClosesAfter)
    }
}

fn own(fields: &[(&str, &str)]) -> Vec<Field> {
    fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn bytes(length: usize) -> Vec<u8> {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..LARGE).map(|at| (at % 251) as u8).collect());
    NOISE[..length].to_vec()
}
