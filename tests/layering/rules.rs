//! The rules themselves, each with a violation that it must see.

use std::collections::BTreeSet;

use crate::paths::{crate_paths, module_path, top_module};
use crate::source::production_code;

/// The longest a file may be, its unit tests included.
const LINES: usize = 300;

/// What each module may name of its siblings; a leaf names none. An entry with a path allows that part alone.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("secret", &[]),
    ("tls", &[]),
    ("guard", &["secret"]),
    ("record", &[]),
    ("shutdown", &[]),
    ("telemetry", &[]),
    ("document", &[]),
    ("token", &["clock", "secret", "record"]),
    ("flow", &["token", "clock", "secret", "document", "tls"]),
    ("proxy", &["token", "guard", "record", "clock", "shutdown", "tls"]),
    ("admin", &["token", "guard", "record", "telemetry", "clock", "shutdown"]),
    ("config", &["flow", "token::plan", "proxy::settings", "guard", "secret", "document", "tls"]),
    ("demo", &["clock"]),
    ("app", &[INNER, "config"]),
    ("cli", &[INNER, "config", "app"]),
    ("main", &["cli"]),
];

/// Stands for every module that serves or keeps tokens.
const INNER: &str = "*";

fn is_inner(module: &str) -> bool {
    !matches!(module, "config" | "app" | "cli" | "main")
}

fn allows(entry: &str, path: &str, module: &str) -> bool {
    let within = path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    within || (entry == INNER && is_inner(module))
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Imports, grouped or inline, that the table does not allow. Test code may import what it likes.
pub(crate) fn forbidden_imports(path: &str, text: &str) -> Vec<String> {
    let own = module_path(path).first().copied();
    let Some(own) = own.filter(|_| !is_test_file(path)) else { return Vec::new() };
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| *module == own) else {
        return vec![format!("{path}: module `{own}` has no row in the table of tests/layering/rules.rs")];
    };
    let forbidden = |named: &String| {
        let module = named.split("::").next().unwrap_or_default();
        let known = MAY_IMPORT.iter().any(|(known, _)| *known == module);
        known && module != own && !allowed.iter().any(|entry| allows(entry, named, module))
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

/// Modules that the crate's documentation, the map of the house, does not name.
pub(crate) fn missing_in_map(map: &str, modules: &BTreeSet<&str>) -> Vec<String> {
    let documentation: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let named = |module: &&&str| !documentation.contains(&format!("`{module}`"));
    modules.iter().filter(named).map(|module| format!("src/lib.rs: its map has no line for `{module}`")).collect()
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
        assert_eq!(forbidden_imports("src/token/key.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn an_import_along_the_direction_is_fine() {
    for text in [
        "use crate::{clock::Clock, secret::Secret, token::plan};",
        "// crate::proxy",
        "const A: &str = \"crate::proxy\";",
        "#[cfg(test)]\nmod tests { use crate::proxy; }",
        "use super::handle;",
    ] {
        assert_eq!(forbidden_imports("src/token/key.rs", text), [""; 0], "{text}");
    }
    assert_eq!(forbidden_imports("src/token/key/tests.rs", "use crate::proxy;"), [""; 0]);
}

#[test]
fn a_part_of_a_module_can_be_allowed_alone() {
    assert_eq!(forbidden_imports("src/config/mod.rs", "use crate::token::plan::Policy;"), [""; 0]);
    assert_eq!(
        forbidden_imports("src/config/mod.rs", "use crate::token::{plan, pool::Pool};"),
        ["src/config/mod.rs: `config` must not import `token::pool::Pool`"]
    );
}

#[test]
fn nobody_reaches_up_to_app_and_cli() {
    assert_eq!(forbidden_imports("src/admin/mod.rs", "use crate::app::App;").len(), 1);
    assert_eq!(forbidden_imports("src/app.rs", "use crate::{cli, proxy, config};").len(), 1);
    assert_eq!(forbidden_imports("src/main.rs", "use bearerd::{cli, token};").len(), 1);
}

#[test]
fn a_module_without_a_row_is_seen() {
    assert_eq!(forbidden_imports("src/utils.rs", "").len(), 1);
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

#[test]
fn a_module_missing_in_the_map_is_seen() {
    let modules = BTreeSet::from(["clock", "top"]);
    assert_eq!(
        missing_in_map("//! - `clock`: time\npub mod top;", &modules),
        ["src/lib.rs: its map has no line for `top`"]
    );
    assert_eq!(top_module("src/token/key.rs"), Some("token"));
}
