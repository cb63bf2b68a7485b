//! Lenient parsing of lifetimes and dates. What cannot be read is unknown, never an error: nothing about a lifetime may
//! fail a login.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// A century. Longer lifetimes mean "does not expire" and must not overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The unit of a plain number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::flow) enum Unit {
    Milliseconds,
    #[default]
    Seconds,
    Minutes,
}

impl Unit {
    /// `ms`, `s` or `m`.
    pub(in crate::flow) fn parse(text: &str) -> Option<Self> {
        match text {
            "ms" => Some(Self::Milliseconds),
            "s" => Some(Self::Seconds),
            "m" => Some(Self::Minutes),
            _ => None,
        }
    }

    fn seconds(self) -> f64 {
        match self {
            Self::Milliseconds => 0.001,
            Self::Seconds => 1.0,
            Self::Minutes => 60.0,
        }
    }
}

/// A lifetime: `3600`, `"3600"`, `3600.0`, `"1h"`. Zero and less are unknown: servers use them for "does not expire".
pub(in crate::flow) fn lifetime(text: &str, unit: Unit) -> Option<Duration> {
    let text = text.trim();
    if let Some(number) = decimal(text) {
        return seconds(number * unit.seconds());
    }
    crate::document::duration(&text.to_ascii_lowercase()).filter(|life| !life.is_zero()).map(|life| life.min(LONGEST))
}

fn seconds(number: f64) -> Option<Duration> {
    let positive = number > 0.0;
    positive.then(|| Duration::try_from_secs_f64(number).map_or(LONGEST, |life| life.min(LONGEST)))
}

/// A plain decimal number. Rust's parser would also accept `inf` and `nan`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    plain.then(|| text.parse().ok()).flatten()
}

/// A point in time, since 1970 in UTC: epoch seconds, milli- or microseconds (distinguished by size), ISO 8601, or an
/// HTTP-date. Anything before 1970 is unknown: some platforms write `0001-01-01` for "never".
pub(in crate::flow) fn moment(text: &str) -> Option<Duration> {
    let text = text.trim();
    match decimal(text) {
        Some(number) => epoch(number),
        None => iso_8601(text).or_else(|| http_date(text)),
    }
}

fn epoch(number: f64) -> Option<Duration> {
    let scale = match number {
        n if n < 1e11 => 1.0,
        n if n < 1e14 => 1e3,
        n if n < 1e17 => 1e6,
        _ => 1e9,
    };
    (number > 0.0).then(|| Duration::try_from_secs_f64(number / scale).ok()).flatten()
}

fn since_1970(date: Date, time: Time, offset: UtcOffset) -> Option<Duration> {
    let nanoseconds = PrimitiveDateTime::new(date, time).assume_offset(offset).unix_timestamp_nanos();
    u64::try_from(nanoseconds / 1_000_000).ok().map(Duration::from_millis)
}

/// ISO 8601, such as `2026-01-02T03:04:05.678+01:00`; also in lower case, with a space instead of `T`, with `+0100`,
/// and without a zone, which means UTC.
fn iso_8601(text: &str) -> Option<Duration> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut numbers = date.split('-');
    let year = number(numbers.next()?, 4)?;
    let month = Month::try_from(u8::try_from(number(numbers.next()?, 2)?).ok()?).ok()?;
    let day = u8::try_from(number(numbers.next()?, 2)?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
    if rest.is_empty() {
        return since_1970(date, Time::MIDNIGHT, UtcOffset::UTC);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    since_1970(date, time_of_day(time)?, offset(zone.trim())?)
}

/// HTTP-date, such as `Thu, 27 Sep 2025 08:49:37 GMT`. The weekday is ignored, because even vendors' documentation gets
/// it wrong. Also the two obsolete forms of RFC 9110: `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov 6 08:49:37 1994`.
fn http_date(text: &str) -> Option<Duration> {
    let mut words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    let before: Vec<_> = words.by_ref().take_while(|word| !word.contains(':')).collect();
    let clock = text.split([' ', '\t']).find(|word| word.contains(':'))?;
    let (mut year, mut zone) = (None, words.next().unwrap_or(""));
    // The asctime form has its year at the end, where the others have their zone.
    if zone.len() == 4 && zone.bytes().all(|byte| byte.is_ascii_digit()) {
        (year, zone) = (Some(zone), words.next().unwrap_or(""));
    }
    let parts = || before.iter().flat_map(|word| word.split('-'));
    let month = parts().find_map(month)?;
    let mut numbers = parts().filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let day = u8::try_from(number(numbers.next()?, 0)?).ok()?;
    let year = full_year(year.or_else(|| numbers.next())?)?;
    since_1970(Date::from_calendar_date(year, month, day).ok()?, time_of_day(clock)?, offset(zone)?)
}

fn month(word: &str) -> Option<Month> {
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = word.get(..3)?.to_ascii_lowercase();
    let index = names.iter().position(|name| *name == start)?;
    Month::try_from(u8::try_from(index.saturating_add(1)).ok()?).ok()
}

fn full_year(text: &str) -> Option<i32> {
    let year = i32::try_from(number(text, 0)?).ok()?;
    match text.len() {
        2 if year < 70 => year.checked_add(2000),
        2 => year.checked_add(1900),
        4 => Some(year),
        _ => None,
    }
}

/// A number of only digits, of this length; 0 for any.
fn number(text: &str, length: usize) -> Option<u32> {
    let fits = (length == 0 || text.len() == length) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// `03:04`, `03:04:05`, `3:04:05.678`; a leap second counts as the second before it.
fn time_of_day(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let hour = u8::try_from(number(parts.next()?, 0)?).ok()?;
    let minute = u8::try_from(number(parts.next()?, 2)?).ok()?;
    let second = u8::try_from(number(parts.next().unwrap_or("00"), 2)?).ok()?;
    let second = if second == 60 { 59 } else { second };
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let milli = u16::try_from(number(&digits, 3)?).ok()?;
    parts.next().is_none().then(|| Time::from_hms_milli(hour, minute, second, milli).ok()).flatten()
}

/// `Z`, `GMT`, `UTC`, `+01:00`, `+0100`, `+01`, or nothing, which is UTC.
fn offset(text: &str) -> Option<UtcOffset> {
    if ["", "z", "gmt", "utc"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { i8::try_from(number(minutes, 2)?).ok()? };
    let hours = i8::try_from(number(hours, 2)?).ok()?;
    UtcOffset::from_hms(hours.checked_mul(sign)?, minutes.checked_mul(sign)?, 0).ok()
}

/// The expiry of a JWT (`exp`, RFC 7519). The signature is not verified.
pub(in crate::flow) fn jwt_end(token: &str) -> Option<Duration> {
    moment(&super::locator::text_of(claims(token)?.get("exp")?)?)
}

/// The claims of a JWT (RFC 7519). Nothing is verified.
pub fn claims(token: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
mod tests;
