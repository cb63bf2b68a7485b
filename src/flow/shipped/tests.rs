use http::Request;

use super::*;
use crate::flow::{Flow, Values};
use crate::secret::Secret;

/// Values that need every kind of encoding.
const SAMPLES: [(&str, &str); 15] = [
    ("client_id", "id 1"),
    ("client_secret", "s:%+é\"'\\"),
    ("legal_entity", "Acme AB"),
    ("admin_login", "admin"),
    ("token_url", "https://login.example/token?tenant=a%20b"),
    ("auth", "https://auth.example/v1"),
    ("username", "anna@example.com"),
    ("password", "p&w=d"),
    ("scope", "a b"),
    ("audience", "https://api.example/"),
    ("resource", ""),
    ("token", "tok"),
    ("refresh_token", "first"),
    ("key", "k1"),
    ("header", "X-Key"),
];

fn compiled(name: &str, env: Option<&str>, extra: &[(&str, &str)]) -> Flow {
    let spec = get(name).unwrap();
    let known = |name: &str| spec.variables().iter().any(|own| own.name == name && !own.environment);
    let samples = SAMPLES.iter().filter(|(name, _)| known(name)).chain(extra);
    let values: Values = samples.map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let mut faults = Vec::new();
    let flow = Flow::compile(spec, env, &values, false, &mut |fault| faults.push(fault));
    assert_eq!(faults, [], "{name}");
    flow.unwrap()
}

fn values(name: &str) -> Option<String> {
    let value = match name {
        "subject" => "anna",
        "token" => "old-token",
        "refresh_token" => "r/t+1",
        _ => return None,
    };
    Some(value.to_owned())
}

/// A request as text: method and URL, sorted headers, body.
fn text(request: &Request<bytes::Bytes>) -> String {
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != "user-agent" && *name != "accept-encoding")
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    let body = String::from_utf8_lossy(request.body());
    format!("{} {}\n{}\n\n{body}", request.method(), request.uri(), headers.join("\n"))
}

#[derive(Clone, Copy)]
enum Which {
    Token,
    Refresh,
    Revoke,
}

fn request(flow: &Flow, which: Which) -> String {
    let calls = &flow.calls;
    let request = match which {
        Which::Token => calls.token.as_ref().map(|call| &call.request),
        Which::Refresh => calls.refresh.as_ref().map(|call| &call.request),
        Which::Revoke => calls.revoke.as_ref(),
    };
    text(&request.unwrap().build(&values, &calls.url_policy()).unwrap())
}

#[test]
fn every_shipped_flow_is_valid_and_described() {
    for name in names() {
        let spec = read(name, text_of(name)).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert_eq!(spec.name(), name);
        assert!(spec.about().is_some_and(|about| about.len() > 10 && !about.contains('\n')), "{name}");
        assert!(spec.variables().iter().all(|own| own.environment || own.about.is_some()), "{name}");
    }
    assert!(names().is_sorted());
    assert!(get("nonsense").is_none());
}

fn text_of(name: &str) -> &'static str {
    super::text(name).unwrap()
}

#[test]
fn every_shipped_flow_compiles_in_each_of_its_environments() {
    for name in names() {
        compiled(name, None, &[]);
        for environment in get(name).unwrap().environments() {
            compiled(name, Some(&environment.name), &[]);
        }
    }
}

#[test]
fn younium_logs_in_with_json() {
    for (name, env, url) in [
        ("younium", None, "https://api.younium.com/auth/v2/token"),
        ("younium", Some("sandbox"), "https://api.sandbox.younium.com/auth/v2/token"),
        ("younium", Some("us"), "https://api.us.younium.com/auth/v2/token"),
        ("younium", Some("us-sandbox"), "https://api.sandbox.us.younium.com/auth/v2/token"),
        ("younium-v1", None, "https://api.younium.com/auth/token"),
    ] {
        let expected = format!(
            "POST {url}\naccept: application/json\ncontent-type: application/json\n\n{}",
            r#"{"clientId":"id 1","secret":"s:%+é\"'\\"}"#
        );
        assert_eq!(request(&compiled(name, env, &[]), Which::Token), expected);
    }
}

#[test]
fn an_environment_variable_of_the_flow_can_be_overridden() {
    let flow = compiled("younium", Some("us-sandbox"), &[("base", "https://api.us.sandbox.younium.com")]);
    assert_eq!(flow.upstream.as_deref(), Some("https://api.us.sandbox.younium.com"));
}

