use super::*;
use crate::document::Problem;

fn read(file: &str, variables: &[(&str, &str)]) -> (serde_json::Value, Vec<Problem>) {
    let file = || Layer::toml("bearerd.toml", file).unwrap();
    let environment: Environment = variables.iter().copied().collect();
    let problems = Problems::default();
    let layer = environment.layer(&Document::merge([file()]), &problems);
    (Document::merge([file(), layer]).root().json(), problems.into_sorted())
}

#[test]
fn two_underscores_go_one_level_down_and_one_is_a_dash_in_names() {
    let (json, problems) = read(
        "",
        &[
            ("BEARERD_UPSTREAM__MY_API__WITH__LEGAL_ENTITY", "Acme AB"),
            ("BEARERD_UPSTREAM__MY_API__HEADERS__X_TENANT", "7"),
            ("BEARERD_LOG__LEVEL", "007"),
            ("BEARERD_FLOWS", "/a,/b"),
            ("OTHER", "x"),
        ],
    );
    assert_eq!(problems, []);
    assert_eq!(json["upstream"]["my-api"]["with"]["legal_entity"], "Acme AB");
    assert_eq!(json["upstream"]["my-api"]["headers"]["X-Tenant"], "7");
    assert_eq!((&json["log"]["level"], &json["flows"]), (&"007".into(), &"/a,/b".into()));
}

#[test]
fn names_of_the_files_are_met_whatever_their_case_and_dashes() {
    let file = "[upstream.a]\nheaders = { X_Odd = \"1\" }\nwith = { realm-id = \"1\" }";
    let variables = [("BEARERD_UPSTREAM__A__HEADERS__X_ODD", "2"), ("BEARERD_UPSTREAM__A__WITH__REALM_ID", "2")];
    let (json, problems) = read(file, &variables);
    assert_eq!(problems, []);
    assert_eq!(json["upstream"]["a"]["headers"].to_string(), r#"{"X_Odd":"2"}"#);
    assert_eq!(json["upstream"]["a"]["with"].to_string(), r#"{"realm-id":"2"}"#);
}

#[test]
fn names_that_collide_are_errors() {
    let (_, problems) = read("", &[("BEARERD_LOG__LEVEL", "a"), ("BEARERD_log__level", "b")]);
    assert_eq!(problems.len(), 1, "two spellings of one key: {problems:?}");
    let (_, problems) = read("", &[("BEARERD_UPSTREAM__A__WITH__K", "a"), ("BEARERD_UPSTREAM__A__WITH__K__FILE", "b")]);
    assert_eq!(problems.len(), 1, "a value and a table: {problems:?}");
    let file = "[upstream.a.headers]\nx-y = \"1\"\nx_y = \"2\"";
    let (_, problems) = read(file, &[("BEARERD_UPSTREAM__A__HEADERS__X_Y", "a")]);
    assert!(problems[0].message.contains("could mean"), "two keys of the file: {problems:?}");
}

#[test]
fn variables_of_kubernetes_and_flags_and_empty_ones_are_ignored() {
    let (json, problems) = read(
        "",
        &[
            ("BEARERD_SERVICE_HOST", "10.0.0.1"),
            ("BEARERD_SERVICE_PORT_HTTP", "80"),
            ("BEARERD_PORT", "tcp://10.0.0.1:80"),
            ("BEARERD_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("BEARERD_METRICS_SERVICE_HOST", "10.0.0.2"),
            ("BEARERD_METRICS_PORT", "tcp://10.0.0.2:80"),
            ("BEARERD_METRICS_PORT_80_TCP_ADDR", "10.0.0.2"),
            ("BEARERD_CONFIG", "x.toml"),
            ("BEARERD_WATCH", "1"),
            ("BEARERD_UPSTREAM__A__URL", ""),
        ],
    );
    assert_eq!((json.to_string().as_str(), problems.len()), ("{}", 0));
}

#[test]
fn an_environment_variable_without_a_key_is_an_error_with_a_hint() {
    let (_, problems) = read("", &[("BEARERD_CONFG", "x"), ("BEARERD_LOG_LEVEL", "x"), ("BEARERD_LOG__", "x")]);
    let hints: Vec<_> = problems.iter().map(|problem| problem.hint.clone().unwrap()).collect();
    assert_eq!(hints[0], "did you mean `BEARERD_CONFIG`?");
    assert_eq!(hints[1], "`__` separates levels: did you mean `BEARERD_LOG__LEVEL`?");
    assert_eq!(problems[2].place.origin, "environment variable BEARERD_LOG__");
}

#[test]
fn a_misspelt_key_is_hinted_at_as_a_variable() {
    let environment: Environment = [("BEARERD_LOG__LEVL", "info")].into_iter().collect();
    let problems = Problems::default();
    let document = Document::merge([environment.layer(&Document::merge([]), &problems)]);
    let log = document.root().table(&problems).unwrap().get("log").unwrap().table(&problems).unwrap();
    log.get("level");
    log.finish(&problems);
    assert_eq!(problems.into_sorted()[0].hint.as_deref(), Some("did you mean `BEARERD_LOG__LEVEL`?"));
}

#[test]
fn debug_shows_only_names() {
    let environment: Environment = [("A", "hunter2")].into_iter().collect();
    assert_eq!(format!("{environment:?}"), r#"{"A"}"#);
}
