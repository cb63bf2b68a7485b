use super::*;

#[test]
fn hosts_that_mean_this_machine_pass() {
    for host in [
        "localhost",
        "LocalHost:8080",
        "localhost.",
        "localhost.:80",
        "localhost:",
        "younium.localhost",
        "a.b.localhost.:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "127.0.0.1.",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]:80",
        "younium.internal",
        "YOUNIUM.internal.:8080",
    ] {
        assert!(Caller::named(host).passes(&Access::default()), "{host}");
    }
}

#[test]
fn hosts_that_a_rebound_name_or_a_trick_would_send_are_refused() {
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "0.0.0.0:8080",
        "[::]",
        "[::ffff:0.0.0.0]",
        "10.0.0.1",
        "[fe80::1]",
        "2130706433",
        "0x7f.1",
        "127.1",
        "sub.younium.internal",
    ] {
        assert!(matches!(Caller::named(host).meets(&Access::default()), Admission::Refused(_)), "{host}");
    }
}

#[test]
fn an_invalid_host_is_malformed() {
    for host in [
        "",
        ":8080",
        ".",
        ".localhost",
        "localhost..",
        "a..localhost",
        "::1",
        "[::1",
        "[::1]x",
        "[::1].",
        "[::1%25lo]",
        "[127.0.0.1]",
        "evil.com/.localhost",
        "evil.com\\.localhost",
        "evil.com?.localhost",
        "evil.com#.localhost",
        "a b.localhost",
        "a\tb.localhost",
        "a,b.localhost",
        "<x>.localhost",
        "%6c.localhost",
        "*.localhost",
        "localhost:8080:1",
        "localhost:+1",
        "localhost:70000",
        "localhost:8o",
        "user@localhost",
        "localhost:1@evil.example",
        "localhost/",
        "localhost evil.example",
        "localhöst",
    ] {
        assert!(matches!(Caller::named(host).meets(&Access::default()), Admission::Malformed(_)), "{host}");
        let any = Access { hosts: vec!["*".to_owned()], ..Access::default() };
        assert!(matches!(Caller::named(host).meets(&any), Admission::Malformed(_)), "{host}");
        let url = Caller { authority: Some(host), headers: vec![("host", "localhost")], ..Caller::default() };
        assert!(matches!(url.meets(&Access::default()), Admission::Malformed(_)), "{host}");
        assert!(Caller { peer: None, ..Caller::named(host) }.passes(&Access::default()), "{host}");
    }
}

#[test]
fn a_name_is_at_most_as_long_as_dns_allows() {
    let long = format!("{}localhost", "a.".repeat(123));
    assert!(!is_authority(&long) && is_authority(&long[2..]));
}

#[test]
fn more_hosts_pass_when_named() {
    let hosts = ["api.corp", "*.mesh.local", "only.port:81", "fd00::1", "10.1.1.1"].map(str::to_owned).into();
    let access = Access { hosts, ..Access::default() };
    for (host, allowed) in [
        ("api.corp:1", true),
        ("API.corp.", true),
        ("x.api.corp", false),
        ("a.mesh.local", true),
        ("a.b.Mesh.local:9", true),
        ("mesh.local", false),
        (".mesh.local", false),
        ("amesh.local", false),
        ("only.port:81", true),
        ("only.port", false),
        ("[fd00::1]:80", true),
        ("10.1.1.1:80", true),
        ("evil.example", false),
        ("localhost", true),
    ] {
        assert_eq!(Caller::named(host).passes(&access), allowed, "{host}");
    }
    let any = Access { hosts: vec!["*".to_owned()], ..Access::default() };
    assert!(Caller::named("evil.example").passes(&any));
    assert!(!Caller::named("a@b").passes(&any));
}

#[test]
fn exactly_one_host_is_named_except_by_http_1_0() {
    let access = Access::default();
    let without = Caller { headers: vec![], ..Caller::default() };
    assert_eq!(without.meets(&access), Admission::Malformed("missing Host header"));
    assert!(Caller { version: Version::HTTP_10, ..without }.passes(&access));
    let rebound = Caller { version: Version::HTTP_10, ..Caller::named("evil.example") };
    assert!(!rebound.passes(&access));
    let two = Caller::with(&[("host", "localhost:8080")]);
    assert_eq!(two.meets(&access), Admission::Malformed("more than one Host header"));
}

#[test]
fn an_authority_counts_as_the_host_and_both_must_be_allowed() {
    let both = |authority, headers| Caller { authority, headers, ..Caller::default() }.passes(&Access::default());
    assert!(both(Some("localhost:8080"), vec![]));
    assert!(!both(Some("evil.example"), vec![]));
    assert!(!both(Some("evil.example"), vec![("host", "localhost")]));
    assert!(!both(Some("localhost"), vec![("host", "evil.example")]));
}
