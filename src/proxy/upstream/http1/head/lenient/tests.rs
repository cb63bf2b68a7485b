use super::*;

const FIRST: &str = "HTTP/1.1 200\r\n";

fn rewritten(lines: &str) -> String {
    let written = head(format!("HTTP/1.1 200 OK\r\n{lines}\r\nrest").as_bytes()).unwrap().unwrap();
    assert_eq!(written.length, format!("HTTP/1.1 200 OK\r\n{lines}\r\n").len());
    let text = String::from_utf8(written.text).unwrap();
    text.strip_prefix(FIRST).unwrap().strip_suffix("\r\n").unwrap().to_owned()
}

#[test]
fn each_line_is_repaired_or_dropped() {
    for (lines, expected) in [
        ("X-A : 1\r\n", "X-A: 1\r\n"),
        ("X-A \t :\t1 \r\n", "X-A: 1\r\n"),
        ("Content-Length : 5\r\n", "Content-Length: 5\r\n"),
        ("X: a\r\n b\r\n\tc\r\nY: d\r\n", "X: a b c\r\nY: d\r\n"),
        ("X:\r\n b\r\n", "X:  b\r\n"),
        (" X: a\r\nY: d\r\n", "Y: d\r\n"),
        ("X: a\nY: b\r\n", "X: a\r\nY: b\r\n"),
        ("X: a\rb\r\r\n", "X: a b\r\n"),
        ("X\r\nY: b\r\n", "Y: b\r\n"),
        ("X\r\n goes on\r\nY: b\r\n", "Y: b\r\n"),
        ("X y: a\r\nY: b\r\n", "Y: b\r\n"),
        ("X\u{e9}: a\r\nY: b\r\n", "Y: b\r\n"),
        (": a\r\nY: b\r\n", "Y: b\r\n"),
        ("X: a\x01\r\nY: b\r\n", "Y: b\r\n"),
        ("X: \u{e9}:\r\n", "X: \u{e9}:\r\n"),
    ] {
        assert_eq!(rewritten(lines), expected, "{lines:?}");
    }
}

#[test]
fn a_status_line_needs_a_version_and_three_digits() {
    for (line, expected) in [
        ("HTTP/1.1 200", "HTTP/1.1 200"),
        ("HTTP/1.1   200  OK", "HTTP/1.1 200"),
        ("HTTP/1.1\t200\tOK", "HTTP/1.1 200"),
        ("HTTP/1.1 200OK", "HTTP/1.1 200"),
        ("HTTP/1.1 200 a\x01\0b", "HTTP/1.1 200"),
        ("\r\n\nhttp/1.0 404 No", "HTTP/1.0 404"),
        ("HTTP/2 200", "HTTP/1.0 200"),
    ] {
        let written = head(format!("{line}\r\n\r\n").as_bytes()).unwrap().unwrap();
        assert_eq!(written.text, format!("{expected}\r\n\r\n").as_bytes(), "{line:?}");
        assert_eq!(written.length, line.len() + 4);
    }
    for line in ["HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 2x0 OK", "HTTP/1.3 200 OK", "HTTP/ 200", " HTTP/1.1 200 OK", "X"] {
        assert!(head(format!("{line}\r\n\r\n").as_bytes()).is_err(), "{line:?}");
    }
}

#[test]
fn framing_is_never_guessed() {
    for line in [
        "Content-Length: 5\x01",
        "Content-Length: 5\x0c",
        "content-length",
        "Content-Length x: 5",
        "Transfer-Encoding\x01: chunked",
        "Transfer-Encoding: chunked\x0c",
    ] {
        assert!(head(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n").as_bytes()).is_err(), "{line:?}");
    }
}

#[test]
fn an_incomplete_head_is_not_repaired() {
    let whole = "HTTP/1.1 200 OK\r\nX : a\r\n b\r\n\r\n";
    for length in 0..whole.len() {
        assert!(head(&whole.as_bytes()[..length]).unwrap().is_none(), "{length}");
    }
    assert!(head(b"SSH").is_err() && head(b"HTTPS").is_err());
}
