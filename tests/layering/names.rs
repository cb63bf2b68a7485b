//! Type names with more than one meaning.

use std::collections::BTreeMap;

use crate::source::production_code;

/// Each type name that more than one file defines, with these files. Associated types do not count: the trait chooses
/// their name.
pub(crate) fn repeated(files: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| !path.ends_with("/tests.rs") && !path.contains("/tests/")) {
        for name in defined(&production_code(text)) {
            found.entry(name).or_default().push(path.clone());
        }
    }
    found.retain(|_, files| files.len() > 1);
    found
}

/// The structs, enums, traits and type aliases at the top level of a file.
fn defined(code: &str) -> Vec<String> {
    let declares = |line: &str| {
        let line = line.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")).map_or(line, |(_, rest)| rest);
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|keyword| line.strip_prefix(keyword))?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    };
    code.lines().filter_map(declares).collect()
}

#[test]
fn a_name_with_two_meanings_is_seen() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [
        file("src/a.rs", "pub struct Link;\nimpl Body for Link {\n    type Error = io::Error;\n}"),
        file("src/b.rs", "pub(in crate::b) enum Link {}\ntype Error = ();"),
        file("src/c.rs", "pub(super) struct Other;\n// struct Link;"),
    ];
    assert_eq!(
        repeated(&files),
        BTreeMap::from([("Link".to_owned(), vec!["src/a.rs".to_owned(), "src/b.rs".to_owned()])])
    );
}
