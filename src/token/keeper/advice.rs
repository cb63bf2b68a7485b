//! What the operator should do when there is no token.

use crate::token::action::Action;
use crate::token::source::{MintError, Outcome};
use crate::token::store::StoreFault;

/// The action after a failed token request. `can_login`: the flow can log in without a refresh token. `worked`: there
/// was a token before, so an invalid reply is a temporary fault of the server.
pub(super) fn after_error(error: &MintError, can_login: bool, worked: bool) -> Action {
    match error.outcome {
        Outcome::Rejected if error.grant_is_dead && !can_login => Action::AuthorizeAgain,
        Outcome::Rejected => error.action.unwrap_or(Action::ReplaceSecret),
        Outcome::Status | Outcome::BadReply if worked => Action::Wait,
        Outcome::BadReply => error.action.unwrap_or(Action::FixConfiguration),
        Outcome::Status => error.action.unwrap_or(Action::Wait),
        Outcome::Ok | Outcome::Timeout | Outcome::Connect => Action::Wait,
    }
}

/// The action after a store fault that prevents sending a refresh token.
pub(super) const fn after_fault(fault: StoreFault, can_login: bool) -> Action {
    match fault {
        StoreFault::Away | StoreFault::Failed | StoreFault::Held => Action::Wait,
        StoreFault::Damaged if !can_login => Action::AuthorizeAgain,
        StoreFault::Damaged | StoreFault::Misconfigured => Action::FixConfiguration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::fake::error;

    #[test]
    fn refused_credentials_advise_to_replace_the_secret_or_authorize_again() {
        let dead = MintError { grant_is_dead: true, ..error(Outcome::Rejected) };
        assert_eq!(after_error(&dead, false, true), Action::AuthorizeAgain);
        assert_eq!(after_error(&dead, true, true), Action::ReplaceSecret);
        assert_eq!(after_error(&error(Outcome::Rejected), false, true), Action::ReplaceSecret);
        let scope = MintError { action: Some(Action::FixConfiguration), ..error(Outcome::Rejected) };
        assert_eq!(after_error(&scope, true, true), Action::FixConfiguration);
    }

    #[test]
    fn a_reply_without_a_token_means_a_wrong_configuration_before_the_first_token() {
        assert_eq!(after_error(&error(Outcome::BadReply), true, false), Action::FixConfiguration);
        assert_eq!(after_error(&error(Outcome::BadReply), true, true), Action::Wait);
        let moved = MintError { action: Some(Action::FixConfiguration), ..error(Outcome::Status) };
        assert_eq!(after_error(&moved, true, false), Action::FixConfiguration);
        assert_eq!(after_error(&moved, true, true), Action::Wait);
        for outcome in [Outcome::Status, Outcome::Timeout, Outcome::Connect] {
            assert_eq!(after_error(&error(outcome), false, false), Action::Wait, "{outcome:?}");
        }
    }

    #[test]
    fn only_what_cannot_be_read_any_more_and_held_the_only_refresh_token_asks_for_a_new_one() {
        for (fault, with_login, without) in [
            (StoreFault::Away, Action::Wait, Action::Wait),
            (StoreFault::Failed, Action::Wait, Action::Wait),
            (StoreFault::Held, Action::Wait, Action::Wait),
            (StoreFault::Damaged, Action::FixConfiguration, Action::AuthorizeAgain),
            (StoreFault::Misconfigured, Action::FixConfiguration, Action::FixConfiguration),
        ] {
            assert_eq!((after_fault(fault, true), after_fault(fault, false)), (with_login, without));
        }
    }
}