#[test]
fn yodlee_names_the_user_in_a_header_and_sends_no_authorization() {
    let flow = compiled("yodlee", None, &[]);
    assert_eq!(
        request(&flow, Which::Token),
        "POST https://sandbox.api.yodlee.com/ysl/auth/token\naccept: application/json\napi-version: 1.1\n\
         content-type: application/x-www-form-urlencoded\nloginname: anna\n\n\
         clientId=id+1&secret=s%3A%25%2B%C3%A9%22%27%5C"
    );
    assert_eq!(
        request(&flow, Which::Revoke),
        "DELETE https://sandbox.api.yodlee.com/ysl/auth/token\naccept: application/json\napi-version: 1.1\n\
         authorization: Bearer old-token\n\n"
    );
    let subject = flow.subject.as_ref().unwrap();
    assert_eq!(subject.default.as_ref().map(|name| name.as_str()), Some("admin"));
    assert_eq!((subject.header.as_str(), subject.max), ("x-yodlee-login", 1000));
}

#[test]
fn dnb_europe_encodes_its_pair_plainly() {
    assert_eq!(
        request(&compiled("dnb-europe", Some("sandbox"), &[]), Which::Token),
        "POST https://login.bisnode.com/sandbox/v1/token.oauth2\naccept: application/json\n\
         authorization: Basic aWQgMTpzOiUrw6kiJ1w=\ncontent-type: application/x-www-form-urlencoded\n\n\
         grant_type=client_credentials&scope=a+b"
    );
}

#[test]
fn simacan_logs_in_and_refreshes_at_two_urls() {
    let flow = compiled("simacan", None, &[]);
    let head = "accept: application/json\ncontent-type: application/x-www-form-urlencoded";
    assert_eq!(
        request(&flow, Which::Token),
        format!("POST https://auth.example/v1/auth/password\n{head}\n\nusername=anna%40example.com&password=p%26w%3Dd")
    );
    assert_eq!(
        request(&flow, Which::Refresh),
        format!("POST https://auth.example/v1/auth/refresh\n{head}\n\nrefresh_token=r%2Ft%2B1")
    );
}

#[test]
fn oauth2_encodes_its_pair_as_in_the_rfc_and_omits_empty_values() {
    let head = "POST https://login.example/token?tenant=a%20b\naccept: application/json\n";
    let basic = "authorization: Basic aWQrMTpzJTNBJTI1JTJCJUMzJUE5JTIyJTI3JTVD\n";
    let kind = "content-type: application/x-www-form-urlencoded\n\n";
    let scope = "scope=a+b&audience=https%3A%2F%2Fapi.example%2F";
    assert_eq!(
        request(&compiled("oauth2", None, &[]), Which::Token),
        format!("{head}{basic}{kind}grant_type=client_credentials&{scope}")
    );
    let secret = "client_secret=s%3A%25%2B%C3%A9%22%27%5C";
    assert_eq!(
        request(&compiled("oauth2-post", None, &[]), Which::Token),
        format!("{head}{kind}grant_type=client_credentials&client_id=id+1&{secret}&{scope}")
    );
    let password = compiled("oauth2-password", None, &[]);
    assert_eq!(
        request(&password, Which::Token),
        format!("{head}{basic}{kind}grant_type=password&username=anna%40example.com&password=p%26w%3Dd&{scope}")
    );
    assert_eq!(
        request(&password, Which::Refresh),
        format!("{head}{basic}{kind}grant_type=refresh_token&refresh_token=r%2Ft%2B1")
    );
}

#[test]
fn oauth2_refresh_starts_from_the_given_refresh_token() {
    let flow = compiled("oauth2-refresh", None, &[]);
    assert_eq!(
        request(&flow, Which::Refresh),
        "POST https://login.example/token?tenant=a%20b\naccept: application/json\n\
         authorization: Basic aWQrMTpzJTNBJTI1JTJCJUMzJUE5JTIyJTI3JTVD\n\
         content-type: application/x-www-form-urlencoded\n\n\
         grant_type=refresh_token&refresh_token=r%2Ft%2B1&scope=a+b&audience=https%3A%2F%2Fapi.example%2F"
    );
    assert!(flow.needs_lasting_store && flow.uses_refresh_tokens && flow.calls.token.is_none());
    assert!(!compiled("oauth2", None, &[]).uses_refresh_tokens);
}

#[test]
fn flows_without_a_token_request_make_none() {
    for name in names() {
        let asks = !["api-key", "basic", "bearer"].contains(&name);
        assert_eq!(compiled(name, None, &[]).makes_requests, asks, "{name}");
    }
}
