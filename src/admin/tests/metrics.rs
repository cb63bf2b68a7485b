use std::collections::{BTreeMap, BTreeSet};

use super::status::finish;
use super::*;
use crate::record::Limit;

/// A sample: name, labels as written, value.
type Sample<'a> = (&'a str, &'a str, f64);

fn samples(text: &str) -> Vec<Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &str) -> Sample<'_> {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(labels.ends_with('}'), "{line}");
    (name, &labels[..labels.len() - 1], value.parse().unwrap())
}

fn is_name(name: &str) -> bool {
    name.starts_with("bearerd_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The metric of a sample, if it was declared.
fn family<'a>(name: &'a str, types: &BTreeMap<&str, &str>) -> &'a str {
    let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    stem.filter(|stem| types.get(stem) == Some(&"histogram")).unwrap_or(name)
}

/// Checks that a page conforms to the format.
fn check(text: &str) -> Vec<Sample<'_>> {
    assert!(text.ends_with('\n'));
    let announced = |word: &str| -> Vec<(&str, &str)> {
        text.lines().filter_map(|line| line.strip_prefix(word)).map(|line| line.split_once(' ').unwrap()).collect()
    };
    let (helps, kinds) = (announced("# HELP "), announced("# TYPE "));
    let types: BTreeMap<_, _> = kinds.iter().copied().collect();
    assert_eq!(types.len(), kinds.len(), "a family is announced twice");
    assert_eq!(helps.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), types.keys().copied().collect());
    assert!(types.iter().all(|(name, kind)| is_name(name) && ["counter", "gauge", "histogram"].contains(kind)));
    let samples = samples(text);
    let mut seen = BTreeSet::new();
    for (name, labels, value) in &samples {
        let family = family(name, &types);
        let kind = types.get(family).unwrap_or_else(|| panic!("{name} has no TYPE"));
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
        assert!(seen.insert((*name, *labels)), "{name}{{{labels}}} comes twice");
        assert!(value.is_finite() && *value >= 0.0);
    }
    samples
}

/// The buckets of each histogram by its other labels, in order.
fn buckets<'a>(samples: &[Sample<'a>]) -> BTreeMap<(&'a str, &'a str), Vec<(&'a str, f64)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, labels, value) in samples {
        let Some(name) = name.strip_suffix("_bucket") else { continue };
        let (labels, bound) = labels.rsplit_once("le=\"").unwrap();
        found.entry((name, labels.trim_end_matches(','))).or_default().push((bound.trim_end_matches('"'), *value));
    }
    found
}

fn value(samples: &[Sample<'_>], name: &str, labels: &str) -> f64 {
    let found = samples.iter().find(|sample| (sample.0, sample.1) == (name, labels));
    found.unwrap_or_else(|| panic!("no {name}{{{labels}}}")).2
}

async fn page(stage: &Stage) -> String {
    let answer = stage.get("/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.body
}

fn busy() -> Stage {
    let stage = Stage::new();
    stage.add(upstream("other", &stage.tokens));
    let upstreams = stage.admin.upstreams.load();
    for method in [Method::GET, Method::GET, Method::from_bytes(b"BREW").unwrap()] {
        finish(&upstreams[0], "/path", &method);
    }
    upstreams[0].token_record.token_request("login", "ok", Duration::from_millis(200));
    upstreams[1].token_record.token_request("login", "ok", Duration::from_secs(100));
    upstreams[0].token_record.token_wait();
    stage.admin.proxy.limit(Limit::Connections).set_used(3);
    let expires = Some(stage.admin.clock.now() + Duration::from_secs(60));
    stage.token_is(Some(Status { expires, ..status(State::Fresh) }));
    stage
}

#[tokio::test(start_paused = true)]
async fn the_page_is_well_formed_empty_or_busy() {
    check(&page(&busy()).await);
    let stage = Stage::new();
    stage.token_is(None);
    check(&page(&stage).await);
    stage.admin.upstreams.store(Arc::default());
    check(&page(&stage).await);
}

#[tokio::test(start_paused = true)]
async fn histograms_only_grow_and_end_with_their_count() {
    let text = page(&busy()).await;
    let samples = check(&text);
    let histograms = buckets(&samples);
    assert_eq!(histograms.len(), 5);
    for ((name, labels), buckets) in histograms {
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name}");
        let bounds: Vec<f64> = buckets.iter().map(|(bound, _)| bound.parse().unwrap()).collect();
        assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        let (last, count) = buckets.last().unwrap();
        assert_eq!((*last, *count), ("+Inf", value(&samples, &format!("{name}_count"), labels)));
    }
    assert_eq!(value(&samples, "bearerd_request_duration_seconds_sum", "upstream=\"younium\""), 0.09);
    assert_eq!(value(&samples, "bearerd_token_request_duration_seconds_count", ""), 2.0);
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_exported_with_its_labels() {
    let text = page(&busy()).await;
    let samples = check(&text);
    for (name, labels, expected) in [
        ("requests_total", r#"upstream="younium",method="GET",status="401",blame="token""#, 2.0),
        ("requests_total", r#"upstream="younium",method="OTHER",status="401",blame="token""#, 1.0),
        ("requests_in_flight", r#"upstream="younium""#, 0.0),
        ("replays_total", r#"upstream="younium",outcome="rejected""#, 3.0),
        ("replays_total", r#"upstream="other",outcome="accepted""#, 0.0),
        ("token_state", r#"upstream="younium",state="fresh""#, 1.0),
        ("token_state", r#"upstream="younium",state="expired""#, 0.0),
        ("token_expiry_timestamp_seconds", r#"upstream="younium""#, 1_800_000_060.0),
        ("token_requests_total", r#"upstream="other",kind="login",outcome="ok""#, 1.0),
        ("token_requests_total", r#"upstream="other",kind="revoke",outcome="bad_reply""#, 0.0),
        ("token_waits_total", r#"upstream="younium""#, 1.0),
        ("subjects", r#"upstream="younium""#, 7.0),
        ("upstream_duration_seconds_count", r#"upstream="younium""#, 3.0),
        ("connections", "", 3.0),
        ("build_info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1.0),
    ] {
        assert_eq!(value(&samples, &format!("bearerd_{name}"), labels), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_upstreams_share_is_added_once() {
    let stage = Stage::new();
    let first = stage.admin.upstreams.load()[0].clone();
    first.token_record.token_request("login", "ok", Duration::from_secs(1));
    stage.add(AdminUpstream { token_record: first.token_record, ..upstream("other", &stage.tokens) });
    let text = page(&stage).await;
    assert_eq!(value(&check(&text), "bearerd_token_request_duration_seconds_count", ""), 1.0);
}

#[tokio::test]
async fn a_panic_of_a_handler_is_a_500_and_is_counted() {
    crate::panics::watch();
    let stage = Stage::new();
    let before = crate::panics::count();
    // The fake has no result.
    assert_eq!(stage.post("/refresh?upstream=younium").await.code(), (500, "internal".to_owned()));
    assert_eq!(stage.get("/livez").await.status, 200);
    let page = stage.get("/metrics").await.body;
    let counted = check(&page).into_iter().find(|(name, ..)| *name == "bearerd_panics_total").unwrap().2;
    assert!(counted as u64 > before, "{counted}");
}
