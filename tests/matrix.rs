//! Each combination of caller, upstream, request and response is played twice, directly and through the real binary.
//! Both must arrive the same, except for the differences that `matrix/rules.rs` lists. One row per combination.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::disallowed_methods)]
#![allow(unreachable_pub)]

#[path = "matrix/caller.rs"]
mod caller;
#[path = "matrix/http1.rs"]
mod http1;
#[path = "matrix/http2.rs"]
mod http2;
#[path = "matrix/message.rs"]
mod message;
#[path = "matrix/rules.rs"]
mod rules;
#[path = "matrix/shapes.rs"]
mod shapes;
mod support;
#[path = "matrix/upstream.rs"]
mod upstream;

use std::collections::{BTreeMap, BTreeSet};

use caller::{Calls, call};
use message::{Draft, Framing, Message};
use rules::{Case, OF_ANSWERS, OF_REQUESTS, Way, differences};
use shapes::{Asks, Says};
use support::Bearerd;
use upstream::{BASE, Speaks, Upstream};

/// A combination.
#[derive(Clone, Copy)]
struct Row {
    way: Way,
    asks: Asks,
    says: Says,
}

impl Row {
    fn all(speaks: Speaks) -> impl Iterator<Item = Self> {
        let ways = [Calls::Http10, Calls::Http1, Calls::Http2].map(|calls| Way { calls, speaks });
        let asked = ways.into_iter().flat_map(|way| Asks::ALL.map(|asks| (way, asks)));
        let only = only();
        let rows = asked.flat_map(|(way, asks)| Says::ALL.map(|says| Self { way, asks, says }));
        rows.filter(move |row| row.is_possible() && row.name().contains(&only))
    }

    /// Some things do not exist in every protocol, and an early response needs a body to be early for.
    fn is_possible(&self) -> bool {
        let body = self.asks.draft();
        let expecting = self.asks == Asks::PostExpecting;
        let early = self.says == Says::Early && (body.message.body.is_empty() || expecting);
        // Slow requests are combined only with what matters to them.
        let slow = self.asks == Asks::PropfindLittleByLittle
            && !matches!(self.says, Says::Small | Says::LittleByLittle | Says::ExpiredOnce | Says::ExpiredAlways);
        match self.way.calls {
            _ if slow => false,
            Calls::Http10 => !early && !expecting && !matches!(body.framing, Framing::Chunked(_)),
            Calls::Http1 => !early,
            Calls::Http2 => !early && !expecting,
        }
    }

    fn name(&self) -> String {
        let Way { calls, speaks } = self.way;
        format!("{calls:?} to {speaks:?}: {:?}, {:?}", self.asks, self.says)
    }

    fn draft(&self, made: &str) -> Draft {
        let mut draft = self.asks.draft();
        let row = format!("{made} {}", self.name());
        draft.message = draft.message.with(&[("X-Row", &row), ("X-Says", &format!("{:?}", self.says))]);
        draft
    }

    /// Its upstream. Each has a token of its own, because a row may replace it.
    fn door(&self) -> String {
        let Way { calls, speaks } = self.way;
        format!("{calls:?}-{speaks:?}-{:?}", self.asks).to_ascii_lowercase()
    }
}

/// `BEARERD_ROWS="Http1 to Http2"` plays only rows whose name contains that.
fn only() -> String {
    std::env::var("BEARERD_ROWS").unwrap_or_default()
}

/// The result of a call: the response, and each delivery.
struct Made {
    answer: Message,
    deliveries: Vec<Message>,
}

async fn make(row: &Row, made: &str, port: u16, upstream: &Upstream) -> Made {
    let (answer, _open) = call(row.way.calls, port, &row.draft(made)).await;
    let name = format!("{made} {}", row.name());
    if row.says == Says::Early {
        support::eventually("all of the body arrives", || async { !upstream.seen(&name).is_empty() }).await;
    }
    let mut deliveries = upstream.seen(&name);
    deliveries.iter_mut().for_each(|delivery| drop(delivery.take("x-row")));
    Made { answer, deliveries }
}

