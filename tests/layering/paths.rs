//! Which modules a text names: `crate::…`, `super::…` and `bearerd::…` paths, with grouped imports expanded.

/// The module path of a file: `src/token/key.rs` is `["token", "key"]`, the root is empty.
pub(crate) fn module_path(file: &str) -> Vec<&str> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<_> = inner.split('/').collect();
    if matches!(parts.last(), Some(&"mod" | &"lib")) {
        parts.pop();
    }
    parts
}

/// Every path from the crate's root that `code`, the text of `file`, names: in imports and inline.
pub(crate) fn crate_paths(file: &str, code: &str) -> Vec<String> {
    let here = module_path(file);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let root = word_before(code, at);
        let first_of_path = !code[..at - root.len()].trim_end().ends_with("::");
        let base = match root {
            "crate" | "bearerd" => Vec::new(),
            "super" if first_of_path => here[..here.len().saturating_sub(1)].to_vec(),
            _ => continue,
        };
        climb(base, &code[at + 2..], &mut found);
    }
    found
}

fn word_before(code: &str, end: usize) -> &str {
    let head = code[..end].trim_end();
    let start = head.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    &head[start..]
}

/// Follows further `super`s, then expands the rest.
fn climb(mut base: Vec<&str>, mut rest: &str, found: &mut Vec<String>) {
    while let Some(after) = rest.trim_start().strip_prefix("super") {
        let Some(after) = after.trim_start().strip_prefix("::") else { break };
        base.pop();
        rest = after;
    }
    spread(&base.join("::"), rest, found);
}

/// `a::{b, c::d}` after `prefix` becomes `prefix::a::b` and `prefix::a::c::d`.
fn spread(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        return members(group).into_iter().for_each(|member| spread(prefix, member, found));
    }
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tree.len());
    let path = [prefix, &tree[..end]].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::");
    match tree[end..].trim_start().strip_prefix("::") {
        Some(rest) => spread(&path, rest, found),
        None => found.push(path),
    }
}

/// The members of a group, after its opening brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(group[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|member| !member.is_empty());
    found
}

#[test]
fn paths_are_found_in_imports_groups_and_inline() {
    let code = "use crate::a::B;\nuse crate::{c, d::{e, f::G},};\nfn h() { crate::i::j(k::l()) }\npub(in crate::m) n";
    assert_eq!(crate_paths("src/x.rs", code), ["a::B", "c", "d::e", "d::f::G", "i::j", "m"]);
}

#[test]
fn super_is_followed_up_to_the_root() {
    let code = "use super::a;\nuse super::super::b::C;\nuse super::super::{d, e};";
    assert_eq!(
        crate_paths("src/token/store/file.rs", code),
        ["token::store::a", "token::b::C", "token::d", "token::e"]
    );
    assert_eq!(crate_paths("src/token/store/mod.rs", code), ["token::a", "b::C", "d", "e"]);
}
