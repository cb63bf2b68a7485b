//! Rules on the structure that no compiler checks: which module may import which, how long a file may be, where a
//! secret may be read, and that the map in `src/lib.rs` is complete. Each rule is a function of a path and its text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "layering/graph.rs"]
mod graph;
#[path = "layering/names.rs"]
mod names;
#[path = "layering/paths.rs"]
mod paths;
#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Files longer than the limit, each with the reason why splitting it would be worse.
const LONG_FILES: &[(&str, &str)] = &[];

/// How many levels a module's files may have: the longest chain of imports between its direct children.
const LEVELS: &[(&str, usize)] = &[("flow", 6), ("proxy", 9), ("token", 7)];

/// Folders with more entries than the limit, each with the reason.
const CROWDED_FOLDERS: &[(&str, &str)] = &[("src", "one entry for each row of the map")];

/// Import cycles that are allowed, named by their first file, each with the reason.
const CYCLES: &[(&str, &str)] = &[];

/// Type names with more than one meaning, each with the reason.
const REPEATED_NAMES: &[(&str, &str)] = &[];

/// The only files that read a `Secret`, each with where the text goes.
const EXPOSING_FILES: &[(&str, &str)] = &[
    ("src/endpoint.rs", "passes the outbound proxy's URL, with credentials, to the HTTP clients"),
    ("src/config/resolve/scope.rs", "parses it as a URL or a header value"),
    ("src/flow/compile.rs", "inserts non-secret variables into other variables and into the store name"),
    ("src/flow/usage/inject.rs", "puts the token into the headers, query and cookies for the API"),
    ("src/flow/mint.rs", "puts it into requests to the token endpoint, and masks it in error messages"),
    ("src/flow/mint/seed.rs", "hashes a configured refresh token, to recognise a changed one"),
    ("src/flow/template.rs", "inserts variables into templates of requests"),
    ("src/token/key.rs", "hashes it, with everything else that makes a token, to the token's key"),
    ("src/token/store/format.rs", "writes tokens to a persistent store"),
    ("src/token/store/redis/address.rs", "parses it as the Redis URL, which contains credentials"),
    ("src/cli/token.rs", "shows a token's claims, and with `--reveal` the token"),
    ("src/token/store/seal.rs", "derives the encryption key of the store"),
];

/// The modules that read untrusted bytes. None may index, slice, or use unchecked arithmetic.
const READING_OTHERS: &[&str] = &["document", "flow", "guard", "proxy", "token"];

/// The attribute with which clippy enforces that; each exception needs a reason.
const NOTHING_PANICS: &str =
    "#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]";

/// Every Rust file below `directory` as (path from the crate's root, text), sorted.
fn rust_files(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join(directory)];
    let mut files = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// An unused exception would hide the next violation.
fn assert_all_needed(exceptions: &[(&str, &str)], needed: &BTreeSet<&str>) {
    for (path, reason) in exceptions {
        assert!(needed.contains(path), "{path} no longer needs its exception ({reason}): remove it from the list");
        assert!(!reason.is_empty(), "{path} is excepted without a reason");
    }
}

#[test]
fn dependencies_point_one_way_as_the_map_says() {
    let files = rust_files("src");
    let (_, map) = files.iter().find(|(path, _)| path == "src/lib.rs").unwrap();
    let table = rules::Table::read(map);
    let violations = files.iter().flat_map(|(path, text)| rules::forbidden_imports(&table, path, text));
    assert_none(&violations.collect::<Vec<_>>());
}

