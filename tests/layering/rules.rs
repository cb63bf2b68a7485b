//! The rules themselves, each with a violation that it must see.

use std::collections::BTreeSet;

use crate::paths::{crate_paths, module_path};
use crate::source::production_code;

/// The longest a file may be, its unit tests included.
const LINES: usize = 300;

/// What each module may name of its siblings, as the map in the crate's documentation says it: one source for readers and
/// for this check. An entry with a path allows that part alone.
pub(crate) struct Table(Vec<(String, Vec<String>)>);

impl Table {
    /// Reads the rows ``| `module` | sentence | `may`, `import` |``; `everything above` is every earlier row.
    pub(crate) fn read(map: &str) -> Self {
        let mut rows: Vec<(String, Vec<String>)> = Vec::new();
        for line in map.lines().filter(|line| line.starts_with("//! | `")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let allowed = match cells[3] {
                "everything above" => rows.iter().map(|(module, _)| module.clone()).collect(),
                listed => listed.split(", ").map(|entry| entry.trim_matches('`').to_owned()).collect(),
            };
            rows.push((cells[1].trim_matches('`').to_owned(), allowed));
        }
        rows.push(("main".to_owned(), vec!["cli".to_owned()]));
        Self(rows)
    }

    fn allowed(&self, module: &str) -> Option<&[String]> {
        self.0.iter().find(|(known, _)| known == module).map(|(_, allowed)| allowed.as_slice())
    }
}

fn allows(entry: &str, path: &str) -> bool {
    !entry.is_empty() && path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Imports, grouped or inline, that the table does not allow. Test code may import what it likes.
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

/// A file over the limit.
pub(crate) fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES).then(|| format!("{path} has {lines} lines, {LINES} are the limit: split it by concept"))
}

/// Whether the file looks inside a secret outside its tests.
pub(crate) fn exposes(path: &str, text: &str) -> bool {
    let code = production_code(text);
    let calls = [".expose(", "Secret::expose"].iter().any(|call| code.contains(call));
    calls && !is_test_file(path)
}

/// Files that no parent declares: they would never be compiled.
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
fn a_part_of_a_module_can_be_allowed_alone() {
    assert_eq!(seen("src/config/mod.rs", "use crate::token::plan::Policy;"), [""; 0]);
    assert_eq!(
        seen("src/config/mod.rs", "use crate::token::{plan, pool::Pool};"),
        ["src/config/mod.rs: `config` must not import `token::pool::Pool`"]
    );
}

#[test]
fn nobody_reaches_up_to_app_and_cli() {
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
fn a_file_that_nobody_declares_is_seen() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [file("src/lib.rs", "pub mod a;"), file("src/a/mod.rs", "mod b;"), file("src/a/b.rs", "")];
    assert_eq!(orphans(&files), [""; 0]);
    assert_eq!(orphans(&[file("src/a/mod.rs", "mod bb;"), file("src/a/b.rs", "")]).len(), 2);
}
