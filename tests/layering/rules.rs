//! The rules, each tested with a violation.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{crate_paths, module_path};
use crate::source::production_code;

/// The maximum length of a file, unit tests included.
const LINES: usize = 300;

/// What each module may import, read from the map in the crate's documentation. An entry with a path allows only that
/// part.
pub(crate) struct Table(Vec<Row>);

struct Row {
    module: String,
    allowed: Vec<String>,
    /// Whether it may import every earlier row; it need not use all.
    all_above: bool,
}

impl Table {
    /// Reads the rows ``| `module` | sentence | `may`, `import` |``; `everything above` is every earlier row.
    pub(crate) fn read(map: &str) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for line in map.lines().filter(|line| line.starts_with("//! | `")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let all_above = cells[3] == "everything above";
            let allowed = match all_above {
                true => rows.iter().map(|row| row.module.clone()).collect(),
                false => cells[3].split(", ").map(|entry| entry.trim_matches('`').to_owned()).collect(),
            };
            rows.push(Row { module: cells[1].trim_matches('`').to_owned(), allowed, all_above });
        }
        rows.push(Row { module: "main".to_owned(), allowed: vec!["cli".to_owned()], all_above: true });
        Self(rows)
    }

    fn allowed(&self, module: &str) -> Option<&[String]> {
        self.0.iter().find(|row| row.module == module).map(|row| row.allowed.as_slice())
    }
}

fn allows(entry: &str, path: &str) -> bool {
    !entry.is_empty() && path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Imports, grouped or inline, that the table does not allow. Test code may import anything.
pub(crate) fn forbidden_imports(table: &Table, path: &str, text: &str) -> Vec<String> {
    let own = module_path(path).first().copied();
    let Some(own) = own.filter(|_| !is_test_file(path)) else { return Vec::new() };
    let Some(allowed) = table.allowed(own) else {
        return vec![format!("{path}: the map in src/lib.rs has no row for module `{own}`")];
    };
    let forbidden = |named: &String| {
        let module = named.split("::").next().unwrap_or_default();
        module != own && table.allowed(module).is_some() && !allowed.iter().any(|entry| allows(entry, named))
    };
    let named: BTreeSet<_> = crate_paths(path, &production_code(text)).into_iter().filter(forbidden).collect();
    named.into_iter().map(|named| format!("{path}: `{own}` must not import `{named}`")).collect()
}

/// Permissions in the table that no production code uses.
pub(crate) fn unused_permissions(table: &Table, files: &[(String, String)]) -> Vec<String> {
    let production = files.iter().filter(|(path, _)| !is_test_file(path));
    let used: Vec<(Vec<&str>, Vec<String>)> =
        production.map(|(path, text)| (module_path(path), crate_paths(path, &production_code(text)))).collect();
    let is_used = |module: &str, entry: &str| {
        let of_module = used.iter().filter(|(own, _)| own.first().copied() == Some(module));
        of_module.flat_map(|(_, named)| named).any(|named| allows(entry, named))
    };
    let listed = table.0.iter().filter(|row| !row.all_above);
    let entries = listed.flat_map(|row| row.allowed.iter().map(move |entry| (&row.module, entry)));
    let unused = entries.filter(|(module, entry)| !entry.is_empty() && !is_used(module, entry));
    unused
        .map(|(module, entry)| format!("`{module}` may import `{entry}` but does not: remove it from the map"))
        .collect()
}

/// The maximum number of modules in a folder, tests not counted.
pub(crate) const ENTRIES: usize = 14;

/// Folders with more entries; a file and the folder of the same name count as one.
pub(crate) fn crowded_folders(files: &[(String, String)]) -> Vec<(String, usize)> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, _) in files {
        let mut rest = path.as_str();
        while let Some((folder, entry)) = rest.rsplit_once('/') {
            let entry = entry.trim_end_matches(".rs");
            if !matches!(entry, "mod" | "tests") {
                folders.entry(folder).or_default().insert(entry);
            }
            rest = folder;
        }
    }
    let crowded = folders.into_iter().map(|(folder, entries)| (folder.to_owned(), entries.len()));
    crowded.filter(|(_, entries)| *entries > ENTRIES).collect()
}

/// A file over the limit.
pub(crate) fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES).then(|| format!("{path} has {lines} lines; the limit is {LINES}: split it by concept"))
}

/// Whether the file's production code reads a secret.
pub(crate) fn exposes(path: &str, text: &str) -> bool {
    let code = production_code(text);
    let calls = [".expose(", "Secret::expose"].iter().any(|call| code.contains(call));
    calls && !is_test_file(path)
}

