use std::time::Duration;

use http::HeaderName;

use super::*;
use crate::clock::Moment;
use crate::document::{Document, Layer, Problems};
use crate::token::grant::{Generation, Life, Token};
use crate::token::key::RecipeWriter;

const ACCOUNT: &str = r#"
upstream = "${base}"
[vars]
client_id = { about = "Client id", required = true }
client_secret = { about = "Its secret", secret = true }
legal_entity = {}
version = { default = "2.1" }
tenant = { default = "t-${version}" }
life = {}
[env]
production = { base = "https://${tenant}.example.com" }
sandbox = { base = "https://sandbox.example.com" }
[token]
url = "${base}/token"
form = { id = "${client_id}", secret = "${client_secret}" }
ttl = "${life}"
[inject]
headers = { authorization = "Bearer ${token}", legal-entity = "${legal_entity}", x-version = "${version}" }
"#;

fn spec(text: &str) -> FlowSpec {
    let document = Document::merge([Layer::toml("own.toml", text).unwrap()]);
    let problems = Problems::default();
    let spec = FlowSpec::read(Some("own"), &document.root(), &problems);
    spec.unwrap_or_else(|| panic!("{:#?}", problems.into_sorted()))
}

fn try_compile(text: &str, env: Option<&str>, pairs: &[(&str, &str)]) -> Result<Flow, Vec<ValueFault>> {
    let values = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let mut faults = Vec::new();
    let flow = Flow::compile(&spec(text), env, &values, false, &mut |fault| faults.push(fault));
    flow.ok_or(faults)
}

const CREDENTIALS: [(&str, &str); 2] = [("client_id", "id"), ("client_secret", "canary")];

