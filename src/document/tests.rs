use std::time::Duration;

use super::*;

fn document(text: &str) -> Document {
    Document::merge([Layer::toml("bearerd.toml", text).unwrap()])
}

#[test]
fn every_problem_has_file_line_key_and_hint() {
    let document = document("[log]\nlevl = \"info\"\n\n[runtime]\nshutdown_grace = 15\n");
    let problems = Problems::default();
    let root = document.root().table(&problems).unwrap();
    let log = root.get("log").unwrap().table(&problems).unwrap();
    assert!(log.get("level").is_none());
    log.finish(&problems);
    let runtime = root.get("runtime").unwrap().table(&problems).unwrap();
    assert!(runtime.get("shutdown_grace").unwrap().duration(&problems).is_none());
    let found = problems.into_sorted();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].place.to_string().as_str(), found[0].key.as_str()), ("bearerd.toml:2", "log.levl"));
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `level`?"));
    assert_eq!((found[1].place.line, found[1].key.as_str()), (Some(5), "runtime.shutdown_grace"));
}

#[test]
fn the_later_layer_wins_and_is_named() {
    let file = Layer::toml("a.toml", "[log]\nlevel = 1\nformat = \"text\"").unwrap();
    let path = vec!["log".to_owned(), "level".to_owned()];
    let environment = Layer::environment([(path, "BEARERD_LOG__LEVEL".to_owned(), "007".to_owned())]);
    let document = Document::merge([file, environment]);
    let problems = Problems::default();
    let log = document.root().table(&problems).unwrap().get("log").unwrap().table(&problems).unwrap();
    let level = log.get("level").unwrap();
    assert_eq!(level.text(&problems), Some("007"));
    assert_eq!(level.place().to_string(), "environment variable BEARERD_LOG__LEVEL");
    assert_eq!(log.get("format").unwrap().place().to_string(), "a.toml:3");
}

#[test]
fn environment_text_is_converted_by_the_reader_and_empty_counts_as_absent() {
    let entry = |key: &str, text: &str| (vec![key.to_owned()], key.to_uppercase(), text.to_owned());
    let layer = Layer::environment([entry("a", "true"), entry("b", "12"), entry("c", "x, y"), entry("d", "")]);
    let document = Document::merge([layer]);
    let problems = Problems::default();
    let root = document.root().table(&problems).unwrap();
    assert_eq!(root.get("a").unwrap().boolean(&problems), Some(true));
    assert_eq!(root.get("b").unwrap().integer(&problems), Some(12));
    assert_eq!(root.get("c").unwrap().texts(&problems).unwrap(), ["x", "y"]);
    assert!(root.get("d").is_none());
    assert!(!problems.has_errors());
}

#[test]
fn durations_and_sizes_need_a_unit() {
    let document =
        document(r#"v = ["1h30m", "250ms", "0s", "90", "5 m", "-1s", "99999999999999999999s", "", "64KiB"]"#);
    let problems = Problems::default();
    let list = document.root().table(&problems).unwrap().get("v").unwrap().list(&problems).unwrap();
    let read: Vec<_> = list[..8].iter().map(|node| node.duration(&problems).map(|d| d.as_millis())).collect();
    assert_eq!(read, [Some(5_400_000), Some(250), Some(0), None, Some(300_000), None, None, None]);
    assert_eq!(list[8].size(&problems), Some(65_536));
    assert_eq!(list[0].duration(&problems), Some(Duration::from_secs(5400)));
}

#[test]
fn json_keeps_the_order_of_writing() {
    let document = document("[j]\nzebra = 1\napple = { x = [true, \"${a}\"] }\n");
    let json = document.root().table(&Problems::default()).unwrap().get("j").unwrap().json();
    assert_eq!(json.to_string(), r#"{"zebra":1,"apple":{"x":[true,"${a}"]}}"#);
}

#[test]
fn broken_toml_names_its_line() {
    let problem = Layer::toml("x.toml", "a = 1\nb = \n").unwrap_err();
    assert_eq!((problem.place.origin.as_str(), problem.place.line), ("x.toml", Some(2)));
    assert!(!problem.message.is_empty());
}

#[test]
fn nearest_forgives_case_dashes_and_a_typo_or_two() {
    assert_eq!(nearest("legal-entty", ["legal_entity", "client_id"]), Some("legal_entity"));
    assert_eq!(nearest("Listen", ["listen", "list"]), Some("listen"));
    assert_eq!(nearest("zzz", ["listen"]), None);
}
