use super::outgoing::OutgoingHeaders;
use super::*;
use crate::proxy::tests::support::fixture;
use crate::token::patch::{CasedName, Patch};

fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for &(name, value) in lines {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(value));
    }
    map
}

fn pair(name: &'static str, value: &'static str) -> (CasedName, HeaderValue) {
    (HeaderName::from_static(name).into(), HeaderValue::from_static(value))
}

fn names_of(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn rules(change: impl FnOnce(&mut UpstreamSettings, &mut Owned)) -> Rules {
    let (mut settings, mut owned) = (fixture::settings("younium"), Owned::default());
    change(&mut settings, &mut owned);
    Rules::new(&settings, &owned, Some(&HeaderName::from_static("x-user")))
}

/// The headers that the upstream gets from these stripped ones.
fn outgoing(rules: &Rules, callers: &HeaderMap, patch: &Patch, authority: &'static str) -> HeaderMap {
    let authority = &HeaderValue::from_static(authority);
    OutgoingHeaders { rules, callers, patch, signature: vec![], authority, proxy_credentials: None, encoding: None }
        .to_map()
}

fn strip(rules: &Rules, headers: &mut HeaderMap, own_origin: bool) {
    let known = KnownHeaders::of(headers);
    rules.strip(headers, known, own_origin);
}

#[test]
fn hop_by_hop_headers_and_credentials_are_removed() {
    let mut headers = map(&[
        ("connection", "keep-alive, X-One ,"),
        ("connection", "x-two"),
        ("x-one", "1"),
        ("x-two", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip, trailers;q=1"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("authorization", "Basic x"),
        ("authorization", "Bearer y"),
        ("proxy-authorization", "Basic x"),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-anything", "1"),
        ("x-bearerd-key", "secret"),
        ("x-user", "anna"),
        ("origin", "http://localhost:8080"),
        ("x-forward", "stays"),
        ("accept", "*/*"),
    ]);
    strip(&rules(|_, _| ()), &mut headers, true);
    assert_eq!(names_of(&headers), ["accept", "connection", "te", "x-forward"]);
    assert_eq!((&headers["te"], &headers["connection"]), (&"trailers".parse().unwrap(), &"TE".parse().unwrap()));
}

#[test]
fn every_alias_of_a_header_of_ours_is_removed() {
    let rules = rules(|settings, owned| {
        settings.headers = vec![pair("api-version", "2.1"), pair("x-mine", "1"), pair("x_under", "1")];
        settings.caller_may_set = vec![HeaderName::from_static("x-mine")];
        settings.remove_headers = vec![HeaderName::from_static("x-gone-too")];
        owned.headers = vec![HeaderName::from_static("legal-entity"), header::AUTHORIZATION];
    });
    let lines = [
        ("legal_entity", "theirs"),
        ("Legal.Entity", "theirs"),
        ("Api_Version", "1"),
        ("x_mine", "2"),
        ("x-mine", "2"),
        ("X-Under", "2"),
        ("x_gone-too", "1"),
        ("X_User", "eve"),
        ("X_Bearerd_Key", "k"),
        ("X_Forwarded_For", "1.2.3.4"),
        ("x-forwarded_host", "evil"),
        ("Proxy_Authorization", "Basic x"),
        ("Transfer_Encoding", "chunked"),
        ("Content_Length", "5"),
        ("AUTHORIZATION", "Bearer evil"),
        ("X_Custom", "1"),
        ("Content_Type", "a/b"),
        ("x_user_agent", "1"),
    ];
    let left = ["content_type", "x-mine", "x_custom", "x_user_agent"];
    let mut headers = map(&lines);
    strip(&rules, &mut headers, true);
    assert_eq!(names_of(&headers), left);
    let mut trailers = map(&lines);
    rules.strip_trailers(&mut trailers);
    assert_eq!(names_of(&trailers), left);
}

#[test]
fn invalid_names_from_http2_are_removed() {
    for byte in 0..=u8::MAX {
        let token = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let taken = HeaderName::from_lowercase(&[b'x', byte]).is_ok_and(|name| is_field_name(&name));
        assert_eq!(taken, token, "{}", byte.escape_ascii());
    }
    let mut headers = map(&[("x-y", "2")]);
    headers.insert(HeaderName::from_lowercase(b"x\"y").unwrap(), HeaderValue::from_static("1"));
    let mut trailers = headers.clone();
    strip_misnamed(&mut headers);
    rules(|_, _| {}).strip_trailers(&mut trailers);
    assert_eq!((names_of(&headers), names_of(&trailers)), (vec!["x-y"], vec!["x-y"]));
}

#[test]
fn a_foreign_origin_passes() {
    let mut headers = map(&[("origin", "https://app.example")]);
    strip(&rules(|_, _| ()), &mut headers, false);
    assert_eq!(names_of(&headers), ["origin"]);
}

#[test]
fn connection_may_name_any_header_even_the_token() {
    let rules = rules(|_, owned| owned.headers.push(header::AUTHORIZATION));
    let mut headers = map(&[("connection", "authorization, legal-entity, host, \"")]);
    strip(&rules, &mut headers, true);
    let patch = Patch { headers: vec![pair("authorization", "Bearer t")], ..Patch::default() };
    let headers = outgoing(&rules, &headers, &patch, "api");
    assert_eq!((&headers["authorization"], &headers["host"]), (&"Bearer t".parse().unwrap(), &"api".parse().unwrap()));
}

#[test]
fn owned_headers_are_set_and_never_appended() {
    let rules = rules(|settings, owned| {
        settings.headers = vec![pair("api-version", "2.1"), pair("x-empty", "")];
        settings.remove_headers = vec![HeaderName::from_static("x-gone")];
        owned.headers = vec![HeaderName::from_static("legal-entity")];
    });
    let mut headers = map(&[
        ("legal-entity", "evil"),
        ("legal-entity", "evil 2"),
        ("api-version", "1"),
        ("x-empty", "the caller's"),
        ("x-gone", "1"),
        ("host", "localhost"),
    ]);
    strip(&rules, &mut headers, true);
    assert_eq!(names_of(&headers), ["host", "x-empty"]);
    let patch = Patch { headers: vec![pair("legal-entity", "Acme AB")], ..Patch::default() };
    let headers = outgoing(&rules, &headers, &patch, "api.example.com");
    for (name, value) in
        [("legal-entity", "Acme AB"), ("api-version", "2.1"), ("x-empty", "the caller's"), ("host", "api.example.com")]
    {
        let all: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(all, [value], "{name}");
    }
}

#[test]
fn the_callers_value_wins_only_where_allowed() {
    let rules = rules(|settings, owned| {
        settings.headers = vec![pair("api-version", "2.1")];
        settings.caller_may_set = vec![HeaderName::from_static("api-version"), header::AUTHORIZATION];
        owned.headers = vec![header::AUTHORIZATION];
    });
    let patch = Patch { headers: vec![pair("authorization", "Bearer t")], ..Patch::default() };
    for (sent, version) in [(Some("9"), "9"), (None, "2.1")] {
        let mut headers = map(&[("authorization", "Bearer evil")]);
        headers.extend(sent.map(|sent| (HeaderName::from_static("api-version"), HeaderValue::from_static(sent))));
        strip(&rules, &mut headers, true);
        let headers = outgoing(&rules, &headers, &patch, "api");
        assert_eq!(headers["api-version"], version);
        assert_eq!(headers["authorization"], "Bearer t");
    }
}

#[test]
fn a_callers_authorization_passes_only_if_the_flow_sets_none() {
    let own = vec![header::AUTHORIZATION];
    let rules = rules(|settings, _| settings.caller_may_set = own);
    let mut headers = map(&[("authorization", "Bearer own")]);
    strip(&rules, &mut headers, true);
    assert_eq!(headers["authorization"], "Bearer own");
}

#[test]
fn defaults_fill_missing_headers_and_a_wildcard_accept() {
    let patch = Patch { defaults: vec![pair("accept", "application/json")], ..Patch::default() };
    for (sent, result) in
        [(None, "application/json"), (Some("*/*"), "application/json"), (Some("text/csv"), "text/csv")]
    {
        let mut headers = HeaderMap::new();
        headers.extend(sent.map(|sent| (header::ACCEPT, HeaderValue::from_static(sent))));
        let headers = outgoing(&rules(|_, _| ()), &headers, &patch, "api");
        assert_eq!(headers.get_all("accept").iter().collect::<Vec<_>>(), [result]);
    }
}

#[test]
fn credentials_and_framing_are_removed_from_trailers() {
    let rules = rules(|_, owned| owned.headers = vec![HeaderName::from_static("legal-entity")]);
    let mut trailers = map(&[
        ("authorization", "Bearer evil"),
        ("legal-entity", "evil"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("host", "evil"),
        ("x-checksum", "1"),
    ]);
    rules.strip_trailers(&mut trailers);
    assert_eq!(names_of(&trailers), ["x-checksum"]);
}

#[test]
fn the_flows_cookie_replaces_the_callers() {
    let rules = rules(|_, owned| owned.cookies = vec!["sid".into()]);
    let mut headers = map(&[("cookie", "sid=evil; a=1")]);
    strip(&rules, &mut headers, true);
    assert_eq!(headers["cookie"], "a=1");
    let patch = Patch { cookies: vec![("sid".into(), "s".into())], ..Patch::default() };
    let headers = outgoing(&rules, &headers, &patch, "api");
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; sid=s"]);
}

#[test]
fn set_headers_replace_unstripped_ones_and_are_set_once() {
    let rules = rules(|settings, _| settings.headers = vec![pair("x-a", "configured")]);
    let patch = Patch {
        headers: vec![pair("x-a", "flow"), pair("x-b", "flow")],
        defaults: vec![pair("x-b", "default"), pair("x-c", "default")],
        ..Patch::default()
    };
    let headers = outgoing(&rules, &map(&[("x-b", "evil"), ("x-d", "1"), ("host", "evil")]), &patch, "api");
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let expected = [("host", "api"), ("x-d", "1"), ("x-b", "flow"), ("x-a", "configured"), ("x-c", "default")];
    assert_eq!(lines, expected);
}

#[test]
fn proxy_credentials_signature_and_encoding_are_set_once_each() {
    let rules = rules(|_, _| ());
    let callers = map(&[("accept-encoding", "br"), ("accept-encoding", "zstd")]);
    let headers = OutgoingHeaders {
        rules: &rules,
        callers: &callers,
        patch: &Patch::default(),
        signature: vec![pair("x-signature", "s")],
        authority: &HeaderValue::from_static("api"),
        proxy_credentials: Some(HeaderValue::from_static("Basic x")),
        encoding: Some(HeaderValue::from_static("identity")),
    };
    let headers = headers.to_map();
    assert_eq!(headers.get_all("accept-encoding").iter().collect::<Vec<_>>(), ["identity"]);
    assert_eq!(
        (&headers["proxy-authorization"], &headers["x-signature"]),
        (&"Basic x".parse().unwrap(), &"s".parse().unwrap())
    );
}
