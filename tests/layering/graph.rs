//! Which file imports which, and from that the cycles and levels of a module.
//!
//! A room is a direct child of a module, a file or a folder. A re-export (`pub use`) is no import: whoever uses the
//! re-exported item imports the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{crate_paths, module_path};
use crate::source::production_code;

/// The files of the crate and what their production code imports.
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

/// The measurements of a module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) rooms: usize,
    pub(crate) imports: usize,
    pub(crate) levels: usize,
}

impl Graph {
    /// Reads the imports of every file that is not a test.
    pub(crate) fn read(files: &[(String, String)]) -> Self {
        let code: BTreeMap<String, (String, String)> = files
            .iter()
            .filter(|(path, _)| !path.ends_with("/tests.rs") && !path.contains("/tests/"))
            .map(|(path, text)| {
                (module_path(path).join("::"), (path.clone(), without_visibility(&production_code(text))))
            })
            .collect();
        let exports: BTreeMap<_, _> =
            code.iter().map(|(module, (path, text))| (module.clone(), exports(path, module, text))).collect();
        let edges = code.iter().map(|(module, (path, text))| {
            let mut named = crate_paths(path, &without_reexports(text));
            named.extend(child_paths(module, &without_reexports(text), &code));
            let found = named.iter().filter_map(|named| defining_file(named, &code, &exports));
            (module.clone(), found.filter(|file| file != module).collect())
        });
        Self { edges: edges.collect() }
    }

    /// Every import cycle.
    pub(crate) fn cycles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<_, _> = self.edges.keys().map(|file| (file, self.reachable(file))).collect();
        let mut seen = BTreeSet::new();
        let mut cycles = Vec::new();
        for file in self.edges.keys().filter(|file| reach[file].contains(*file)) {
            let circle: Vec<_> = reach[file].iter().filter(|other| reach[other].contains(file)).cloned().collect();
            if seen.insert(circle.clone()) {
                cycles.push(circle);
            }
        }
        cycles
    }

    fn reachable(&self, from: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = open.pop() {
            for next in &self.edges[&file] {
                if found.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        found
    }

    /// Measures `module`: its rooms, the imports between them, and the longest chain of these.
    pub(crate) fn measure(&self, module: &str) -> Measure {
        let mut between: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (file, imports) in &self.edges {
            let Some(from) = room(module, file) else { continue };
            let to = imports.iter().filter_map(|import| room(module, import)).filter(|to| *to != from);
            between.entry(from).or_default().extend(to);
        }
        let imports = between.values().map(BTreeSet::len).sum();
        let levels = between.keys().map(|from| depth(from, &between, &mut Vec::new())).max().unwrap_or_default();
        Measure { rooms: between.len(), imports, levels }
    }
}

fn room<'a>(module: &str, file: &'a str) -> Option<&'a str> {
    let inner = file.strip_prefix(module)?.strip_prefix("::")?;
    Some(inner.split("::").next().unwrap_or(inner))
}

fn depth<'a>(from: &'a str, between: &BTreeMap<&'a str, BTreeSet<&'a str>>, above: &mut Vec<&'a str>) -> usize {
    above.push(from);
    let below = between.get(from).into_iter().flatten().filter(|to| !above.contains(to)).copied().collect::<Vec<_>>();
    let deepest = below.into_iter().map(|to| depth(to, between, above)).max().unwrap_or_default();
    above.pop();
    deepest + 1
}

/// `pub(in crate::token)` is not an import.
fn without_visibility(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::with_capacity(code.len());
    while let Some(at) = rest.find("pub(in ") {
        let end = rest[at..].find(')').map_or(rest.len(), |end| at + end);
        kept.push_str(&rest[..at + 4]);
        rest = &rest[end..];
    }
    kept + rest
}

/// The statements that begin with a visibility and `use`, as (start, end).
fn reexport_spans(code: &str) -> Vec<(usize, usize)> {
    let starts = code.match_indices("use ").filter(|(at, _)| {
        let line = &code[code[..*at].rfind('\n').map_or(0, |start| start + 1)..*at];
        line.trim_start().starts_with("pub") && line.trim_end().ends_with(['b', ')'])
    });
    starts.map(|(at, _)| (at, code[at..].find(';').map_or(code.len(), |end| at + end))).collect()
}

fn without_reexports(code: &str) -> String {
    let mut kept = code.to_owned();
    for (start, end) in reexport_spans(code).into_iter().rev() {
        kept.replace_range(start..end, "");
    }
    kept
}

