//! Mutations of valid bytes.

use fastrand::Rng;

/// Header lines that are dangerous or misleading. `THEIRS` marks what must not be forwarded.
const LINES: &[&[u8]] = &[
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 5, 5",
    b"Content-Length: +5",
    b"Content-Length: -1",
    b"Content-Length: 0x5",
    b"Content-Length: 5 5",
    b"Content-Length:",
    b"Content-Length : 7",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 18446744073709551615",
    b"Content-Length: 9223372036854775808",
    b"Content\x00-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding:",
    b"Transfer_Encoding: chunked",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: X-Case, X-Legal-Entity, Authorization, Content-Length",
    b"Connection: \x80",
    b"Connection: Transfer-Encoding",
    b"Connection: Upgrade\r\nUpgrade: websocket",
    b"Upgrade: h2c",
    b"Keep-Alive: timeout=0",
    b"Keep-Alive: timeout=99999999999999999999",
    b"TE: trailers",
    b"Trailer: Authorization",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Host: theirs.example",
    b"Host:",
    b"Authorization: Bearer THEIRS",
    b"AUTHORIZATION:THEIRS",
    b"Proxy-Authorization: Basic THEIRS",
    b"X-Legal-Entity: THEIRS",
    b"X_Legal_Entity: THEIRS",
    b"Forwarded: for=THEIRS",
    b"X-Forwarded-For: THEIRS",
    b"X_Forwarded_Host: THEIRS",
    b"Content-Encoding: gzip",
    b"Content-Type: application/grpc",
    b"Grpc-Status: 16",
    b"Content-Range: bytes 0-4/5",
    b"Set-Cookie: a=b; Domain=x.example; Secure; Path=/b",
    b"Set-Cookie: \xe9=\xff; Domain=\xe9; Secure",
    b"Location: http://127.0.0.1/b/\xe9",
    b"Location: ///",
    b"Link: <http://127.0.0.1/b/x>; rel=next, <",
    b"Refresh: 5; url=",
    b"Proxy-Status: bearerd; error=x",
    b"WWW-Authenticate: Bearer error=\"invalid_token\"",
    b"Date: x",
    b": nameless",
    b"no colon here",
    b"X-Nul: a\x00b",
    b"X-Cr: a\rb",
    b"X-High: \x80\xff\xc3\x28",
    b"X-Fold: a\r\n b",
    b"X-Fold: a\r\n\tb\r\n  c",
    b"X Space: a",
    b"X-Tab\t: a",
    b"\xc3\xa9: a",
    b" ",
    b"",
];

const STARTS: &[&[u8]] = &[
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 ",
    b"HTTP/1.1 204",
    b"HTTP/1.1 302 D\xe9plac\xe9",
    b"HTTP/1.1 404 \xc3\xa9\xff",
    b"HTTP/1.1 200 \x00",
    b"HTTP/1.1 200 a\rb",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.1\t200 OK",
    b"HTTP/1.1 20",
    b"HTTP/1.1 2000 OK",
    b"HTTP/1.1 099 Odd",
    b"HTTP/1.1 999 Odd",
    b"HTTP/1.1 -20 Odd",
    b"HTTP/1.1 205 Reset Content",
    b"HTTP/1.1 101 Switching Protocols",
    b"HTTP/1.1 101",
    b"HTTP/1.1 100",
    b"HTTP/1.1 103 \xe9",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.0 200 OK",
    b"HTTP/0.9 200 OK",
    b"HTTP/1.2 200 OK",
    b"HTTP/2 200",
    b"ICY 200 OK",
    b"http/1.1 200 ok",
    b"GET / HTTP/1.1",
    b"GET /b HTTP/1.0",
    b"POST  /b HTTP/1.1",
    b"POST /b HTTP/1.1 ",
    b"GET /b\x80\xff HTTP/1.1",
    b"GET /b#x HTTP/1.1",
    b"GET http://theirs.example/b HTTP/1.1",
    b"GET //theirs.example/b HTTP/1.1",
    b"GET b HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"CONNECT theirs.example:443 HTTP/1.1",
    b"GET /../b HTTP/1.1",
    b"GET /\x00 HTTP/1.1",
    b"G\xe9T / HTTP/1.1",
    b"GET /b",
    b"PRI * HTTP/2.0",
    b"",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "00",
    "-1",
    "7f",
    "ffffffff",
    "fffffffffffffffff",
    "18446744073709551616",
    "4294967296",
    "65536",
    "1e9",
];

const ENDS: &[&[u8]] =
    &[b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b" \r\n", b"\0\r\n", b"", b"\x0b\r\n"];

