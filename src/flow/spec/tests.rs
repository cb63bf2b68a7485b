use super::*;
use crate::document::{Document, Layer, Problems};

fn read(text: &str) -> (Option<FlowSpec>, Vec<String>) {
    let document = Document::merge([Layer::toml("own.toml", text).unwrap()]);
    let problems = Problems::default();
    let spec = FlowSpec::read(Some("own"), &document.root(), &problems);
    let line = |problem: crate::document::Problem| {
        let hint = problem.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        format!("{} {}: {}{hint}", problem.place, problem.key, problem.message)
    };
    (spec, problems.into_sorted().into_iter().map(line).collect())
}

/// The only problem of a text.
fn problem(text: &str) -> String {
    let (spec, mut problems) = read(text);
    assert!(spec.is_none(), "{text}");
    assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    problems.remove(0)
}

#[test]
fn the_shortest_flow_is_one_request() {
    let (spec, problems) = read("[token]\nurl = \"https://a.example/token\"");
    assert_eq!(problems, [""; 0]);
    let spec = spec.unwrap();
    assert_eq!((spec.name(), spec.has_upstream()), ("own", false));
    assert!(spec.token.is_some() && spec.refresh.is_none());
}

#[test]
fn every_key_of_the_vocabulary_is_understood() {
    let (spec, problems) = read(include_str!("everything.toml"));
    assert_eq!(problems, [""; 0]);
    let spec = spec.unwrap();
    let names: Vec<_> = spec.variables().iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["client_id", "client_secret", "scope", "ttl", "base"]);
    assert!(spec.variables()[1].required && spec.variables()[1].secret && !spec.variables()[2].required);
    assert!(spec.variables()[4].environment);
    let environments: Vec<_> = spec.environments().iter().map(|environment| environment.name.as_str()).collect();
    assert_eq!(environments, ["zulu", "alpha"], "in the order of writing: the first is the default");
    assert_eq!(spec.captures, ["instance_url", "region"]);
}

#[test]
fn all_problems_are_reported_at_once_with_their_lines() {
    let text = r#"nmae = "own"
[vars]
client_id = { about = "x", requird = true }
unused = { secret = true }
now = {}
[token]
url = "ftp://a.example"
method = "get"
form = { id = "${clientid}", n = 1 }
json = {}
headers = { "a b" = "x", Content-Length = "1" }
basic = ["${client_id}"]
ttl = "soon"
read = { token = "access_token", unit = "h" }
[inject]
headers = { a = "${refresh_token}", b = "${now}", c = "${subject}" }
[expired]
when = [{ status = 99, at = "/a" }]
[policy]
margin = 60
"#;
    let (spec, problems) = read(text);
    assert!(spec.is_none());
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn unsupported_keys_are_reported() {
    let flow = "[token]\nurl = \"https://a.example\"\n";
    assert!(problem(&format!("via = \"other\"\n{flow}")).starts_with("own.toml:1 via: `via` is not supported yet"));
    assert!(
        problem(&format!("{flow}[sign]\nalg = \"RS256\"\n")).starts_with("own.toml:3 sign: `sign` is not supported")
    );
}

#[test]
fn a_name_in_the_flow_must_match_its_file() {
    let flow = "[token]\nurl = \"https://a.example\"\n";
    assert!(problem(&format!("name = \"other\"\n{flow}")).contains("the flow `own`, but `name` is `other`"));
    assert!(read(&format!("name = \"own\"\n{flow}")).0.is_some());
}

#[test]
fn a_flow_without_a_login_starts_from_a_secret_variable() {
    let refresh = "[refresh]\nurl = \"https://a.example\"\nform = { r = \"${refresh_token}\" }\n";
    assert!(problem(refresh).contains("starts from the secret variable `refresh_token`"));
    assert!(problem(&format!("[vars]\nrefresh_token = {{}}\n{refresh}")).contains("starts from the secret variable"));
    let (spec, problems) = read(&format!("[vars]\nrefresh_token = {{ secret = true }}\n{refresh}"));
    assert_eq!(problems, [""; 0]);
    assert!(spec.unwrap().starts_from_refresh_token());
}

#[test]
fn a_flow_must_have_something_to_inject() {
    assert!(problem("about = \"nothing\"").contains("the flow gets no token and injects nothing"));
    assert!(problem("[inject]\ndefaults = { a = \"b\" }").contains("there is no token to inject"));
}

#[test]
fn a_host_from_a_reply_requires_a_list_of_hosts() {
    let flow = "[token]\nurl = \"https://a.example\"\nread = { host = \"/host\" }\n";
    assert!(problem(&format!("upstream = \"https://${{host}}\"\n{flow}")).contains("no `hosts` restricts it"));
    assert!(read(&format!("upstream = \"https://${{host}}\"\nhosts = [\"*.a.example\"]\n{flow}")).0.is_some());
}

#[test]
fn subjects_that_share_one_token_are_a_mistake() {
    let flow = "subject = { from = \"header:X-User\" }\n[token]\nurl = \"https://a.example\"\n";
    assert!(problem(flow).contains("all users would share one token"));
    assert!(problem("[token]\nurl = \"https://a.example/${subject}\"").contains("add `subject = "));
}
