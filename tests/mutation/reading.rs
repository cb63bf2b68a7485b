//! A reader of HTTP/1.1 by RFC 9112, without any library that bearerd uses.

/// Name in lower case, and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// The first line and the fields of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub start: Vec<u8>,
    pub fields: Vec<Field>,
    /// Where the body begins.
    pub used: usize,
    /// Something violates the grammar, but readers may accept it.
    pub loose: bool,
    /// A malformed line may concern the framing of the body.
    pub vague: bool,
}

/// How a message ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It is complete after this many bytes.
    Whole(usize),
    /// It is incomplete.
    Cut,
    /// Its trailers are malformed, so their end is uncertain.
    Doubtful,
    /// It is malformed.
    Broken,
}

impl Head {
    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_slice())
    }

    /// Whether a list has this member.
    pub fn lists(&self, name: &[u8], member: &[u8]) -> bool {
        self.all(name).flat_map(items).any(|item| item.eq_ignore_ascii_case(member))
    }
}

/// The members of a list.
pub fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// RFC 9110 §5.6.2.
pub fn is_token(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

fn is_text(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

/// A line, its length including the line end, and whether that is CRLF.
fn line(bytes: &[u8]) -> Option<(&[u8], usize, bool)> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    let text = &bytes[..at];
    Some(text.strip_suffix(b"\r").map_or((text, at + 1, false), |text| (text, at + 1, true)))
}

/// Whether a malformed line may be meant to frame the body.
fn may_frame(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let holds = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
    holds(b"length") || holds(b"encoding") || holds(b"chunked") || holds(b"content") || holds(b"transfer")
}

/// Reads a head. Requests are read strictly; `forgiving` accepts deviations of responses.
pub fn head(bytes: &[u8], forgiving: bool) -> Result<Head, End> {
    let mut head = Head::default();
    loop {
        let Some((mut text, length, crlf)) = line(&bytes[head.used..]) else { return Err(End::Cut) };
        head.used += length;
        head.loose |= !crlf;
        while let [rest @ .., b'\r'] = text
            && forgiving
        {
            (text, head.loose) = (rest, true);
        }
        while let [b'\r', rest @ ..] = text
            && forgiving
            && head.start.is_empty()
        {
            (text, head.loose) = (rest, true);
        }
        match (text, head.start.is_empty()) {
            ([], true) => head.loose = true,
            ([], false) => return Ok(head),
            (_, true) => head.start = text.to_vec(),
            (_, false) => add(&mut head, text, forgiving)?,
        }
    }
}

fn add(head: &mut Head, text: &[u8], forgiving: bool) -> Result<(), End> {
    let colon = text.iter().position(|byte| *byte == b':');
    let (name, value) = text.split_at(colon.unwrap_or(text.len()));
    let value = trim(value.strip_prefix(b":").unwrap_or_default());
    if colon.is_some() && is_token(name) && is_text(value) {
        head.fields.push((name.to_ascii_lowercase(), value.to_vec()));
        return Ok(());
    }
    if !forgiving {
        return Err(End::Broken);
    }
    head.loose = true;
    let folded = text.starts_with(b" ") || text.starts_with(b"\t");
    let before = head.fields.last().map(|(name, _)| name.clone()).unwrap_or_default();
    head.vague |= may_frame(text) || (folded && may_frame(&before));
    match head.fields.last_mut() {
        Some((_, own)) if folded => own.extend([b" ", trim(text)].concat()),
        _ if !folded => {
            // A bare CR is a space (RFC 9112 §2.2).
            let value: Vec<_> = value.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte }).collect();
            head.fields.push((name.trim_ascii().to_ascii_lowercase(), trim(&value).to_vec()));
        }
        _ => {}
    }
    Ok(())
}

/// The Content-Length, if all lines agree.
pub fn length(head: &Head) -> Result<Option<u64>, End> {
    let mut agreed = None;
    if head.all(b"content-length").any(|value| items(value).all(<[u8]>::is_empty)) {
        return Err(End::Broken);
    }
    for item in head.all(b"content-length").flat_map(items).filter(|item| !item.is_empty()) {
        let digits = !item.is_empty() && item.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(item).ok().filter(|_| digits).and_then(|item| item.parse().ok());
        let number = number.ok_or(End::Broken)?;
        if *agreed.get_or_insert(number) != number {
            return Err(End::Broken);
        }
    }
    Ok(agreed)
}