const BYTES: &[u8] = &[0, 1, 9, 10, 11, 13, 27, 32, 34, 35, 44, 47, 58, 59, 92, 127, 128, 160, 194, 233, 255];

/// One mutation of any kind.
pub fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    match random.u8(..20) {
        0..2 => replace_line(random, bytes, STARTS, true),
        2..6 => insert_line(random, bytes),
        6..8 => line_end(random, bytes),
        8 => number(random, bytes),
        9 => whole_line(random, bytes),
        10 => many_lines(random, bytes),
        11 => replace_line(random, bytes, LINES, false),
        _ => any(random, bytes),
    }
}

/// One mutation of arbitrary bytes.
pub fn any(random: &mut Rng, bytes: &mut Vec<u8>) {
    let (at, range) = (random.usize(..=bytes.len()), part(random, bytes));
    match random.u8(..9) {
        0 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << random.u8(..8)),
        1 => bytes.get_mut(at).into_iter().for_each(|byte| *byte = odd(random)),
        2 => bytes.insert(at, odd(random)),
        3 => drop(bytes.splice(at..at, std::iter::repeat_n(odd(random), random.usize(..300)))),
        4 => drop(bytes.drain(range)),
        5 => {
            let copy = bytes[range.clone()].to_vec();
            drop(bytes.splice(range.end..range.end, copy));
        }
        6 => {
            let copy = bytes[range].to_vec();
            drop(bytes.splice(at..at, copy));
        }
        7 if random.bool() => bytes.truncate(at),
        _ => bytes.get_mut(at).into_iter().for_each(|byte| *byte = random.u8(..)),
    }
}

fn odd(random: &mut Rng) -> u8 {
    BYTES[random.usize(..BYTES.len())]
}

fn part(random: &mut Rng, bytes: &[u8]) -> std::ops::Range<usize> {
    let start = random.usize(..=bytes.len());
    let most = if random.bool() { 8 } else { 200 };
    start..(start + random.usize(..most)).min(bytes.len())
}

/// The ranges of the lines, line ends included.
fn lines(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut lines, mut start) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(40) {
        lines.push(start..start + line.len());
        start += line.len();
    }
    if lines.is_empty() {
        lines.push(0..0);
    }
    lines
}

fn some_line(random: &mut Rng, bytes: &[u8]) -> std::ops::Range<usize> {
    let lines = lines(bytes);
    lines[random.usize(..lines.len())].clone()
}

fn replace_line(random: &mut Rng, bytes: &mut Vec<u8>, lines_of: &[&[u8]], first: bool) {
    let place = if first { lines(bytes)[0].clone() } else { some_line(random, bytes) };
    let text = [lines_of[random.usize(..lines_of.len())], b"\r\n"].concat();
    drop(bytes.splice(place, text));
}

fn insert_line(random: &mut Rng, bytes: &mut Vec<u8>) {
    // Not before the first line: the head would start with it.
    let at = some_line(random, bytes).end;
    let text = [LINES[random.usize(..LINES.len())], b"\r\n"].concat();
    drop(bytes.splice(at..at, text));
}

fn whole_line(random: &mut Rng, bytes: &mut Vec<u8>) {
    let (from, to) = (some_line(random, bytes), some_line(random, bytes).end);
    let text = bytes[from.clone()].to_vec();
    if random.bool() {
        drop(bytes.splice(to..to, text));
    } else {
        drop(bytes.drain(from));
    }
}

fn line_end(random: &mut Rng, bytes: &mut Vec<u8>) {
    let line = some_line(random, bytes);
    let text = &bytes[line.clone()];
    let end = text.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let new = ENDS[random.usize(..ENDS.len())].to_vec();
    drop(bytes.splice(line.end - end..line.end, new));
}

fn number(random: &mut Rng, bytes: &mut Vec<u8>) {
    let starts = |at: &usize| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[*at - 1].is_ascii_digit());
    let places: Vec<_> = (0..bytes.len()).filter(starts).take(60).collect();
    let Some(start) = random.choice(places) else { return };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let new = NUMBERS[random.usize(..NUMBERS.len())].bytes();
    drop(bytes.splice(start..start + digits, new));
}

fn many_lines(random: &mut Rng, bytes: &mut Vec<u8>) {
    let at = some_line(random, bytes).end;
    let text = if random.bool() {
        let count = random.usize(1..400);
        (0..count).flat_map(|number| format!("X-{number}: y\r\n").into_bytes()).collect()
    } else {
        [b"X-Long: ".to_vec(), vec![b'y'; random.usize(..40_000)], b"\r\n".to_vec()].concat()
    };
    drop(bytes.splice(at..at, text));
}
