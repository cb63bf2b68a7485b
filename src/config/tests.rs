use std::path::Path;

use super::*;
use crate::proxy::settings::Listen;
use crate::record::AccessLog;

const YOUNIUM: &str = "[upstream.younium]\nflow = \"younium\"\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Report> {
    Loader::new(variables.iter().copied().collect()).text("bearerd.toml", text).load()
}

fn origins(loaded: &Loaded) -> Vec<(&str, &str)> {
    let variables = loaded.settings.upstreams[0].variables.iter();
    variables.map(|variable| (variable.name.as_str(), variable.origin.as_str())).collect()
}

fn origin<'l>(loaded: &'l Loaded, name: &str) -> &'l str {
    origins(loaded).into_iter().find(|(variable, _)| *variable == name).unwrap().1
}

#[test]
fn one_line_is_a_complete_upstream_when_the_environment_has_the_credentials() {
    let variables = [
        ("BEARERD_UPSTREAM__YOUNIUM__FLOW", "younium"),
        ("YOUNIUM_CLIENT_ID", "id"),
        ("YOUNIUM_CLIENT_SECRET", "hunter2"),
    ];
    let loaded = load("", &variables).unwrap_or_else(|report| panic!("{}", report.text(false)));
    let upstream = &loaded.settings.upstreams[0];
    assert_eq!(upstream.proxy.listen, Listen::Localhost(8080));
    assert_eq!(upstream.proxy.base.as_ref().unwrap().host, "api.younium.com");
    assert_eq!(origin(&loaded, "client_secret"), "environment variable YOUNIUM_CLIENT_SECRET");
    assert_eq!(origin(&loaded, "api_version"), "the flow's default");
    assert!(loaded.warnings.is_empty() && upstream.required);
}

#[test]
fn a_variable_is_looked_for_in_with_then_in_files_then_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let [secrets, credentials] = ["secrets", "credentials"].map(|name| directory.path().join(name));
    for (directory, file) in [(&secrets, "client_id"), (&credentials, "younium.client_id")] {
        std::fs::create_dir(directory).unwrap();
        std::fs::write(directory.join(file), "id\r\n").unwrap();
    }
    let text = format!("{YOUNIUM}secrets = {secrets:?}\n");
    let environment = [
        ("YOUNIUM_CLIENT_ID", "id"),
        ("YOUNIUM_CLIENT_SECRET", "hunter2"),
        ("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap()),
    ];
    let from = |text: &str| origin(&load(text, &environment).ok().unwrap(), "client_id").to_owned();
    let file = |path: &Path| format!("file {}", path.display());
    assert_eq!(from(&format!("{text}with = {{ client_id = \"x\" }}")), "bearerd.toml:4");
    assert_eq!(from(&text), file(&secrets.join("client_id")));
    std::fs::remove_file(secrets.join("client_id")).unwrap();
    assert_eq!(from(&text), file(&credentials.join("younium.client_id")));
    std::fs::remove_file(credentials.join("younium.client_id")).unwrap();
    assert_eq!(from(&text), "environment variable YOUNIUM_CLIENT_ID");
}

#[test]
fn missing_files_of_an_upstream_are_watched_too() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{YOUNIUM}secrets = {:?}\n", directory.path());
    let loaded = load(&text, &[("YOUNIUM_CLIENT_ID", "id"), ("YOUNIUM_CLIENT_SECRET", "x")]).ok().unwrap();
    let inputs = &loaded.settings.upstreams[0].inputs;
    let before = inputs.fingerprint();
    std::fs::write(directory.path().join("client_secret"), "new").unwrap();
    assert_ne!(inputs.fingerprint(), before);
}

#[test]
fn later_files_win_then_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = ["one.toml", "two.toml"].map(|name| directory.path().join(name));
    let with = "with = { client_id = \"id\", client_secret = { env = \"S\" } }\n";
    std::fs::write(&one, format!("[log]\nlevel = \"warn\"\naccess = \"all\"\n{YOUNIUM}{with}")).unwrap();
    std::fs::write(&two, "[log]\nlevel = \"debug\"\naccess = \"off\"\n").unwrap();
    let environment = [("S", "x"), ("BEARERD_LOG__ACCESS", "errors"), ("BEARERD_LOG__FORMAT", "")];
    let loader = Loader::new(environment.into_iter().collect()).file(&one).file(&two);
    let loaded = loader.load().ok().unwrap();
    let log = &loaded.settings.log;
    assert_eq!((log.level.as_str(), log.access, log.format), ("debug", AccessLog::Errors, None));
    assert_eq!(loaded.files.paths(), [one, two]);
}

#[test]
fn a_later_layer_can_change_the_source_of_a_secret() {
    let text = format!("{YOUNIUM}with = {{ client_id = \"id\", client_secret = {{ file = \"/nowhere\" }} }}");
    let environment = [("BEARERD_UPSTREAM__YOUNIUM__WITH__CLIENT_SECRET__ENV", "S"), ("S", "x")];
    let loaded = load(&text, &environment).unwrap_or_else(|report| panic!("{}", report.text(false)));
    assert_eq!(origin(&loaded, "client_secret"), "environment variable S");
}

