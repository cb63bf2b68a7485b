//! The rules between what was sent, what the upstream saw, and what came back.

use crate::answer::Answer;
use crate::caller::Heard;
use crate::frames::Carried;
use crate::http2;
use crate::lawful::ENTITY;
use crate::reading::{End, Field};
use crate::request::{Request, Requests};
use crate::upstream::{Seen, State, said};

/// Headers that bearerd may add to a request.
const ADDED: &[&[u8]] = &[
    b"host",
    b"authorization",
    b"x-legal-entity",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"te",
    b"trailer",
];

/// Headers that bearerd or its HTTP library may add to a response.
const OF_ANSWERS: &[&[u8]] =
    &[b"date", b"connection", b"content-length", b"transfer-encoding", b"x-serial", b"trailer"];

pub type Verdict = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

/// A request at the upstream must have the token and no header that its caller may not set.
pub fn is_clean(seen: &Seen, token: &str) -> Verdict {
    let Request { fields, trailers, .. } = &seen.request;
    ensure(seen.state != State::Broken, || format!("the upstream got an invalid request: {}", told(seen)))?;
    let bearer = format!("Bearer {token}");
    for (name, wanted) in [("authorization", &*bearer), ("x-legal-entity", ENTITY)] {
        let values: Vec<_> = fields.iter().filter(|(own, _)| own == name.as_bytes()).collect();
        ensure(matches!(values[..], [(_, value)] if value == wanted.as_bytes()), || {
            format!("{name} of a request is not the value that bearerd sets: {}", told(seen))
        })?;
    }
    let set = |(name, value): &Field| is_owned(name) && ![bearer.as_bytes(), ENTITY.as_bytes()].contains(&&value[..]);
    ensure(!fields.iter().chain(trailers).any(set), || format!("a header that its caller may not set: {}", told(seen)))
}

/// Whether only bearerd may set it, read as a CGI-style server does.
fn is_owned(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_lowercase().replace('_', "-");
    let owned = ["authorization", "proxy-authorization", "x-legal-entity", "forwarded"];
    owned.contains(&&*name) || name.starts_with("x-forwarded-")
}

fn told(seen: &Seen) -> String {
    let Request { method, target, fields, trailers, body, .. } = &seen.request;
    let line = |(name, value): &Field| format!("  {}: {}\n", name.escape_ascii(), value.escape_ascii());
    let lines: String = fields.iter().chain(trailers).map(line).collect();
    let (method, target, body) = (method.escape_ascii(), target.escape_ascii(), body.escape_ascii());
    format!("{:?} {method} {target}\n{lines}  {body}", seen.state)
}

/// The upstream must see what the caller sent.
fn is_same(said: &Request, seen: &Seen) -> Verdict {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: &'static str| {
        if !holds {
            wrong.push(what)
        }
    };
    check(said.method == seen.request.method, "the method");
    check(is_target(&said.target, &seen.request.target), "the target");
    check(said.body == seen.request.body, "the body");
    let known = |(name, value): &Field| {
        let mut own = said.fields.iter().chain(&said.trailers).filter(|(own, _)| own == name);
        ADDED.contains(&&name[..]) || own.any(|(_, own)| own == value)
    };
    check(seen.request.fields.iter().all(known), "a field");
    check(seen.request.trailers.iter().all(known), "a trailer");
    ensure(wrong.is_empty(), || format!("{} is not what the caller sent: {}", wrong.join(", "), told(seen)))
}

fn is_target(said: &[u8], seen: &[u8]) -> bool {
    let said = said.split(|byte| *byte == b'#').next().unwrap_or_default();
    // Other forms of the target are rewritten (RFC 9112 §3.2).
    !said.starts_with(b"/") || (seen.starts_with(b"/b") && &seen[2..] == said)
}

/// Requests over HTTP/1.1.
pub fn requests(read: &Requests, heard: &Heard, seen: &[Seen], plain: bool) -> Verdict {
    ensure(!heard.hangs, || format!("no response to request {} of {}", heard.answers.len() + 1, read.whole.len()))?;
    let mut unanswered: Vec<_> = seen.iter().filter(|seen| seen.state == State::Whole).collect();
    for (place, answer) in heard.answers.iter().enumerate() {
        is_strict(answer)?;
        let serial = answer.field("x-serial").and_then(|serial| std::str::from_utf8(serial).ok()?.parse::<u64>().ok());
        let Some(serial) = serial else { continue };
        let doubtful = read.begun.as_ref().filter(|begun| begun.doubtful);
        let asked =
            read.whole.get(place).or(doubtful).ok_or_else(|| format!("response {place} belongs to no request"))?;
        let at = unanswered.iter().position(|seen| seen.serial == serial);
        let seen = unanswered.remove(at.ok_or_else(|| format!("answer {place} is another's"))?);
        let body = said(serial, &seen.request.target);
        if place == read.whole.len() {
            ensure(asked.body == seen.request.body, || {
                format!("the body is not what the caller sent: {}", told(seen))
            })?;
        } else if place < read.whole.len() {
            is_same(asked, seen)?;
        }
        ensure(seen.request.method == b"HEAD" || answer.body == body, || {
            format!("the body of response {place} is wrong")
        })?;
    }
    ensure(unanswered.is_empty() || heard.reset, || {
        let told: Vec<_> = unanswered.iter().map(|seen| told(seen)).collect();
        format!("the upstream saw a request without a response: {}", told.join("\n"))
    })?;
    ensure(heard.rest.is_empty() || heard.reset, || format!("no answer: {}", heard.rest.escape_ascii()))?;
    let served = heard.answers.iter().filter(|answer| answer.field("x-serial").is_some()).count();
    ensure(!plain || served == read.whole.len(), || format!("{served} of {} valid requests served", read.whole.len()))
}

