//! Globs for paths: `*` matches within a segment, `**` across segments, `/**` any number of whole segments.
//!
//! All globs run at once as one automaton over the bytes of the path. Its state is a bit set of the positions in the
//! globs that the path so far can have reached. The cost per byte depends only on the globs, and matching stops when no
//! glob can match any longer.

use std::ops::Range;

/// A compiled set of globs.
#[derive(Clone, Default, Debug)]
pub struct Globs {
    words: Vec<Word>,
    /// The positions of each byte as a literal.
    literals: Vec<Box<[u64]>>,
}

/// Properties of 64 positions, a bit each.
#[derive(Clone, Copy, Default, Debug)]
struct Word {
    /// A glob starts here.
    start: u64,
    /// A glob ends here.
    end: u64,
    /// The glob matches any continuation.
    certain: u64,
    /// `**`: any byte may follow at this position.
    any: u64,
    /// `*`: any byte except a slash may follow at this position.
    within: u64,
    /// The next position is reached without a byte.
    skip_one: u64,
    /// The position after the next is reached without a byte: `/**` can match nothing.
    skip_two: u64,
}

enum GlobToken {
    Literal(u8),
    /// The slash of a `/**`, which can match nothing.
    Optional,
    Within,
    Any,
}

impl<T: AsRef<str>> FromIterator<T> for Globs {
    fn from_iter<I: IntoIterator<Item = T>>(globs: I) -> Self {
        let mut all = Self::default();
        let mut place = 0;
        for glob in globs {
            place = all.add(&tokens(glob.as_ref().as_bytes()), place);
        }
        let length = all.words.len();
        for literal in &mut all.literals {
            let mut whole = std::mem::take(literal).into_vec();
            whole.resize(length, 0);
            *literal = whole.into();
        }
        all
    }
}

fn tokens(mut glob: &[u8]) -> Vec<GlobToken> {
    let mut tokens = Vec::new();
    while let Some((first, rest)) = glob.split_first() {
        glob = match glob {
            [b'/', b'*', b'*', after @ ..] if matches!(after, [] | [b'/', ..]) => {
                tokens.extend([GlobToken::Optional, GlobToken::Any]);
                after
            }
            [b'*', b'*', after @ ..] => {
                tokens.push(GlobToken::Any);
                after
            }
            [b'*', after @ ..] => {
                tokens.push(GlobToken::Within);
                after
            }
            _ => {
                tokens.push(GlobToken::Literal(*first));
                rest
            }
        };
    }
    tokens
}

impl Globs {
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds a glob at this position and returns the next free one.
    fn add(&mut self, tokens: &[GlobToken], first: usize) -> usize {
        for (place, token) in (first..).zip(tokens) {
            let (word, bit) = self.place(place);
            match token {
                GlobToken::Literal(_) => {}
                GlobToken::Optional => word.skip_two |= bit,
                GlobToken::Within => (word.within, word.skip_one) = (word.within | bit, word.skip_one | bit),
                GlobToken::Any => (word.any, word.skip_one) = (word.any | bit, word.skip_one | bit),
            }
            match token {
                GlobToken::Literal(byte) => self.expect(*byte, place),
                GlobToken::Optional => self.expect(b'/', place),
                GlobToken::Within | GlobToken::Any => {}
            }
        }
        let end = first.saturating_add(tokens.len());
        let (word, bit) = self.place(end);
        word.end |= bit;
        if let (Some(GlobToken::Any), Some(last)) = (tokens.last(), end.checked_sub(1)) {
            let (word, bit) = self.place(last);
            word.certain |= bit;
        }
        let (word, bit) = self.place(first);
        word.start |= bit;
        end.saturating_add(1)
    }

    fn place(&mut self, place: usize) -> (&mut Word, u64) {
        (slot(&mut self.words, place / 64), 1 << (place % 64))
    }

    fn expect(&mut self, byte: u8, place: usize) {
        let literal = slot(&mut self.literals, usize::from(byte));
        let mut words = std::mem::take(literal).into_vec();
        *slot(&mut words, place / 64) |= 1 << (place % 64);
        *literal = words.into();
    }

    /// Whether a glob matches the whole text.
    pub(super) fn fit(&self, text: &[u8]) -> bool {
        let mut state: Vec<_> = self.words.iter().map(|word| word.start).collect();
        let mut reached = self.advance(&mut state, 0..self.words.len(), None);
        for byte in text {
            if reached.certain || reached.words.is_empty() {
                break;
            }
            reached = self.advance(&mut state, reached.words, Some(*byte));
        }
        reached.certain || state.iter().zip(&self.words).any(|(state, word)| state & word.end != 0)
    }