/// The configuration: an upstream for each way and request.
fn configuration(upstreams: &BTreeMap<Speaks, Upstream>) -> String {
    let mut doors = BTreeMap::new();
    for (speaks, upstream) in upstreams {
        for row in Row::all(*speaks) {
            let scheme = if speaks.is_secure() { "https" } else { "http" };
            let protocol = if *speaks == Speaks::Http2 { "http2" } else { "auto" };
            let (port, tokens) = (upstream.port, upstreams[&Speaks::Http1].port);
            let ca = upstream::certificate();
            doors.entry(row.door()).or_insert_with_key(|name| {
                format!(
                    "[upstream.{name}]\nlisten = \"127.0.0.1:0\"\nflow = \"oauth2\"\nurl = \"{scheme}://127.0.0.1:{port}{BASE}\"\n\
                     protocol = \"{protocol}\"\ntls = {{ ca = {ca:?}, server_name = \"localhost\" }}\n\
                     [upstream.{name}.with]\ntoken_url = \"http://127.0.0.1:{tokens}/token\"\nclient_id = \"matrix\"\n\
                     client_secret = \"matrix\"\nscope = \"{name}\"\n"
                )
            });
        }
    }
    doors.into_values().chain(["[log]\naccess = \"off\"\n".to_owned()]).collect()
}

/// Plays a row and returns what is wrong.
async fn judge(row: Row, bearerd: &Bearerd, through: &Upstream, straight: &Upstream) -> Vec<String> {
    let port = bearerd.address(&row.door()).port();
    let case = Case { way: row.way, door: port, upstream: through.port, straight: straight.port };
    let mut made = make(&row, "through", port, through).await;
    let mut plain = make(&row, "straight", straight.port, straight).await;
    let repeats = matches!(row.says, Says::ExpiredOnce | Says::ExpiredAlways) && row.asks.is_kept();
    if row.says == Says::ExpiredOnce && repeats {
        // A direct caller must repeat by itself.
        plain = make(&row, "straight", straight.port, straight).await;
    }
    let expected = plain.deliveries.last().expect("a delivery");
    let mut wrong = differences(OF_ANSWERS, &case, &plain.answer, &made.answer);
    let tokens: Vec<_> = made.deliveries.iter_mut().map(|delivery| delivery.take("authorization")).collect();
    for delivery in &made.deliveries {
        wrong
            .extend(differences(OF_REQUESTS, &case, expected, delivery).into_iter().map(|it| format!("request: {it}")));
    }
    let fresh = tokens.iter().all(|lines| matches!(&lines[..], [line] if line.starts_with("Bearer token-")));
    if !fresh || tokens.len() != 1 + usize::from(repeats) || (repeats && tokens[0] == tokens[1]) {
        wrong.push(format!("tokens of the deliveries: {tokens:?}"));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_through_bearerd_arrive_like_direct_calls() {
    let mut upstreams = BTreeMap::new();
    for speaks in Speaks::ALL {
        upstreams.insert(speaks, Upstream::start(speaks).await);
    }
    let bearerd = Bearerd::start(configuration(&upstreams)).await;
    bearerd.ready().await;
    let (mut rows, mut wrong) = (0, Vec::new());
    for speaks in Speaks::ALL {
        for row in Row::all(speaks) {
            let straight = if row.way.calls == Calls::Http2 { Speaks::Http2 } else { Speaks::Http1 };
            let found = judge(row, &bearerd, &upstreams[&speaks], &upstreams[&straight]).await;
            wrong.extend(found.into_iter().map(|it| format!("{}\n    {it}", row.name())));
            rows += 1;
        }
    }
    drop(bearerd);
    assert!(rows > 300 || !only().is_empty(), "{rows} rows");
    assert!(wrong.is_empty(), "\n{} differences in {rows} rows\n{}", wrong.len(), told(&wrong));
}

/// The first differences.
fn told(wrong: &[String]) -> String {
    let allowed = OF_REQUESTS.iter().chain(OF_ANSWERS).map(|rule| format!("    {} ({})", rule.why, rule.section));
    let allowed = allowed.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n");
    format!("{}\nallowed is only:\n{allowed}\n", wrong[..wrong.len().min(20)].join("\n"))
}
