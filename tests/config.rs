//! What users see for a wrong configuration: `bearerd check` on one file each, with a snapshot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every secret in the fixtures contains this word.
const CANARY: &str = "CANARY";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

/// Runs `bearerd check` on a fixture; the environment has only its `#! NAME=value` lines.
fn check(fixture: &str, arguments: &[&str]) -> Output {
    let bytes = fs::read(fixtures().join(fixture)).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let variables = text.lines().filter_map(|line| line.strip_prefix("#! ")?.split_once('='));
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearerd"));
    command.env_clear().envs(variables).current_dir(fixtures());
    command.args(["check", "--config", fixture]).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn wrong_fixtures() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name.ends_with(".toml") && name != "warnings.toml").collect();
    names.sort();
    names
}

#[test]
fn each_wrong_configuration_is_explained_in_full() {
    let fixtures = wrong_fixtures();
    assert!(fixtures.len() >= 32, "only {} wrong configurations", fixtures.len());
    for fixture in fixtures {
        let output = check(&fixture, &[]);
        assert_eq!(output.status.code(), Some(2), "{fixture}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{fixture}");
        insta::assert_snapshot!(fixture.trim_end_matches(".toml"), text(&output.stdout));
    }
}

#[test]
fn each_wrong_configuration_has_at_least_two_problems_and_json_has_the_same() {
    for fixture in wrong_fixtures() {
        let output = check(&fixture, &["--format", "json"]);
        assert_eq!(output.status.code(), Some(2), "{fixture}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ok"], false);
        assert!(report["errors"].as_u64() >= Some(2), "{fixture}: {report:#}");
        let people = text(&check(&fixture, &[]).stdout);
        for problem in report["problems"].as_array().unwrap() {
            assert!(people.contains(problem["message"].as_str().unwrap()), "{fixture}: {problem}");
            let placed = problem["file"] != "" || problem["key"] != "";
            assert!(placed, "{fixture}: nobody can find {problem}");
        }
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let all = wrong_fixtures().into_iter().chain(["warnings.toml".to_owned()]);
    for fixture in all {
        for format in ["text", "json"] {
            let output = check(&fixture, &["--format", format]);
            let shown = text(&output.stdout) + &text(&output.stderr);
            assert!(!shown.contains(CANARY), "{fixture}: {shown}");
        }
    }
}

#[test]
fn warnings_are_shown_and_stop_nothing() {
    let output = check("warnings.toml", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    insta::assert_snapshot!("warnings", text(&output.stdout));
}

#[test]
fn a_missing_file_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearerd"));
    command.env_clear().env("BEARERD_CONFIG", "elsewhere.toml").current_dir(fixtures());
    let output = command.arg("check").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let shown = text(&output.stdout);
    assert!(shown.contains("no such file") && shown.contains("elsewhere.toml"), "{shown}");
}

#[test]
fn the_example_with_every_key_has_no_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("secrets")).unwrap();
    for secret in ["client_secret", "access_key"] {
        let file = directory.path().join("secrets").join(secret);
        fs::write(&file, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bearerd.example.toml");
    fs::copy(example, directory.path().join("bearerd.toml")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearerd"));
    command.env_clear().current_dir(directory.path());
    command.envs([("YOUNIUM_ID", "id"), ("YOUNIUM_API_KEY", "key"), ("CRM_KEY", "key")]);
    let output = command.arg("check").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(!text(&output.stdout).contains("warning"), "{}", text(&output.stdout));
}

#[test]
fn check_warns_of_a_secret_that_others_can_read_and_of_a_store_that_others_can_write_to() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (secret, store) = (directory.path().join("secret"), directory.path().join("store"));
    fs::write(&secret, CANARY).unwrap();
    fs::create_dir(&store).unwrap();
    let config = format!(
        "[upstream.a]\nflow = \"bearer\"\nurl = \"https://api.example.com\"\nwith.token = {{ file = {secret:?} }}\n\
         [store]\nkind = \"file\"\npath = {store:?}\n"
    );
    let file = directory.path().join("bearerd.toml");
    fs::write(&file, config).unwrap();
    at(directory.path(), 0o755);
    let warnings = |secret_mode, store_mode| {
        at(&secret, secret_mode);
        at(&store, store_mode);
        let output =
            Command::new(env!("CARGO_BIN_EXE_bearerd")).env_clear().args(["check", "--config"]).arg(&file).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let said = text(&output.stdout);
        ["can read the secret", "can write to the store"].map(|warning| said.contains(warning))
    };
    assert_eq!(warnings(0o644, 0o777), [true, true]);
    assert_eq!(warnings(0o600, 0o700), [false, false]);
}