    /// Advances by a byte, and then to all positions reached without one. Positions only move forward, so only the
    /// `live` words and the next one can have bits set.
    fn advance(&self, state: &mut [u64], live: Range<usize>, byte: Option<u8>) -> Reached {
        let literals = byte.map(|byte| self.literals.get(usize::from(byte)).map_or(&[][..], |words| words));
        let mut reached = Reached { words: live.end..live.start, certain: false };
        let mut carried = 0;
        let words = state.iter_mut().zip(&self.words).enumerate();
        for (index, (state, word)) in words.take(live.end.saturating_add(1)).skip(live.start) {
            let mut next = *state;
            let mut carry = 0;
            if let Some(literals) = literals {
                let moved = *state & literals.get(index).copied().unwrap_or_default();
                let within = if byte == Some(b'/') { 0 } else { word.within };
                next = (moved << 1) | (*state & (word.any | within));
                carry = moved >> 63;
            }
            next |= carried;
            loop {
                let more = next | (next & word.skip_one) << 1 | (next & word.skip_two) << 2;
                if more == next {
                    break;
                }
                next = more;
            }
            carried = carry | (next & word.skip_one) >> 63 | (next & word.skip_two) >> 62;
            *state = next;
            if next != 0 {
                reached.words = reached.words.start.min(index)..index.saturating_add(1);
                reached.certain |= next & word.certain != 0;
            }
        }
        reached
    }
}

/// The state of the automaton.
struct Reached {
    /// The words with bits set.
    words: Range<usize>,
    /// Whether a glob matches any continuation.
    certain: bool,
}

/// An entry of a list, which grows as needed.
#[allow(clippy::indexing_slicing, reason = "the list was just made long enough")]
fn slot<T: Default>(list: &mut Vec<T>, index: usize) -> &mut T {
    if list.len() <= index {
        list.resize_with(index.saturating_add(1), T::default);
    }
    &mut list[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(glob: &str, path: &str) -> bool {
        Globs::from_iter([glob]).fit(path.as_bytes())
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_cross() {
        for (glob, path, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a", "/ab", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/x*z", "/a/xyz", true),
            ("/a/x*z", "/a/xy", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/a/**/d", "/a/d", true),
            ("/a/**/d", "/a/b/c/d", true),
            ("/a/**/d", "/a/bd", false),
            ("/**", "/", true),
            ("**", "/anything/at all", true),
            ("**/b", "/a/b", true),
            ("*", "/a", false),
            ("/a*b*c", "/aXbXbXc", true),
            ("/ä", "/ä", true),
            ("", "", true),
            ("", "/", false),
            ("/A", "/a", false),
        ] {
            assert_eq!(allows(glob, path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn globs_longer_than_a_word_and_many_of_them_run_at_once() {
        let long = format!("/{}/**/z", "a*b/".repeat(50));
        let path = format!("/{}", "aXb/".repeat(50));
        assert!(allows(&long, &format!("{path}/z")));
        assert!(allows(&long, &format!("{path}/x/y/z")));
        assert!(!allows(&long, &format!("{path}/x/y/zz")));
        let many: Globs = (0..50).map(|number| format!("/tenant{number}/*/items/**")).collect();
        assert!(many.fit(b"/tenant0/a/items") && many.fit(b"/tenant49/a/items/b/c"));
        assert!(!many.fit(b"/tenant50/a/items") && !many.fit(b"/tenant4/a/b/items"));
        assert!(!Globs::default().fit(b"/") && Globs::default().is_empty());
    }

    /// A reference implementation by backtracking.
    fn slowly(glob: &[u8], text: &[u8]) -> bool {
        match (glob, text) {
            ([b'/', b'*', b'*', after @ ..], _) if matches!(after, [] | [b'/', ..]) => {
                slowly(after, text) || (text.first() == Some(&b'/') && slowly(&glob[1..], &text[1..]))
            }
            ([b'*', b'*', after @ ..], _) => slowly(after, text) || (!text.is_empty() && slowly(glob, &text[1..])),
            ([b'*', after @ ..], _) => {
                slowly(after, text) || (!matches!(text, [] | [b'/', ..]) && slowly(glob, &text[1..]))
            }
            ([], _) => text.is_empty(),
            ([byte, after @ ..], [first, rest @ ..]) => byte == first && slowly(after, rest),
            (_, []) => false,
        }
    }

    #[test]
    fn the_automaton_agrees_with_backtracking() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut word = |letters: &[u8], most: usize| -> Vec<u8> {
            (0..random.usize(..most)).map(|_| letters[random.usize(..letters.len())]).collect()
        };
        for _ in 0..20_000 {
            let globs: Vec<_> = (0..3).map(|_| String::from_utf8(word(b"/**ab", 9)).unwrap()).collect();
            let text = word(b"/ab", 9);
            let expected = globs.iter().any(|glob| slowly(glob.as_bytes(), &text));
            let fits = globs.iter().collect::<Globs>().fit(&text);
            assert_eq!(fits, expected, "{globs:?} {}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn matching_costs_at_most_linear_time() {
        assert!(!allows("/**a*a**a*a**b", &format!("/{}", "a".repeat(60_000))));
    }
}
