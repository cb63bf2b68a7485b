use proptest::prelude::*;

use super::*;

/// 2 January 2026, 03:04:05 UTC.
const THEN: u64 = 1_767_323_045;

#[test]
fn a_lifetime_is_a_number_a_numeric_text_or_a_duration() {
    for (text, seconds) in [
        ("3600", Some(3600.0)),
        (" 1799 ", Some(1799.0)),
        ("3600.5", Some(3600.5)),
        ("8.64e4", Some(86_400.0)),
        ("1h", Some(3600.0)),
        ("1H30m", Some(5400.0)),
        ("", None),
        ("0", None),
        ("-1", None),
        ("177:05:38", None),
        ("soon", None),
        ("inf", None),
        ("NaN", None),
        ("0s", None),
        ("true", None),
    ] {
        assert_eq!(lifetime(text, Unit::Seconds).map(|life| life.as_secs_f64()), seconds, "{text:?}");
    }
}

#[test]
fn the_unit_applies_to_plain_numbers_only() {
    let read = |text, unit| lifetime(text, unit).unwrap().as_secs();
    assert_eq!(read("90000", Unit::Milliseconds), 90);
    assert_eq!(read("15", Unit::Minutes), 900);
    assert_eq!(read("15s", Unit::Minutes), 15);
    assert_eq!([Unit::parse("ms"), Unit::parse("h")], [Some(Unit::Milliseconds), None]);
}

#[test]
fn an_endless_lifetime_is_a_century() {
    for text in ["1e300", "9223372036854775807", "99999999999999999999", "36500000d"] {
        assert_eq!(lifetime(text, Unit::Minutes), Some(LONGEST), "{text}");
    }
}

#[test]
fn the_same_moment_in_every_spelling() {
    for text in [
        "1767323045",
        "1767323045.0",
        "1767323045000",
        "1767323045000000",
        "2026-01-02T03:04:05Z",
        "2026-01-02t03:04:05z",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05+0000",
        "2026-01-02T03:04:05 UTC",
        "2026-01-02T05:04:05+02:00",
        "2026-01-02T05:04:05+0200",
        "2026-01-02T05:04:05+02",
        "2026-01-01T21:34:05-05:30",
        "2026-01-02T03:04:05.000000Z",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "Mon, 02 Jan 2026 03:04:05 GMT",
        "Fri, 2 Jan 2026 03:04:05 GMT",
        "fri, 2 january 2026 3:04:05 gmt",
        "Fri, 02 Jan 2026 03:04:05 +0000",
        "Fri, 02 Jan 2026 03:04:05",
        "Friday, 02-Jan-26 03:04:05 GMT",
        "Fri Jan  2 03:04:05 2026",
        "02 Jan 2026 03:04:05 GMT",
    ] {
        assert_eq!(moment(text), Some(Duration::from_secs(THEN)), "{text}");
    }
}

#[test]
fn fractions_minutes_and_bare_dates_are_read() {
    assert_eq!(moment("2026-01-02T03:04:05.678901Z"), Some(Duration::from_millis(THEN * 1000 + 678)));
    assert_eq!(moment("2026-01-02T03:04Z"), Some(Duration::from_secs(THEN - 5)));
    assert_eq!(moment("2026-01-02"), Some(Duration::from_secs(1_767_312_000)));
    assert_eq!(moment("2016-12-31T23:59:60Z"), moment("2016-12-31T23:59:59Z"));
}

#[test]
fn an_unreadable_date_is_unknown() {
    for text in [
        "",
        "0",
        "-5",
        "never",
        "177:05:38",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-02-30T00:00:00Z",
        "2026-13-01",
        "2026-01-02T25:00:00Z",
        "2026-01-02T03:04:05+99:99",
        "Fri, 32 Jan 2026 03:04:05 GMT",
        "Fri, 02 Foo 2026 03:04:05 GMT",
        "09/14/2026 00:00:00",
        "é:00",
    ] {
        assert_eq!(moment(text), None, "{text:?}");
    }
}

#[test]
fn the_expiry_of_a_jwt_is_read_without_verifying_its_signature() {
    let jwt = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
    assert_eq!(jwt_end(&jwt(r#"{"exp":1767323045}"#)), Some(Duration::from_secs(THEN)));
    assert_eq!(jwt_end(&jwt(r#"{"exp":"1767323045"}"#)), Some(Duration::from_secs(THEN)));
    for wrong in [jwt("{}"), jwt("no json"), "a.b".into(), "a.b.c".into(), "a.b.c.d.e".into(), "opaque".into()] {
        assert_eq!(jwt_end(&wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*|[0-9TtZz:+\\-., a-zA-Z]*") {
        let _ = (lifetime(&text, Unit::Minutes), moment(&text), jwt_end(&text));
    }

    #[test]
    fn every_second_survives_formatting_and_parsing(seconds in 1_u64..4_000_000_000) {
        let at = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap();
        let iso = at.format(&time::format_description::well_known::Rfc3339).unwrap();
        let mail = at.format(&time::format_description::well_known::Rfc2822).unwrap();
        prop_assert_eq!(moment(&iso), Some(Duration::from_secs(seconds)));
        prop_assert_eq!(moment(&mail), Some(Duration::from_secs(seconds)));
    }
}
