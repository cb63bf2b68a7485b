//! Plays the cases of one worker, one after the other.

use std::sync::Arc;

use fastrand::Rng;

use crate::answer::{Answer, answer};
use crate::caller::{self, Caller};
use crate::frames::{Carried, PREFACE, frames};
use crate::http2::{self, Next};
use crate::judge::{self, Verdict};
use crate::lawful::{self, changes, noise};
use crate::mutate::mutate;
use crate::reading::End;
use crate::request::requests;
use crate::upstream::{Script, Seen, State, Upstream, said};

/// An upstream: its listener in bearerd, and its server.
pub struct Door<U> {
    pub name: String,
    pub port: u16,
    pub upstream: Arc<U>,
    /// The regular caller.
    pub probe: Caller,
}

impl<U> Door<U> {
    pub fn at(&mut self, port: u16) {
        (self.port, self.probe) = (port, Caller::to(port));
    }
}

pub struct Worker {
    /// Upstreams for mutated requests, one per protocol.
    pub requests: [Door<Upstream>; 2],
    /// The upstream for mutated responses.
    pub answers: Door<Upstream>,
    pub frames: Door<http2::Upstream>,
    /// The caller that gets mutated responses.
    pub caller: Caller,
    pub framed_caller: Caller,
}

/// A violation, with the bytes that caused it.
pub struct Fault {
    pub why: String,
    pub bytes: Vec<u8>,
}

fn mixed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 31;
    mixed.wrapping_mul(0x94d0_49bb_1331_11eb)
}

impl Worker {
    /// Even numbers mutate requests, odd numbers responses.
    pub async fn play(&mut self, seed: u64, number: u64) -> Result<(), Fault> {
        let mut random = Rng::with_seed(mixed(seed, number));
        let mut bytes = Vec::new();
        let done = match (number % 2, random.u8(..4)) {
            (0, 0) => self.requests_http2(&mut random, number, &mut bytes).await,
            (0, _) => self.requests(&mut random, number, &mut bytes).await,
            (_, 0) => self.answer_http2(&mut random, number, &mut bytes).await,
            _ => self.answer(&mut random, number, &mut bytes).await,
        };
        done.map_err(|why| Fault { why, bytes })
    }

    async fn requests(&mut self, random: &mut Rng, number: u64, bytes: &mut Vec<u8>) -> Verdict {
        let door = &mut self.requests[random.usize(..2)];
        *bytes = lawful::requests(random, number);
        let lawful = bytes.clone();
        (0..changes(random)).for_each(|_| mutate(random, bytes));
        let read = requests(bytes);
        let pieces = pieces(random, bytes);
        let heard = caller::send(door.port, &pieces, &read).await?;
        let seen = door.upstream.take();
        seen.iter().try_for_each(|seen| judge::is_clean(seen, &door.name))?;
        judge::requests(&read, &heard, &seen, *bytes == lawful)?;
        door.prove(number, false).await
    }

    async fn requests_http2(&mut self, random: &mut Rng, number: u64, bytes: &mut Vec<u8>) -> Verdict {
        let door = &mut self.requests[random.usize(..2)];
        let (made, plain) = http2::requests(random, number);
        *bytes = made;
        let carried = Carried::of(&frames(bytes.strip_prefix(PREFACE).unwrap_or_default()).0);
        let heard = http2::send(door.port, bytes, &carried, plain).await?;
        let seen = door.upstream.take();
        seen.iter().try_for_each(|seen| judge::is_clean(seen, &door.name))?;
        judge::requests_http2(&carried, &heard, &seen, plain)?;
        door.prove(number, true).await
    }

    async fn answer(&mut self, random: &mut Rng, number: u64, bytes: &mut Vec<u8>) -> Verdict {
        let method = ["GET", "GET", "GET", "HEAD", "POST"][random.usize(..5)];
        *bytes = lawful::answer(random, number, method);
        (0..changes(random)).for_each(|_| mutate(random, bytes));
        if random.u8(..5) < 2 {
            bytes.extend(lawful::stray(random, number));
        }
        let sent = answer(bytes, method.as_bytes());
        // A response that waits for more gets an end.
        let ends = |sent: &Answer| sent.closes || sent.vague || sent.end == End::Cut;
        let closes = sent.as_ref().map_or_else(|end| *end == End::Cut, ends);
        // Bytes after a response cannot be told from the response to the next request.
        let all = sent.as_ref().is_ok_and(|sent| sent.closes || sent.end == End::Whole(bytes.len()));
        let pieces = if all { pieces(random, bytes) } else { vec![&bytes[..]] };
        let pieces = pieces.into_iter().map(<[u8]>::to_vec).collect();
        let door = &mut self.answers;
        door.upstream.play(Script { pieces, closes });
        let heard = self.caller.ask(method, &format!("/a/{number}")).await?;
        let seen = door.upstream.take();
        seen.iter().try_for_each(|seen| judge::is_clean(seen, &door.name))?;
        judge::answer(&sent, &heard)?;
        door.prove(number, false).await
    }

    async fn answer_http2(&mut self, random: &mut Rng, number: u64, bytes: &mut Vec<u8>) -> Verdict {
        let door = &mut self.frames;
        door.upstream.expect(Next::Case(random.u64(..), number));
        let heard = self.framed_caller.ask("GET", &format!("/a/{number}")).await;
        *bytes = door.upstream.raw();
        judge::answer_http2(&door.upstream.sent(), &heard?)?;
        let body = noise(number ^ (1 << 63), 40);
        door.upstream.expect(Next::Probe(body.clone()));
        let mut probe = door.probe.ask("GET", "/probe").await?;
        if probe.code().is_some() {
            // The mutated response may have broken the connection of this request.
            probe = door.probe.ask("GET", "/probe").await?;
        }
        if probe.body == body { Ok(()) } else { Err(format!("a probe was answered with {probe:?}")) }
    }
}

/// Splits a message into writes.
fn pieces<'a>(random: &mut Rng, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while random.u8(..4) == 0 && bytes.len() > 1 {
        let (piece, rest) = bytes.split_at(random.usize(1..bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

impl Door<Upstream> {
    /// Checks that another caller is served. Data that was cut off may still arrive.
    async fn prove(&mut self, number: u64, late: bool) -> Verdict {
        let heard = self.probe.ask("GET", &format!("/probe/{number}")).await?;
        let target = format!("/b/probe/{number}");
        let seen = self.upstream.take();
        seen.iter().try_for_each(|seen| judge::is_clean(seen, &self.name))?;
        let ours = |seen: &Seen| seen.state == State::Whole && seen.request.target == target.as_bytes();
        let serials: Vec<_> = seen.iter().filter(|seen| ours(seen)).map(|seen| seen.serial).collect();
        let [serial] = serials[..] else { return Err(format!("a probe was sent {} times: {heard:?}", serials.len())) };
        if heard.status != 200 || heard.body != said(serial, target.as_bytes()) {
            return Err(format!("a probe was answered with {heard:?}"));
        }
        let more = seen.iter().find(|seen| seen.state == State::Whole && !ours(seen));
        if late || more.is_none() { Ok(()) } else { Err(format!("the upstream saw too late: {more:?}")) }
    }
}
