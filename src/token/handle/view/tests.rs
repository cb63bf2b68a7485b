use super::*;
use crate::secret::Secret;
use crate::token::grant::Life;
use crate::token::handle::shared::Shared;
use crate::token::handle::waiter::Waiter;

fn at(seconds: u64) -> Moment {
    Moment::from_start(Duration::from_secs(seconds))
}

/// Usable from 1,000 to 1,098 s.
fn token() -> Option<Arc<Token>> {
    Some(Arc::new(Token {
        generation: Generation(7),
        subject: None,
        access: Secret::new("t"),
        captures: Default::default(),
        issued: at(1000),
        life: Life::Until(at(1100)),
    }))
}

fn trouble(refused: bool) -> Option<Trouble> {
    Some(Trouble { refused, action: Action::Wait, message: "it".into(), at: SystemTime::UNIX_EPOCH })
}

fn view(token: Option<Arc<Token>>, trouble: Option<Trouble>) -> View {
    View { token, trouble, ..View::default() }
}

#[test]
fn the_state_is_made_of_token_and_trouble() {
    use State::{Degraded, Expired, Fresh, Rejected, Starting};
    let (before, after) = (at(1050), at(1099));
    for (now, token, trouble, state, is_well) in [
        (before, token(), None, Fresh, true),
        (before, token(), trouble(true), Degraded, false),
        (before, None, None, Starting, false),
        (after, token(), None, Expired, false),
        (after, token(), trouble(false), Expired, false),
        (after, token(), trouble(true), Rejected, false),
        (before, None, trouble(false), Expired, false),
        (before, None, trouble(true), Rejected, false),
    ] {
        let view = view(token, trouble);
        assert_eq!((view.state(now), view.is_well(now)), (state, is_well), "{view:?}");
    }
}

#[test]
fn without_a_token_the_reason_and_retry_after_are_returned() {
    let at_once = Duration::from_secs(1);
    let due = |trouble, next, running| View { next, running, ..view(None, trouble) }.no_token(at(1000));
    assert_eq!(due(None, None, true), NoToken::Pending { retry_after: at_once });
    assert_eq!(due(trouble(false), Some(at(1030)), false), NoToken::Failing { retry_after: Duration::from_secs(30) });
    assert_eq!(due(trouble(true), Some(at(1060)), false), NoToken::Rejected { retry_after: Duration::from_secs(60) });
    assert_eq!(due(trouble(true), Some(at(1060)), true), NoToken::Rejected { retry_after: at_once });
    assert_eq!(due(trouble(false), Some(at(900)), false), NoToken::Failing { retry_after: at_once });
}

#[test]
fn a_request_waits_for_an_attempt_that_runs_or_is_due_in_time() {
    let availability = |next, running| {
        let view = View { next, running, ..view(None, trouble(false)) };
        view.availability(at(1000), at(1010))
    };
    assert_eq!(availability(Some(at(2000)), true), Availability::Wait);
    assert_eq!(availability(Some(at(1010)), false), Availability::Wait);
    assert_eq!(availability(Some(at(1000)), false), Availability::Ask);
    assert_eq!(availability(None, false), Availability::Ask);
    assert!(matches!(availability(Some(at(1011)), false), Availability::Answer(Err(NoToken::Failing { .. }))));
    let usable = View { running: true, ..view(token(), None) };
    assert_eq!(usable.availability(at(1000), at(1010)), Availability::Answer(Ok(token().unwrap())));
}

#[test]
fn after_a_rejection_a_request_waits_for_another_token_within_the_bounds() {
    let successor = |rejected, next, forcing, forced_from, running| {
        let view = View { next, forcing, forced_from, running, ..view(token(), None) };
        view.successor(Generation(rejected), at(1000), at(1010))
    };
    assert_eq!(successor(6, None, false, None, false), Availability::Answer(token()), "a later one is there");
    assert_eq!(successor(7, None, false, None, true), Availability::Wait);
    assert_eq!(successor(7, None, false, None, false), Availability::Ask);
    assert_eq!(successor(7, None, false, Some(at(1000)), false), Availability::Ask, "free again");
    assert_eq!(successor(7, None, false, Some(at(1001)), false), Availability::Answer(None));
    assert_eq!(successor(7, Some(at(1000)), true, None, false), Availability::Ask, "ordered, and due");
    assert_eq!(successor(7, Some(at(1010)), true, None, false), Availability::Wait);
    assert_eq!(successor(7, Some(at(1011)), true, None, false), Availability::Answer(None));
    assert_eq!(
        successor(7, Some(at(1005)), false, None, false),
        Availability::Ask,
        "the planned renewal is another matter"
    );
}

#[test]
fn a_waiter_that_gave_up_is_forgotten() {
    let (words, _) = tokio::sync::mpsc::unbounded_channel();
    let clock = Arc::new(crate::clock::SystemClock);
    let shared = Shared::new(crate::token::handle::shared::KeeperId(1), words, clock);
    let view = View { running: true, ..View::default() };
    for leaves in [false, true] {
        let (usable, asked) = tokio::sync::oneshot::channel();
        let (successor, asked_too) = tokio::sync::oneshot::channel();
        let stays = (!leaves).then_some((asked, asked_too));
        let patience = at(1010);
        let waiters = [
            Waiter::Usable { patience, answer: usable },
            Waiter::Successor { rejected: Generation(7), patience, answer: successor },
        ];
        for waiter in waiters {
            assert_eq!(shared.answer(&view, waiter, at(1000)).is_none(), leaves);
        }
        drop(stays);
    }
}
