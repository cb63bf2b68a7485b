//! Valid HTTP/1.1 messages, before mutation.

use fastrand::Rng;

use crate::mutate::mutate;

/// The header value that the configuration sets.
pub const ENTITY: &str = "ours";

/// The body of one case, different from every other.
pub fn noise(number: u64, length: usize) -> Vec<u8> {
    let mut random = Rng::with_seed(number ^ 0x006e_6f69_7365);
    let mut bytes = format!("<{number}>").into_bytes();
    bytes.extend(std::iter::repeat_with(|| random.alphanumeric() as u8).take(length));
    bytes
}

/// The pipelined requests of one case.
pub fn requests(random: &mut Rng, number: u64) -> Vec<u8> {
    let count = if random.bool() { 1 } else { random.usize(1..4) };
    (0..count).flat_map(|place| request(random, number, place)).collect()
}

fn request(random: &mut Rng, number: u64, place: usize) -> Vec<u8> {
    let method = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "REPORT"][random.usize(..8)];
    let (mut bytes, length) = (Vec::new(), random.usize(..300));
    let path = ["", "/x%20y", "?q=1&r=%2e", "/a;b=c", "/%c3%a9?"][random.usize(..5)];
    bytes.extend(format!("{method} /m/{number}/{place}{path} HTTP/1.1\r\nHost: localhost\r\n").bytes());
    for line in [
        "Authorization: Basic THEIRS",
        "User-Agent: mutation/1",
        "X-Legal-Entity: THEIRS",
        "Cookie: a=b; c=d",
        "X-Forwarded-For: THEIRS",
        "Accept: */*",
        "Proxy-Authorization: THEIRS",
        "Accept-Encoding: gzip, br",
        "X-Empty:",
        "TE: trailers",
        "Connection: keep-alive, X-Hop\r\nX-Hop: THEIRS",
    ] {
        if random.u8(..4) == 0 {
            bytes.extend([line.as_bytes(), b"\r\n"].concat());
        }
    }
    match (method, random.u8(..4)) {
        ("GET" | "HEAD" | "OPTIONS" | "DELETE", 2..) => bytes.extend(b"\r\n"),
        (_, 0..2) => measured(&mut bytes, &noise(number, length)),
        _ => chunked(random, &mut bytes, &noise(number, length)),
    }
    bytes
}

fn measured(bytes: &mut Vec<u8>, body: &[u8]) {
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
    bytes.extend(body);
}

fn chunked(random: &mut Rng, bytes: &mut Vec<u8>, body: &[u8]) {
    let trailer = random.u8(..4) == 0;
    bytes.extend(if trailer { &b"Trailer: X-Sum\r\n"[..] } else { b"" });
    bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(random.usize(1..200)) {
        let extension = if random.u8(..5) == 0 { ";x=\"y\"" } else { "" };
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n");
    bytes.extend(if trailer { &b"X-Sum: 1\r\nAuthorization: THEIRS\r\n\r\n"[..] } else { b"\r\n" });
}

/// A response to a request of this method.
pub fn answer(random: &mut Rng, number: u64, method: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if random.u8(..8) == 0 {
        bytes.extend(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n");
    }
    let line = ["200 OK", "200", "201 Created", "302 Found", "404 Not Found", "500 Oops", "204 No Content"];
    let line = line[random.usize(..line.len())];
    bytes.extend(format!("HTTP/1.1 {line}\r\n").bytes());
    for line in [
        "Server: mutation",
        "Content-Type: text/plain; charset=utf-8",
        "Set-Cookie: a=b; Path=/b; Secure; Domain=example.com",
        "Location: http://127.0.0.1/b/x",
        "Vary: Accept",
        "Keep-Alive: timeout=60, max=100",
        "ETag: \"x\"",
        "Cache-Control:",
    ] {
        if random.u8(..4) == 0 {
            bytes.extend([line.as_bytes(), b"\r\n"].concat());
        }
    }
    let body = noise(number, random.usize(..400));
    if line.starts_with("204") {
        bytes.extend(b"\r\n");
    } else if method == "HEAD" {
        bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
    } else {
        match random.u8(..5) {
            0 => bytes.extend([b"\r\n", &body[..]].concat()),
            1..4 => measured(&mut bytes, &body),
            _ => chunked(random, &mut bytes, &body),
        }
    }
    bytes
}

/// Bytes that must not follow a response: another one, whole, partial or none.
pub fn stray(random: &mut Rng, number: u64) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nSTRAY{number}", 5 + number.to_string().len())
        .into_bytes();
    match random.u8(..5) {
        0 => bytes.truncate(random.usize(..bytes.len())),
        1 => bytes = b"\r\n".to_vec(),
        2 => bytes = noise(number, random.usize(..200)),
        3 => mutate(random, &mut bytes),
        _ => {}
    }
    bytes
}

/// The number of mutations.
pub fn changes(random: &mut Rng) -> usize {
    [0, 1, 1, 1, 1, 2, 2, 3, 4, 6][random.usize(..10)]
}
