//! Rust source reduced to production code: comments, literals and test items become spaces.

/// `text` with comments and the contents of literals blanked, and without items under `#[cfg(test)]`.
pub(crate) fn production_code(text: &str) -> String {
    without_test_items(&without_comments_and_literals(text))
}

/// The index after a comment or literal at `at`.
fn end_of_hidden(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => Some(find(chars, at, |c| c == '\n')),
        '/' if next == Some('*') => Some(end_of_block_comment(chars, at)),
        '"' => Some(end_of_string(chars, at)),
        'r' if !in_identifier(chars, at) => end_of_raw_string(chars, at),
        '\'' => end_of_char(chars, at),
        _ => None,
    }
}

fn in_identifier(chars: &[char], at: usize) -> bool {
    // `br"…"` and `cr"…"` are raw strings too.
    let before = at.checked_sub(1).map(|index| chars[index]);
    before.is_some_and(|c| (c.is_alphanumeric() || c == '_') && c != 'b' && c != 'c')
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|&index| wanted(chars[index])).unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let quote = find(chars, start + 1, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let hashes = quote - start - 1;
    let closes = |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    Some((quote + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

/// A quote can also start a lifetime, which hides nothing.
fn end_of_char(chars: &[char], start: usize) -> Option<usize> {
    match chars.get(start + 1)? {
        '\\' => Some((find(chars, start + 3, |c| c == '\'') + 1).min(chars.len())),
        _ => (chars.get(start + 2) == Some(&'\'')).then_some(start + 3),
    }
}

fn without_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_hidden(&chars, at);
        let until = end.unwrap_or(at + 1);
        code.extend(chars[at..until].iter().map(|&c| if end.is_some() && c != '\n' { ' ' } else { c }));
        at = until;
    }
    code
}

fn without_test_items(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::with_capacity(code.len());
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at + item_length(&rest[at..])..];
    }
    kept + rest
}

/// The length of the item at the start of `code`: up to its `;` or the end of its block.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == ';' || c == '}') {
            return at + 1;
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = r##"a /* x /* y */ z */ b // c
d "e\"f" r#"g"h"# 'i' '\'' 'lifetime j br"k" "##;
    let words: Vec<_> = production_code(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "b", "d", "'lifetime", "j", "b"]);
}

#[test]
fn items_under_cfg_test_are_not_in_use() {
    let text = "use a;\n#[cfg(test)]\nmod tests { fn b() { c } }\n#[cfg(test)]\nconst E: [u8; 1] = [f; 1];\nuse d;";
    let words: Vec<_> = production_code(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["use", "a;", "use", "d;"]);
}
