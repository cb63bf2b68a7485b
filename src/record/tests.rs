use super::*;
use std::sync::Arc;

const NO_TIME: Duration = Duration::ZERO;

fn finished<'a>(method: &'a Method, path: &'a str) -> Finished<'a> {
    Finished {
        at: SystemTime::UNIX_EPOCH,
        method,
        path,
        status: 200,
        code: None,
        blame: Blame::None,
        cut: false,
        attempts: 1,
        generation: Some(3),
        whole: Duration::from_millis(7),
        upstream: Some(Duration::from_millis(5)),
        replay: None,
    }
}

#[test]
fn discriminants_index_the_lists_of_words() {
    for (index, blame) in Blame::ALL.into_iter().enumerate() {
        assert_eq!(blame as usize, index);
    }
    for (index, replay) in Replay::ALL.into_iter().enumerate() {
        assert_eq!(replay as usize, index);
    }
}

#[test]
fn a_request_is_counted_once_in_every_respect() {
    let record = UpstreamRecord::new("younium");
    record.started();
    record.started();
    record.finished(&Finished { replay: Some(Replay::Failed), upstream: None, ..finished(&Method::POST, "/a") });
    assert_eq!(record.in_flight(), 1);
    assert_eq!(record.counts(), [RequestCount { method: "POST", status: 200, blame: Blame::None, count: 1 }]);
    assert_eq!(Replay::ALL.map(|outcome| record.replays(outcome)), [0, 0, 0, 0, 1]);
    assert_eq!((record.whole().snapshot().count, record.to_head().snapshot().count), (1, 0));
    assert_eq!(record.journal().after(0).len(), 1);
}

#[test]
fn the_journal_keeps_the_last_two_hundred_of_all_upstreams_in_order() {
    let journal = Arc::new(Journal::default());
    let records = ["one", "two"].map(|name| UpstreamRecord::within(Arc::clone(&journal), name));
    for number in 0..300 {
        records[number % 2].finished(&finished(&Method::GET, &format!("/{number}")));
    }
    let entries = journal.after(0);
    assert_eq!(entries.len(), 200);
    assert_eq!((&*entries[0].path, &*entries[199].path), ("/100", "/299"));
    assert_eq!((&*entries[0].upstream, &*entries[199].upstream), ("one", "two"));
    assert_eq!(journal.after(entries[189].sequence).len(), 10);
}

#[test]
fn a_long_path_is_cut_between_characters() {
    let record = UpstreamRecord::new("younium");
    record.finished(&finished(&Method::GET, &format!("/{}", "ä".repeat(400))));
    let entry = &record.journal().after(0)[0];
    assert_eq!(entry.path.len(), 511);
}

#[test]
fn the_responder_follows_from_the_code() {
    let record = UpstreamRecord::new("younium");
    for (status, code) in [(200, None), (502, None), (502, Some("upstream-dns")), (0, None)] {
        record.finished(&Finished { status, code, ..finished(&Method::GET, "/") });
    }
    let by: Vec<_> = record.journal().after(0).iter().map(JournalEntry::answered_by).collect();
    assert_eq!(by, ["upstream", "upstream", "bearerd", "nobody"]);
}

#[test]
fn token_requests_are_counted_by_kind_and_outcome() {
    let record = TokenRecord::new("younium");
    record.token_request("refresh", "rejected", NO_TIME);
    record.token_request("refresh", "rejected", NO_TIME);
    record.token_request("dance", "ok", NO_TIME);
    let counted: Vec<_> = record.token_requests().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(counted, [("refresh", "rejected", 2)]);
    assert_eq!(record.token_requests().count(), 18);
    assert_eq!(record.duration().snapshot().count, 3);
}