/// Reads a body of this length, and how it ends.
pub fn measured(bytes: &[u8], length: u64) -> (Vec<u8>, End) {
    match usize::try_from(length).ok().and_then(|length| Some((bytes.get(..length)?, length))) {
        Some((body, length)) => (body.to_vec(), End::Whole(length)),
        None => (bytes.to_vec(), End::Cut),
    }
}

/// Reads a chunked body and its trailers; `forgiving` accepts other line ends.
pub fn chunked(bytes: &[u8], forgiving: bool) -> (Vec<u8>, Vec<Field>, End) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some((text, used, crlf)) = line(&bytes[at..]) else { return (body, Vec::new(), End::Cut) };
        let Some(size) = chunk_size(if forgiving { text.trim_ascii_end() } else { text }).filter(|_| crlf || forgiving)
        else {
            return (body, Vec::new(), End::Broken);
        };
        at += used;
        if size == 0 {
            let (trailers, end) = trailers(&bytes[at..], forgiving);
            return (body, trailers, if let End::Whole(used) = end { End::Whole(at + used) } else { end });
        }
        let rest = &bytes[at..];
        let Some(data) = usize::try_from(size).ok().and_then(|size| rest.get(..size)) else {
            body.extend_from_slice(rest);
            return (body, Vec::new(), End::Cut);
        };
        body.extend_from_slice(data);
        at += data.len();
        match &bytes[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [b'\n', ..] if forgiving => at += 1,
            [] | [b'\r'] => return (body, Vec::new(), End::Cut),
            _ => return (body, Vec::new(), End::Broken),
        }
    }
}

fn chunk_size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = text.split_at(digits);
    let rest = trim(rest);
    let extended = rest.is_empty() || (rest.starts_with(b";") && !rest.contains(&b'\r'));
    let size = std::str::from_utf8(size).ok().filter(|_| extended && digits > 0)?;
    u64::from_str_radix(size, 16).ok()
}

fn trailers(bytes: &[u8], forgiving: bool) -> (Vec<Field>, End) {
    let (mut head, mut at) = (Head::default(), 0);
    loop {
        let Some((text, used, crlf)) = line(&bytes[at..]) else { return (head.fields, End::Cut) };
        at += used;
        let returns = text.iter().rev().take_while(|byte| forgiving && **byte == b'\r').count();
        let text = &text[..text.len() - returns];
        if text.is_empty() && (crlf || forgiving) {
            return (head.fields, End::Whole(at));
        }
        if !(crlf || forgiving) || add(&mut head, text, forgiving).is_err() {
            return (head.fields, End::Doubtful);
        }
    }
}

#[test]
fn the_reading_is_the_rfcs() {
    assert_eq!(chunked(b"5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\nX", false), {
        (b"hello".to_vec(), vec![(b"t".to_vec(), b"v".to_vec())], End::Whole(25))
    });
    for (bytes, end) in [
        (&b"5\r\nhel"[..], End::Cut),
        (b"5\r\nhello!\r\n", End::Broken),
        (b"5 x\r\nhello\r\n", End::Broken),
        (b"+5\r\nhello\r\n", End::Broken),
        (b"0\r\n\n", End::Doubtful),
    ] {
        assert_eq!(chunked(bytes, false).2, end, "{}", bytes.escape_ascii());
    }
    let read = |text: &str| head(text.as_bytes(), false).map_err(|end| end == End::Broken);
    assert_eq!(length(&read("GET / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n").unwrap()), Ok(Some(5)));
    for lines in ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: +5", "Content-Length:"] {
        assert_eq!(length(&read(&format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n")).unwrap()), Err(End::Broken), "{lines}");
    }
    assert!(read("GET / HTTP/1.1\r\nA : b\r\n\r\n").unwrap_err());
    assert!(!read("GET / HTTP/1.1\r\nA: b\r\n").unwrap_err());
}