/// Files that no parent declares and that are therefore never compiled.
pub(crate) fn orphans(files: &[(String, String)]) -> Vec<String> {
    let declared = |path: &str| {
        let modules = module_path(path);
        let Some((name, parent)) = modules.split_last() else { return true };
        let declares = |text: &str| text.contains(&format!("mod {name};"));
        name == &"main" || files.iter().any(|(file, text)| module_path(file) == parent && declares(text))
    };
    let lost = files.iter().filter(|(path, _)| !declared(path));
    lost.map(|(path, _)| format!("{path} is not declared in its parent module: it is never compiled")).collect()
}

fn seen(path: &str, text: &str) -> Vec<String> {
    let rows = [
        "| module | is about | may import |",
        "| `clock` | time | |",
        "| `token` | the core | `clock` |",
        "| `proxy` | requests | `token`, `clock` |",
        "| `config` | settings | `token::plan` |",
        "| `app` | all | everything above |",
        "| `cli` | commands | everything above |",
    ];
    forbidden_imports(&Table::read(&rows.map(|row| format!("//! {row}\n")).concat()), path, text)
}

#[test]
fn an_import_against_the_direction_is_seen() {
    for text in [
        "use crate::proxy::Upstream;",
        "use crate::{clock, proxy};",
        "use super::super::proxy;",
        "fn f() { crate::proxy::f() }",
        "fn f() { bearerd::proxy::f() }",
        "#[cfg(test)]\nmod tests;\nuse crate::proxy;",
    ] {
        assert_eq!(seen("src/token/key.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn an_import_along_the_direction_is_fine() {
    for text in [
        "use crate::{clock::Clock, token::plan};",
        "// crate::proxy",
        "const A: &str = \"crate::proxy\";",
        "#[cfg(test)]\nmod tests { use crate::proxy; }",
        "use super::handle;",
    ] {
        assert_eq!(seen("src/token/key.rs", text), [""; 0], "{text}");
    }
    assert_eq!(seen("src/token/key/tests.rs", "use crate::proxy;"), [""; 0]);
}

#[test]
fn one_part_of_a_module_can_be_allowed() {
    assert_eq!(seen("src/config/mod.rs", "use crate::token::plan::Policy;"), [""; 0]);
    assert_eq!(
        seen("src/config/mod.rs", "use crate::token::{plan, pool::Pool};"),
        ["src/config/mod.rs: `config` must not import `token::pool::Pool`"]
    );
}

#[test]
fn no_module_imports_app_or_cli() {
    assert_eq!(seen("src/proxy/mod.rs", "use crate::app::App;").len(), 1);
    assert_eq!(seen("src/app.rs", "use crate::{cli, proxy, config};").len(), 1);
    assert_eq!(seen("src/main.rs", "use bearerd::{cli, token};").len(), 1);
}

#[test]
fn a_module_without_a_row_is_seen() {
    assert_eq!(seen("src/utils.rs", "").len(), 1);
}

#[test]
fn a_file_one_line_too_long_is_seen() {
    assert_eq!(too_long("src/a.rs", &"x\n".repeat(LINES)), None);
    assert!(too_long("src/a.rs", &"x\n".repeat(LINES + 1)).is_some());
}

#[test]
fn looking_inside_a_secret_is_seen_outside_of_tests() {
    assert!(exposes("src/a.rs", "fn f(s: &Secret) { s.expose(); }"));
    assert!(exposes("src/a.rs", "secrets.map(Secret::expose)"));
    assert!(!exposes("src/a.rs", "#[cfg(test)]\nmod tests { fn f(s: &Secret) { s.expose(); } }"));
    assert!(!exposes("src/secret.rs", "pub fn expose(&self) -> &str"));
}

#[test]
fn a_file_that_no_module_declares_is_found() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [file("src/lib.rs", "pub mod a;"), file("src/a/mod.rs", "mod b;"), file("src/a/b.rs", "")];
    assert_eq!(orphans(&files), [""; 0]);
    assert_eq!(orphans(&[file("src/a/mod.rs", "mod bb;"), file("src/a/b.rs", "")]).len(), 2);
}

#[test]
fn an_unused_permission_is_found() {
    let rows = [
        "//! | `clock` | time | |\n",
        "//! | `token` | the core | `clock` |\n",
        "//! | `proxy` | requests | `token`, `clock` |\n",
    ];
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files =
        [file("src/token/mod.rs", "use crate::clock::Clock;"), file("src/proxy/mod.rs", "use crate::token::Token;")];
    assert_eq!(
        unused_permissions(&Table::read(&rows.concat()), &files),
        ["`proxy` may import `clock` but does not: remove it from the map"]
    );
}

#[test]
fn a_folder_with_one_entry_too_many_is_seen() {
    let files = |count: usize| (0..count).map(|n| (format!("src/a/f{n}.rs"), String::new())).collect::<Vec<_>>();
    assert!(crowded_folders(&files(ENTRIES)).is_empty());
    assert_eq!(crowded_folders(&files(ENTRIES + 1)), [("src/a".to_owned(), ENTRIES + 1)]);
}
