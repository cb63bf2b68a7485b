use super::*;

/// Decodes these bytes in pieces of this size: returns the data, the trailers and what is left over.
fn decode(mut rest: BodyFraming, text: &str, piece: usize) -> io::Result<(String, Vec<String>, BodyFraming, String)> {
    let (mut inbox, mut data, mut trailers) = (BytesMut::new(), Vec::new(), Vec::new());
    for piece in text.as_bytes().chunks(piece) {
        inbox.extend_from_slice(piece);
        while let Some(frame) = rest.take(&mut inbox)? {
            match frame.into_data() {
                Ok(bytes) => data.extend_from_slice(&bytes),
                Err(frame) => {
                    let fields = frame.into_trailers().unwrap();
                    trailers.extend(fields.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())));
                }
            }
        }
    }
    Ok((String::from_utf8(data).unwrap(), trailers, rest, String::from_utf8(inbox.to_vec()).unwrap()))
}

#[test]
fn chunks_decode_the_same_in_every_division() {
    let text = "5\r\nhello\r\nB ; x=\"y\"\r\n, chunked w\r\n004\r\norld\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\nnext";
    for piece in 1..=text.len() {
        let (data, trailers, rest, over) = decode(BodyFraming::chunked(), text, piece).unwrap();
        assert_eq!(data, "hello, chunked world", "{piece}");
        assert_eq!(trailers, ["x-sum=1", "x-sum=2"]);
        assert_eq!((rest.has_ended(), over.as_str()), (true, "next"));
    }
    let (data, trailers, rest, _) = decode(BodyFraming::chunked(), "0\r\n\r\n", 1).unwrap();
    assert_eq!((data.as_str(), trailers.len(), rest.has_ended()), ("", 0, true));
}

#[test]
fn invalid_chunks_are_errors() {
    for text in [
        "\r\n",
        "x\r\n",
        " 5\r\nhello",
        ";a\r\n",
        "-1\r\n",
        "5;a\nb\r\nhello",
        "5x\r\nhello",
        "5 5\r\nhello",
        "5;a\rb\r\nhello",
        "5\r;a\nhello",
        "5\r\r\nhello",
        "5 \r\r\nhello",
        "5\r \nhello",
        "5;a\r\r\nhello",
        "5\x0c\r\nhello",
        "5\r\nhello0\r\n",
        "10000000000000000\r\n",
        "0\r\nx: \0\r\n\r\n",
    ] {
        assert!(decode(BodyFraming::chunked(), text, text.len()).is_err(), "{text:?}");
    }
}

#[test]
fn bare_line_feeds_are_accepted_and_malformed_trailers_repaired_or_dropped() {
    for text in [
        "5\nhello\n0\n\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nx y: z\r\nx\r\n\r\n",
        "5\r\nhello\r\n0\r\n x: y\r\n\r\n",
    ] {
        for piece in 1..=text.len() {
            let (data, trailers, rest, over) = decode(BodyFraming::chunked(), text, piece).unwrap();
            assert_eq!(
                (data.as_str(), trailers.len(), rest.has_ended(), over.as_str()),
                ("hello", 0, true, ""),
                "{text:?}"
            );
        }
    }
    let (_, trailers, ..) = decode(BodyFraming::chunked(), "0\r\nX-A : 1\r\nx-b: 2\r\n 3\r\n\r\n", 99).unwrap();
    assert_eq!(trailers, ["x-a=1", "x-b=2 3"]);
}

#[test]
fn chunk_size_lines_and_trailers_are_limited() {
    for (begins, longest) in [("5;", MAX_SIZE_LINE), ("0\r\nx: ", MAX_TRAILERS)] {
        let long = |length| format!("{begins}{}", "a".repeat(length));
        assert!(decode(BodyFraming::chunked(), &long(longest - 8), longest * 2).is_ok());
        assert!(decode(BodyFraming::chunked(), &long(longest + 8), longest * 2).is_err(), "{begins}");
    }
    let lines = |count| format!("0\r\n{}\r\n", "x: y\r\n".repeat(count));
    for count in [STACK_TRAILERS, STACK_TRAILERS + 1, lenient::MAX_LINES] {
        assert_eq!(decode(BodyFraming::chunked(), &lines(count), 99_999).unwrap().1.len(), count);
    }
    assert!(decode(BodyFraming::chunked(), &lines(lenient::MAX_LINES + 1), 99_999).is_err());
}

#[test]
fn a_body_with_a_length_ends_after_it() {
    for piece in 1..9 {
        let (data, _, rest, over) = decode(BodyFraming::of(5), "hellonext", piece).unwrap();
        assert_eq!((data.as_str(), over.as_str(), rest.has_ended()), ("hello", "next", true), "{piece}");
    }
    let (data, _, rest, _) = decode(BodyFraming::of(5), "hel", 3).unwrap();
    assert_eq!((data.as_str(), rest.has_ended(), rest.most(), rest.size_hint().exact()), ("hel", false, 2, Some(2)));
    assert!(BodyFraming::of(0).has_ended());
}

#[test]
fn without_framing_everything_is_body() {
    let (data, _, rest, over) = decode(BodyFraming::Connection, "hello", 2).unwrap();
    assert_eq!((data.as_str(), over.as_str()), ("hello", ""));
    assert!(rest.ends_with_connection() && !rest.has_ended() && rest.size_hint().exact().is_none());
}

/// Chunked bodies, valid and invalid, in pieces.
const CHUNKED: &str =
    "((1\r\n[a-z]|0?3;x\r\n[a-z\r\n]{3}|[0-3a;x: -]{0,4})\r\n){0,6}(0\r\n(x: [a-z]\r\n)?\r\n[a-z]{0,2})?";

proptest::proptest! {
    #[test]
    fn any_input_decodes_the_same_in_every_division(text in CHUNKED, piece in 1_usize..9) {
        let decoded = |piece| {
            let decoded = decode(BodyFraming::chunked(), &text, piece).map_err(|error| error.to_string());
            decoded.map(|(data, trailers, rest, over)| (data, trailers, rest.has_ended(), over))
        };
        proptest::prop_assert_eq!(decoded(piece), decoded(text.len().max(1)));
    }
}