/// The names that a module re-exports, with their paths.
fn exports(path: &str, module: &str, code: &str) -> BTreeMap<String, String> {
    let spans = reexport_spans(code);
    let statements = spans.iter().map(|(start, end)| &code[start + "use ".len()..*end]);
    let paths = statements.flat_map(|statement| {
        let rooted = ["crate::", "super::", "self::"].iter().any(|root| statement.starts_with(root));
        let text = if rooted {
            statement.replace("self::", &format!("crate::{module}::"))
        } else {
            format!("crate::{module}::{statement}")
        };
        crate_paths(path, &text)
    });
    paths.filter_map(|path| Some((path.rsplit("::").next()?.to_owned(), path.clone()))).collect()
}

/// `child::Item` in the file of `child`'s parent, as paths from the root.
fn child_paths(module: &str, code: &str, files: &BTreeMap<String, (String, String)>) -> Vec<String> {
    let prefix = if module.is_empty() { String::new() } else { format!("{module}::") };
    let children = files.keys().filter_map(|file| file.strip_prefix(&prefix)).filter(|child| !child.contains("::"));
    let named = children.filter(|child| {
        let wanted = format!("{child}::");
        code.match_indices(&wanted).any(|(at, _)| {
            let before = code[..at].trim_end_matches("self::");
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        })
    });
    named.map(|child| format!("{prefix}{child}")).collect()
}

/// The file that a path leads to, through re-exports.
fn defining_file(
    named: &str,
    files: &BTreeMap<String, (String, String)>,
    exports: &BTreeMap<String, BTreeMap<String, String>>,
) -> Option<String> {
    let mut file = named;
    while !files.contains_key(file) {
        file = file.rsplit_once("::").map_or("", |(parent, _)| parent);
        if file.is_empty() {
            return None;
        }
    }
    let item = named[file.len()..].trim_start_matches("::").split("::").next().unwrap_or_default();
    match exports.get(file).and_then(|exports| exports.get(item)) {
        Some(path) if path != named => defining_file(path, files, exports),
        _ => Some(file.to_owned()),
    }
}

fn graph(files: &[(&str, &str)]) -> Graph {
    Graph::read(&files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect::<Vec<_>>())
}

#[test]
fn a_cycle_of_two_files_is_seen() {
    let files = [
        ("src/lib.rs", "pub mod a;"),
        ("src/a/mod.rs", "mod b;\nmod c;"),
        ("src/a/b.rs", "use super::c::C;\npub(in crate::a) struct B;"),
        ("src/a/c.rs", "use crate::a::b::B;"),
    ];
    assert_eq!(graph(&files).cycles(), [["a::b", "a::c"]]);
}

#[test]
fn a_parent_that_uses_its_child_and_is_used_by_it_is_a_cycle() {
    let files = [("src/a.rs", "mod b;\nfn f() { b::g() }"), ("src/a/b.rs", "use super::T;")];
    assert_eq!(graph(&files).cycles(), [["a", "a::b"]]);
    let files = [("src/a.rs", "mod b;\nfn f() { self::b::g() }"), ("src/a/b.rs", "use super::T;")];
    assert_eq!(graph(&files).cycles().len(), 1);
}

#[test]
fn a_reexport_counts_as_an_import_of_the_defining_file() {
    let files = [
        ("src/a/mod.rs", "mod b;\nmod c;\npub use b::B;\npub(crate) use self::c::C;"),
        ("src/a/b.rs", "use super::C;"),
        ("src/a/c.rs", ""),
    ];
    let graph = graph(&files);
    assert_eq!(graph.cycles(), Vec::<Vec<String>>::new());
    assert!(graph.edges["a::b"].contains("a::c"));
}

#[test]
fn imports_of_tests_do_not_count() {
    let files = [("src/a/b.rs", "use super::c::C;"), ("src/a/c.rs", "#[cfg(test)]\nmod tests { use crate::a::b::B; }")];
    assert!(graph(&files).cycles().is_empty());
}

#[test]
fn rooms_are_counted_with_the_imports_between_them() {
    let files = [
        ("src/a/mod.rs", ""),
        ("src/a/b/x.rs", "use super::y::Y;\nuse crate::a::c::C;"),
        ("src/a/b/y.rs", "use crate::a::c::C;"),
        ("src/a/c.rs", "use super::d::D;"),
        ("src/a/d.rs", ""),
    ];
    assert_eq!(graph(&files).measure("a"), Measure { rooms: 3, imports: 2, levels: 3 });
}
