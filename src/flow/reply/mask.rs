//! Masks secrets in server texts, however the server encodes them.
//!
//! Encodings nest, so the text is decoded instead of the secrets being encoded: escapes are undone layer by layer, each
//! byte keeps its original position, and every secret that appears is hidden there.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The maximum number of characters of server text that are shown.
pub(in crate::flow) const SHOWN: usize = 300;
/// The maximum number of bytes of server text that are examined.
const READ: usize = 64 << 10;
/// The maximum number of nested encodings.
const LAYERS: usize = 5;
/// Shorter runs are not examined as base64.
const RUN: usize = 8;
/// Shorter secrets occur in base64 and hexadecimal by chance.
const CERTAIN: usize = 4;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The secrets to hide.
#[derive(Default)]
pub(in crate::flow) struct Mask {
    secrets: Vec<Vec<u8>>,
    /// Values whose parts are secret too: Basic credentials.
    whole: Vec<String>,
}

/// Text with some layers of encoding undone: each byte with its range in the original text.
struct Encoding {
    bytes: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Mask {
    /// Adds a secret.
    pub(in crate::flow) fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if !secret.is_empty() {
            self.secrets.push(plain(secret.as_bytes()));
        }
    }

    /// Adds credentials whose parts are as secret as the whole.
    pub(in crate::flow) fn add_pair(&mut self, pair: String) {
        self.add(&pair);
        self.whole.push(pair);
    }

    /// The text without secrets and control characters, and not too long.
    pub(in crate::flow) fn clean(&self, text: &str) -> String {
        let end = (0..=READ.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let text = text.get(..end).unwrap_or_default();
        let mut hidden = vec![false; text.len()];
        let mut layer = Encoding::of(text);
        for _ in 0..LAYERS {
            self.hide(&layer, &mut hidden);
            let inner = layer.unescaped();
            if inner.bytes == layer.bytes {
                break;
            }
            layer = inner;
        }
        let clean: String = shown(text, &hidden).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match clean.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
            None => clean,
        }
    }

    fn hide(&self, layer: &Encoding, hidden: &mut [bool]) {
        self.hide_plain(layer, 0, hidden);
        for skip in 0..2 {
            self.hide_plain(&layer.unhexed(skip), CERTAIN, hidden);
        }
        for (start, end) in runs(&layer.bytes) {
            if layer.bytes.get(start..end).is_some_and(|run| self.is_spelled_by(run)) {
                let padding = layer.bytes.iter().skip(end).take_while(|byte| **byte == b'=').count();
                layer.hide(start, end.saturating_add(padding), hidden);
            }
        }
    }

    /// Hides the secrets of at least this length.
    fn hide_plain(&self, layer: &Encoding, shortest: usize, hidden: &mut [bool]) {
        let text = plain(&layer.bytes);
        for secret in self.secrets.iter().filter(|secret| secret.len() >= shortest) {
            for (start, window) in text.windows(secret.len()).enumerate() {
                if window == secret {
                    layer.hide(start, start.saturating_add(secret.len()), hidden);
                }
            }
        }
    }

    /// Whether these base64 characters are a secret, contain one, or are a part of the credentials.
    fn is_spelled_by(&self, run: &[u8]) -> bool {
        let standard = run.iter().map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        });
        let standard: Vec<u8> = standard.collect();
        let text = std::str::from_utf8(&standard).unwrap_or_default();
        self.whole.iter().any(|pair| pair.contains(text))
            || (0..4).any(|skip| {
                let run = standard.get(skip..).unwrap_or_default();
                let whole = if run.len() % 4 == 1 { run.split_last().map_or(run, |(_, rest)| rest) } else { run };
                BASE64.decode(whole).is_ok_and(|bytes| self.is_in(&bytes))
            })
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let spelled = plain(bytes);
        let layer = Encoding { bytes: bytes.to_vec(), spans: vec![(0, 0); bytes.len()] };
        let unescaped = plain(&layer.unescaped().bytes);
        self.secrets.iter().any(|secret| {
            let within = |text: &[u8]| text.windows(secret.len()).any(|window| window == secret);
            *secret == spelled || secret.len() >= CERTAIN && (within(&spelled) || within(&unescaped))
        })
    }
}

/// Forms encode a space as `+`, so the two are treated as equal.
fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
}