#[test]
fn every_permission_of_the_map_is_used() {
    let files = rust_files("src");
    let (_, map) = files.iter().find(|(path, _)| path == "src/lib.rs").unwrap();
    assert_none(&rules::unused_permissions(&rules::Table::read(map), &files));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let graph = graph::Graph::read(&rust_files("src"));
    let cycles = graph.cycles();
    let first = |files: &Vec<String>| files.first().cloned().unwrap_or_default();
    let found: Vec<String> = cycles.iter().map(first).collect();
    assert_all_needed(CYCLES, &found.iter().map(String::as_str).collect());
    let known = |files: &Vec<String>| CYCLES.iter().any(|(file, _)| *file == first(files));
    let cycles: Vec<_> = cycles.into_iter().filter(|files| !known(files)).collect();
    assert_none(
        &cycles
            .iter()
            .map(|files| format!("import cycle of {}: {}", files.len(), files.join(", ")))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn rooms_lie_in_few_levels() {
    let graph = graph::Graph::read(&rust_files("src"));
    for (module, levels) in LEVELS {
        let measure = graph.measure(module);
        println!("{module}: {measure:?}");
        assert!(measure.levels <= *levels, "{module} has {} levels of rooms; the limit is {levels}", measure.levels);
    }
}

#[test]
fn no_folder_has_too_many_entries() {
    let files = rust_files("src");
    let crowded = rules::crowded_folders(&files);
    let excepted = |folder: &str| CROWDED_FOLDERS.iter().any(|(listed, _)| *listed == folder);
    assert_none(
        &crowded
            .iter()
            .filter(|(folder, _)| !excepted(folder))
            .map(|(folder, entries)| format!("{folder} has {entries} entries; the limit is {}", rules::ENTRIES))
            .collect::<Vec<_>>(),
    );
    assert_all_needed(CROWDED_FOLDERS, &crowded.iter().map(|(folder, _)| folder.as_str()).collect());
}

#[test]
fn a_type_name_is_used_twice_only_with_a_reason() {
    let files = rust_files("src");
    let repeated = names::repeated(&files);
    let unlisted = repeated.iter().filter(|(name, _)| REPEATED_NAMES.iter().all(|(listed, _)| listed != name));
    assert_none(
        &unlisted.map(|(name, files)| format!("`{name}` is defined in {}", files.join(", "))).collect::<Vec<_>>(),
    );
    assert_all_needed(REPEATED_NAMES, &repeated.keys().map(String::as_str).collect());
}

#[test]
fn no_file_is_longer_than_the_limit() {
    let files: Vec<_> = ["src", "tests"].into_iter().flat_map(rust_files).collect();
    let (excepted, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|(path, _)| LONG_FILES.iter().any(|(long, _)| long == path));
    assert_none(&others.iter().filter_map(|(path, text)| rules::too_long(path, text)).collect::<Vec<_>>());
    let long = excepted.iter().filter(|(path, text)| rules::too_long(path, text).is_some());
    assert_all_needed(LONG_FILES, &long.map(|(path, _)| path.as_str()).collect());
}

#[test]
fn only_listed_files_look_inside_a_secret() {
    let files = rust_files("src");
    let exposing: BTreeSet<_> =
        files.iter().filter(|(path, text)| rules::exposes(path, text)).map(|(path, _)| path.as_str()).collect();
    let unlisted = exposing.iter().filter(|path| EXPOSING_FILES.iter().all(|(listed, _)| listed != *path));
    assert_none(
        &unlisted
            .map(|path| {
                format!("{path} calls Secret::expose: if it must, list it in tests/layering.rs with the reason")
            })
            .collect::<Vec<_>>(),
    );
    assert_all_needed(EXPOSING_FILES, &exposing);
}

#[test]
fn every_file_is_a_module_of_its_parent() {
    let files = rust_files("src");
    assert_none(&rules::orphans(&files));
}

#[test]
fn modules_that_read_untrusted_bytes_deny_panicking_operations() {
    let files = rust_files("src");
    for module in READING_OTHERS {
        let head = format!("src/{module}/mod.rs");
        let (_, text) = files.iter().find(|(path, _)| *path == head).unwrap();
        assert!(text.contains(NOTHING_PANICS), "{head} must say:\n{NOTHING_PANICS}");
    }
    let exceptions =
        ["indexing_slicing", "string_slice", "arithmetic_side_effects"].map(|lint| format!("allow(clippy::{lint}"));
    let excepted = |text: &str| {
        text.lines().any(|line| exceptions.iter().any(|start| line.contains(start)) && !line.contains("reason"))
    };
    let silent = files.iter().filter(|(_, text)| excepted(text));
    assert_none(&silent.map(|(path, _)| format!("{path} has an exception without a reason")).collect::<Vec<_>>());
}