fn account(extra: &[(&str, &str)]) -> Flow {
    try_compile(ACCOUNT, None, &[&CREDENTIALS, extra].concat()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn faults(text: &str, env: Option<&str>, pairs: &[(&str, &str)]) -> Vec<(Option<String>, String, Option<String>)> {
    let faults = try_compile(text, env, pairs).err().unwrap();
    faults.into_iter().map(|fault| (fault.variable, fault.message, fault.hint)).collect()
}

fn only_fault(env: Option<&str>, extra: &[(&str, &str)]) -> (String, String) {
    let mut faults = faults(ACCOUNT, env, &[&CREDENTIALS, extra].concat());
    assert_eq!(faults.len(), 1, "{faults:?}");
    let (variable, message, hint) = faults.remove(0);
    assert!(!message.contains("canary"));
    (variable.unwrap_or_default(), format!("{message} ({})", hint.unwrap_or_default()))
}

fn recipe(flow: &Flow) -> crate::token::key::Recipe {
    let mut recipe = RecipeWriter::default();
    flow.write_recipe(&mut recipe);
    recipe.finish()
}

#[test]
fn values_come_from_the_user_then_the_environment_then_defaults() {
    assert_eq!(account(&[]).upstream.as_deref(), Some("https://t-2.1.example.com"));
    assert_eq!(account(&[("version", "3")]).upstream.as_deref(), Some("https://t-3.example.com"));
    assert_eq!(account(&[("version", "")]).upstream.as_deref(), Some("https://t-2.1.example.com"), "empty is unset");
    assert_eq!(account(&[("base", "https://x.example")]).upstream.as_deref(), Some("https://x.example"));
    let sandbox = try_compile(ACCOUNT, Some("sandbox"), &CREDENTIALS).ok().unwrap();
    assert_eq!(sandbox.upstream.as_deref(), Some("https://sandbox.example.com"));
}

#[test]
fn a_header_with_an_empty_value_is_left_to_the_caller() {
    let names = |flow: &Flow| flow.owned.headers.iter().map(HeaderName::to_string).collect::<Vec<_>>();
    assert_eq!(names(&account(&[])), ["authorization", "x-version"]);
    assert_eq!(names(&account(&[("legal_entity", "Acme")])), ["authorization", "legal-entity", "x-version"]);
}

#[test]
fn doors_that_differ_in_what_they_inject_share_a_token_and_others_do_not() {
    let plain = recipe(&account(&[]));
    assert_eq!(recipe(&account(&[("legal_entity", "Acme")])), plain);
    assert_ne!(recipe(&account(&[("client_secret", "other")])), plain);
    assert_ne!(recipe(&account(&[("base", "https://x.example")])), plain);
    assert_ne!(recipe(&account(&[("life", "1h")])), plain);
}

#[test]
fn doors_without_token_requests_share_one_only_with_the_same_credentials() {
    let key = |value| {
        try_compile(
            "vars = { key = { secret = true } }\ninject = { headers = { x-key = \"${key}\" } }",
            None,
            &[("key", value)],
        )
        .ok()
        .unwrap()
    };
    assert_eq!(recipe(&key("a")), recipe(&key("a")));
    assert_ne!(recipe(&key("a")), recipe(&key("b")));
}

#[test]
fn a_store_name_depends_on_no_secret_and_no_injected_value() {
    let flow = account(&[("legal_entity", "Acme")]);
    assert_eq!(flow.store_key.as_str(), r#""own" "base=https://t-2.1.example.com" "client_id=id""#);
    let derived = "vars = { s = { secret = true }, d = { default = \"x-${s}\" } }\ntoken = { url = \"https://a.example\", form = { d = \"${d}\" } }";
    let flow = try_compile(derived, None, &[("s", "canary")]).ok().unwrap();
    assert_eq!(flow.store_key.as_str(), "\"own\"");
}

#[test]
fn each_wrong_value_is_reported_at_its_variable() {
    let missing = faults(ACCOUNT, None, &[]);
    assert_eq!(missing[0], (Some("client_id".into()), "`client_id` is missing".into(), Some("Client id".into())));
    assert_eq!(missing[1].1, "`client_secret` is missing");
    for (variable, value, message) in [
        ("base", "http://x.example", "`base` gives a URL that is not https: credentials would be sent unencrypted"),
        ("base", "nonsense", "`base` gives a URL that is not an absolute URL"),
        ("base", "https://u:canary@x.example", "`base` gives a URL that contains a user name"),
        ("life", "soon", "`life` is not a duration (add a unit"),
        ("version", "2\r\nx: canary", "`version` contains a control character"),
    ] {
        let all = faults(ACCOUNT, None, &[&CREDENTIALS, &[(variable, value)][..]].concat());
        let own = all.iter().find(|(own, _, _)| own.as_deref() == Some(variable));
        let (_, text, hint) = own.unwrap_or_else(|| panic!("{variable}: {all:?}"));
        let text = format!("{text} ({})", hint.as_deref().unwrap_or_default());
        assert!(text.starts_with(message) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn misspelt_names_get_a_hint() {
    assert_eq!(
        only_fault(Some("sandbx"), &[]),
        (String::new(), "the flow `own` has no environment `sandbx` (did you mean `sandbox`?)".to_owned())
    );
    assert_eq!(
        only_fault(None, &[("legal-entity", "x")]).1,
        "the flow `own` has no variable `legal-entity` (did you mean `legal_entity`?)"
    );
}

#[test]
fn plain_text_to_other_machines_must_be_allowed() {
    let values = [("client_id", "id"), ("client_secret", "s"), ("base", "http://x.example")];
    let values: Values = values.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    assert!(Flow::compile(&spec(ACCOUNT), None, &values, true, &mut |fault| panic!("{fault:?}")).is_some());
}

#[test]
fn a_default_that_refers_to_itself_is_reported() {
    let text = "vars = { a = { default = \"${b}\" }, b = { default = \"${a}\" } }\ntoken = { url = \"https://a.example/${a}\" }";
    assert!(faults(text, None, &[]).iter().any(|(_, message, _)| message == "the default of `a` refers to itself"));
}

#[test]
fn values_of_the_user_are_never_templates() {
    let flow = account(&[("legal_entity", "${client_secret}")]);
    let patch = flow.usage.patch(&token(&[])).unwrap();
    assert!(patch.headers.iter().any(|(_, value)| value == "${client_secret}"));
}

fn token(captures: &[(&str, &str)]) -> Token {
    Token {
        generation: Generation(1),
        subject: None,
        access: Secret::new("tok"),
        captures: captures.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
        issued: Moment::from_start(Duration::ZERO),
        life: Life::UntilRejected,
    }
}

#[test]
fn a_patch_has_the_injected_headers_marked_as_sensitive() {
    let patch = account(&[("legal_entity", "Acme AB")]).usage.patch(&token(&[])).unwrap();
    let headers: Vec<_> =
        patch.headers.iter().map(|(name, value)| format!("{}: {}", name.name(), value.to_str().unwrap())).collect();
    assert_eq!(headers, ["authorization: Bearer tok", "legal-entity: Acme AB", "x-version: 2.1"]);
    assert!(patch.headers.iter().all(|(_, value)| value.is_sensitive()));
    let broken = Token { access: Secret::new("canary\r\nx: y"), ..token(&[]) };
    let error = account(&[]).usage.patch(&broken).unwrap_err().to_string();
    assert!(error.contains("authorization") && !error.contains("canary"), "{error}");
}

#[test]
fn a_base_url_from_a_reply_must_be_one_of_the_flows_hosts() {
    let text = "upstream = \"${url}\"\nhosts = [\"*.example.com\"]\n[token]\nurl = \"https://login.example.com/token\"\nread = { url = \"/url\" }";
    let flow = try_compile(text, None, &[]).ok().unwrap();
    assert!(flow.upstream_from_login && flow.upstream.is_none());
    let base = |url: &str| flow.usage.patch(&token(&[("url", url)])).map(|patch| patch.base.unwrap());
    assert_eq!(base("https://eu1.example.com/api").unwrap(), "https://eu1.example.com/api");
    assert_eq!(base("/api").unwrap(), "https://login.example.com/api", "relative to the login");
    for wrong in
        ["https://evil.net", "http://eu1.example.com", "https://eu1.example.com@evil.net", "nonsense", "//evil.net"]
    {
        assert!(base(wrong).is_err() || base(wrong).unwrap().starts_with("https://login.example.com//"), "{wrong}");
    }
    assert!(flow.usage.patch(&token(&[])).is_err());
    let chosen = |url: &str| flow.usage.patch(&token(&[("url", url)])).unwrap().base_is_chosen;
    assert!(chosen("https://eu1.example.com/api") && !chosen("/api"));
    let written = text.replace("*.example.com", "eu1.example.com");
    let patch =
        try_compile(&written, None, &[]).ok().unwrap().usage.patch(&token(&[("url", "https://eu1.example.com")]));
    assert!(!patch.unwrap().base_is_chosen, "somebody wrote it");
}