fn shown(text: &str, hidden: &[bool]) -> String {
    let mut bytes = Vec::new();
    let mut before = false;
    for (byte, hidden) in text.bytes().zip(hidden) {
        match (*hidden, before) {
            (true, false) => bytes.extend_from_slice("…".as_bytes()),
            (true, true) => {}
            (false, _) => bytes.push(byte),
        }
        before = *hidden;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The ranges that could be base64, in either alphabet.
fn runs(bytes: &[u8]) -> Vec<(usize, usize)> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    let mut runs = Vec::new();
    let mut start = 0_usize;
    for run in bytes.split(|byte| !is_base64(*byte)) {
        let end = start.saturating_add(run.len());
        if run.len() >= RUN {
            runs.push((start, end));
        }
        start = end.saturating_add(1);
    }
    runs
}

impl Encoding {
    fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), spans: (0..text.len()).map(|at| (at, at.saturating_add(1))).collect() }
    }

    fn hide(&self, start: usize, end: usize, hidden: &mut [bool]) {
        let span = self.spans.get(start).zip(self.spans.get(end.saturating_sub(1)));
        let Some(((first, _), (_, last))) = span else { return };
        hidden.iter_mut().take(*last).skip(*first).for_each(|hidden| *hidden = true);
    }

    /// Each two hexadecimal digits as one byte, from the second digit of each run on if `skip` is 1. A separator between
    /// single bytes, as in `61:62`, counts as nothing; anything else as a zero byte.
    fn unhexed(&self, skip: usize) -> Self {
        let mut inner = Self { bytes: Vec::new(), spans: Vec::new() };
        let mut at = 0_usize;
        for run in self.bytes.split(|byte| !byte.is_ascii_hexdigit()) {
            for (index, pair) in run.get(skip..).unwrap_or_default().chunks_exact(2).enumerate() {
                let first = at.saturating_add(skip).saturating_add(index.saturating_mul(2));
                let span = self.spans.get(first).zip(self.spans.get(first.saturating_add(1)));
                let Some(((start, _), (_, end))) = span else { continue };
                inner.bytes.extend(hex(pair).and_then(|byte| u8::try_from(byte).ok()));
                inner.spans.push((*start, *end));
            }
            if run.len() != 2 {
                inner.bytes.push(0);
                inner.spans.push((0, 0));
            }
            at = at.saturating_add(run.len()).saturating_add(1);
        }
        inner
    }

    /// Undoes one layer: JSON escapes, percent-encoding and HTML entities.
    fn unescaped(&self) -> Self {
        let mut inner = Self { bytes: Vec::with_capacity(self.bytes.len()), spans: Vec::new() };
        let mut at = 0;
        while let Some((byte, rest)) = self.bytes.get(at..).and_then(<[u8]>::split_first) {
            let (meaning, taken) = escape(*byte, rest).unwrap_or_else(|| (vec![*byte], 1));
            let end = at.saturating_add(taken);
            let last = self.spans.get(end.saturating_sub(1)).map_or(0, |span| span.1);
            let span = (self.spans.get(at).map_or(0, |span| span.0), last);
            inner.spans.extend(meaning.iter().map(|_| span));
            inner.bytes.extend(meaning);
            at = end;
        }
        inner
    }
}

/// The meaning of an escape that starts here, and its length.
fn escape(first: u8, rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    match first {
        b'%' => Some((vec![u8::try_from(hex(rest.get(..2)?)?).ok()?], 3)),
        b'\\' => backslash(rest),
        b'&' => entity(rest),
        _ => None,
    }
}

fn backslash(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let plain = |byte| Some((vec![byte], 2));
    match rest.first()? {
        b'u' => {
            let unit = |digits: Option<&[u8]>| u16::try_from(hex(digits?)?).ok();
            let high = unit(rest.get(1..5))?;
            let low = || unit(rest.get(5..11)?.strip_prefix(b"\\u"));
            let units = |units: &[u16]| String::from_utf16(units).ok().map(String::into_bytes);
            units(&[high]).map(|text| (text, 6)).or_else(|| Some((units(&[high, low()?])?, 12)))
        }
        b'x' => Some((vec![u8::try_from(hex(rest.get(1..3)?)?).ok()?], 4)),
        b'n' => plain(b'\n'),
        b'r' => plain(b'\r'),
        b't' => plain(b'\t'),
        b'b' => plain(8),
        b'f' => plain(12),
        other if other.is_ascii_punctuation() => plain(*other),
        _ => None,
    }
}

fn entity(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let length = rest.iter().take(10).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    let character = match (name, name.strip_prefix('#')) {
        ("amp", _) => '&',
        ("lt", _) => '<',
        ("gt", _) => '>',
        ("quot", _) => '"',
        ("apos", _) => '\'',
        ("nbsp", _) => '\u{a0}',
        ("plus", _) => '+',
        ("sol", _) => '/',
        ("equals", _) => '=',
        (_, Some(number)) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(digits) => hex(digits.as_bytes())?,
            None => number.parse().ok()?,
        })?,
        _ => return None,
    };
    Some((utf8(character), length.saturating_add(2)))
}

fn utf8(character: char) -> Vec<u8> {
    character.to_string().into_bytes()
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