/// Requests over HTTP/2.
pub fn requests_http2(carried: &Carried, heard: &http2::Heard, seen: &[Seen], plain: bool) -> Verdict {
    let whole: Vec<_> = seen.iter().filter(|seen| seen.state == State::Whole).collect();
    ensure(whole.len() <= carried.begun.len(), || format!("{} requests of {:?}", whole.len(), carried.begun))?;
    for seen in &whole {
        // With a Content-Length, a body can be complete before its stream has ended.
        let measured = seen.request.fields.iter().any(|(name, _)| name == b"content-length");
        let streams = carried.begun.iter().filter(|stream| measured || carried.ended.contains(stream));
        let mut bodies = streams.map(|stream| carried.data.get(stream).map_or(&[][..], |body| body));
        // More data than the length says may arrive too late.
        let is = |body: &[u8]| body == seen.request.body || (measured && body.starts_with(&seen.request.body));
        ensure(bodies.any(is), || format!("a body that was not sent: {}", told(seen)))?;
    }
    let mut answers: Vec<_> = whole.iter().map(|seen| said(seen.serial, &seen.request.target)).collect();
    for (stream, body) in &heard.streams {
        if body.starts_with(b"answer ") && heard.ended.get(stream) == Some(&true) {
            let at = answers.iter().position(|answer| answer == body);
            answers.remove(at.ok_or_else(|| format!("the response on stream {stream} belongs to another one"))?);
        }
        let internal = body.windows(10).any(|window| window == b"\"internal\"");
        ensure(!internal, || format!("an internal error of bearerd: {}", body.escape_ascii()))?;
    }
    ensure(!plain || (heard.over && whole.len() == carried.begun.len()), || {
        format!("valid requests not served: {heard:?}")
    })
}

/// bearerd's own responses must be strict HTTP, and none an internal error.
fn is_strict(answer: &Answer) -> Verdict {
    ensure(answer.code().as_deref() != Some("internal"), || "an internal error of bearerd".to_owned())?;
    ensure(answer.tidy && !answer.vague, || format!("bearerd's own response is not strict HTTP: {answer:?}"))
}

/// An HTTP/1.1 response: what was sent, and what arrived.
pub fn answer(sent: &Result<Answer, End>, heard: &Answer) -> Verdict {
    is_strict(heard)?;
    let own = heard.code();
    match (sent, own) {
        (Ok(sent), Some(_)) => {
            let lawful = sent.strict && !sent.vague && matches!(sent.end, End::Whole(_));
            ensure(!lawful, || format!("a valid response is refused: {}", heard.body.escape_ascii()))
        }
        (Err(_), Some(_)) => Ok(()),
        (Ok(sent), None) if sent.vague => Ok(()),
        (Ok(sent), None) => {
            ensure(sent.status == heard.status, || format!("status {} became {}", sent.status, heard.status))?;
            let (whole, arrived) = (matches!(sent.end, End::Whole(_)), matches!(heard.end, End::Whole(_)));
            // Malformed trailers may be accepted or not.
            ensure(whole == arrived || (!sent.strict && whole), || format!("{:?} became {:?}", sent.end, heard.end))?;
            let same = if whole && arrived { heard.body == sent.body } else { sent.body.starts_with(&heard.body) };
            ensure(same, || format!("the body became {}", heard.body.escape_ascii()))?;
            let known =
                |(name, _): &&Field| OF_ANSWERS.contains(&&name[..]) || sent.fields.iter().any(|(own, _)| own == name);
            let strange = heard.fields.iter().find(|field| !known(field));
            ensure(strange.is_none(), || format!("an unknown field: {strange:?}"))
        }
        (Err(end), None) => Err(format!("an invalid response ({end:?}) is passed on: {heard:?}")),
    }
}

/// An HTTP/2 response.
pub fn answer_http2(sent: &[(Vec<u8>, bool)], heard: &Answer) -> Verdict {
    is_strict(heard)?;
    let plain = sent.last().is_some_and(|(_, plain)| *plain);
    match (heard.code(), heard.end) {
        (Some(code), _) => ensure(!plain, || format!("a valid response is refused: {code}")),
        (None, End::Whole(_)) => {
            // Responses to HEAD, and 204, have no body. Data beyond the length may arrive too late.
            let long = heard.field("content-length").is_some();
            let is = |body: &Vec<u8>| *body == heard.body || (long && body.starts_with(&heard.body));
            let same = heard.body.is_empty() || sent.iter().any(|(body, _)| is(body));
            ensure(same, || format!("the body became {}", heard.body.escape_ascii()))
        }
        (None, _) => {
            let begun = sent.iter().any(|(body, _)| body.starts_with(&heard.body));
            ensure(begun && !plain, || format!("the body became {}", heard.body.escape_ascii()))
        }
    }
}