#[test]
fn a_relative_path_starts_from_its_files_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), "x").unwrap();
    let file = directory.path().join("bearerd.toml");
    let with = "with = { client_id = \"id\", client_secret = { file = \"secret\" } }";
    std::fs::write(&file, format!("{YOUNIUM}{with}")).unwrap();
    let loaded = Loader::new(Environment::default()).file(&file).load().ok().unwrap();
    assert_eq!(loaded.settings.upstreams[0].inputs.paths(), [directory.path().join("secret")]);
}

#[test]
fn loading_again_sees_what_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bearerd.toml");
    let with = "with = { client_id = \"id\", client_secret = { env = \"S\" } }";
    std::fs::write(&file, format!("{YOUNIUM}{with}")).unwrap();
    let loader = Loader::new([("S", "x")].into_iter().collect()).file(&file);
    assert!(loader.load().is_ok());
    std::fs::write(&file, "[upstream.younium").unwrap();
    assert!(loader.load().is_err());
    std::fs::write(&file, format!("{YOUNIUM}{with}\n[admin]\nlisten = \"localhost:1\"")).unwrap();
    assert_eq!(loader.load().ok().unwrap().settings.admin.listen, Listen::Localhost(1));
    assert_eq!(loader.admin_listen().as_deref(), Some("localhost:1"));
}

#[test]
fn a_header_with_an_empty_value_is_not_set() {
    let with = "with = { client_id = \"id\", client_secret = { env = \"S\" } }\nheaders = { x-a = \"\", x-b = \"1\" }";
    let loaded = load(&format!("{YOUNIUM}{with}"), &[("S", "x")]).ok().unwrap();
    let names: Vec<_> =
        loaded.settings.upstreams[0].proxy.headers.iter().map(|(name, _)| name.name().as_str()).collect();
    assert_eq!(names, ["x-b"]);
}

#[test]
fn a_header_keeps_the_case_in_which_it_was_written() {
    let with =
        "with = { client_id = \"id\", client_secret = { env = \"S\" } }\nheaders = { X-API-key = \"1\", X-Y = \"1\" }";
    let loaded = load(&format!("{YOUNIUM}{with}"), &[("S", "x")]).ok().unwrap();
    let cases: Vec<_> = loaded.settings.upstreams[0].proxy.headers.iter().map(|(name, _)| name.case()).collect();
    assert_eq!(cases, [Some("X-API-key"), None]);
}

#[test]
fn a_pipe_is_a_configuration_that_stays_and_not_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["config", "secret"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, at(name), rustix::fs::Mode::RWXU).unwrap();
    }
    let text = format!("{YOUNIUM}with = {{ client_id = \"id\", client_secret.file = \"secret\" }}\n");
    let path = at("config");
    std::thread::spawn(move || std::fs::write(path, text).unwrap());
    let loader = Loader::new(Environment::default()).file(at("config")).drain_pipes();
    let refused = loader.load().map(drop).unwrap_err().text(false);
    assert!(refused.contains("secret`: it is a pipe, not a regular file"), "{refused}");
    std::fs::remove_file(at("secret")).unwrap();
    for secret in ["one", "two"] {
        std::fs::write(at("secret"), secret).unwrap();
        let loaded = loader.load().unwrap_or_else(|report| panic!("{}", report.text(false)));
        assert_eq!(origin(&loaded, "client_secret"), format!("file {}", at("secret").display()));
    }
    let refused = Loader::new(Environment::default()).file(at("config")).load().map(drop).unwrap_err().text(false);
    assert!(refused.contains("it is a pipe, not a regular file"), "{refused}");
}

#[test]
fn no_url_leads_back_or_means_another_than_it_says() {
    let why = |url: &str, token_url: &str| {
        let text = format!(
            "[upstream.a]\nflow = \"oauth2\"\nurl = {url:?}\nwith = {{ token_url = {token_url:?}, client_id = \"i\", \
             client_secret = \"s\" }}\n"
        );
        load(&text, &[]).map(drop).map_or_else(|report| report.text(false), |()| String::new())
    };
    let (api, endpoint) = ("https://api.example.com/v1", "https://login.example.com/token?a=b");
    assert_eq!(why(api, endpoint), "");
    for own in ["http://localhost:8080/token", "http://[::1]:9090/token?a=b"] {
        assert!(why(api, own).contains("the token URL leads back to bearerd's own listener localhost:"), "{own}");
    }
    for (url, wrong) in [
        ("https://api.example.com/base/../x", "the URL has `.` or `..` in its path"),
        ("https://api.example.com/ba\nse", "the URL contains a line end, a tab or another control character"),
        ("https://api.example\t.com/base", "the URL contains a line end, a tab or another control character"),
    ] {
        assert!(why(url, endpoint).contains(wrong), "{url:?}");
        assert!(why(api, url).contains("gives a URL that"), "{url:?}");
    }
}
