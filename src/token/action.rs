//! What a person should do about a token that does not come.

use super::source::{MintError, Outcome};
use super::store::StoreFault;

/// The same word in `/status`, in the log and on the dashboard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Nothing: it mends itself, or others have to mend it.
    Wait,
    /// Something is wrong with the configuration, or with what it names: a path, an owner, a key, a locator.
    FixConfiguration,
    /// The secret is not accepted.
    ReplaceSecret,
    /// The refresh token is lost, and only a person can get another.
    AuthorizeAgain,
}

impl Action {
    /// Every word.
    pub const ALL: [Self; 4] = [Self::Wait, Self::FixConfiguration, Self::ReplaceSecret, Self::AuthorizeAgain];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::FixConfiguration => "fix_configuration",
            Self::ReplaceSecret => "replace_secret",
            Self::AuthorizeAgain => "authorize_again",
        }
    }

    /// After a request that gave no token. `can_login`: the flow can do without its refresh token. `worked`: there was
    /// a token before, so that a strange reply is the server's, and passes.
    pub(super) fn after(error: &MintError, can_login: bool, worked: bool) -> Self {
        match error.outcome {
            Outcome::Rejected if error.grant_is_dead && !can_login => Self::AuthorizeAgain,
            Outcome::Rejected => error.action.unwrap_or(Self::ReplaceSecret),
            Outcome::Status | Outcome::BadReply if worked => Self::Wait,
            Outcome::BadReply => error.action.unwrap_or(Self::FixConfiguration),
            Outcome::Status => error.action.unwrap_or(Self::Wait),
            Outcome::Ok | Outcome::Timeout | Outcome::Connect => Self::Wait,
        }
    }

    /// After a fault of the store that keeps a refresh token from being sent.
    pub(super) const fn after_fault(fault: StoreFault, can_login: bool) -> Self {
        match fault {
            StoreFault::Away | StoreFault::Failed | StoreFault::Held => Self::Wait,
            StoreFault::Damaged if !can_login => Self::AuthorizeAgain,
            StoreFault::Damaged | StoreFault::Misconfigured => Self::FixConfiguration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::fake::error;

    #[test]
    fn who_is_refused_replaces_the_secret_or_authorizes_again() {
        let dead = MintError { grant_is_dead: true, ..error(Outcome::Rejected) };
        assert_eq!(Action::after(&dead, false, true), Action::AuthorizeAgain);
        assert_eq!(Action::after(&dead, true, true), Action::ReplaceSecret);
        assert_eq!(Action::after(&error(Outcome::Rejected), false, true), Action::ReplaceSecret);
        let scope = MintError { action: Some(Action::FixConfiguration), ..error(Outcome::Rejected) };
        assert_eq!(Action::after(&scope, true, true), Action::FixConfiguration);
    }

    #[test]
    fn a_reply_without_a_token_is_a_wrong_configuration_until_there_was_one() {
        assert_eq!(Action::after(&error(Outcome::BadReply), true, false), Action::FixConfiguration);
        assert_eq!(Action::after(&error(Outcome::BadReply), true, true), Action::Wait);
        let moved = MintError { action: Some(Action::FixConfiguration), ..error(Outcome::Status) };
        assert_eq!(Action::after(&moved, true, false), Action::FixConfiguration);
        assert_eq!(Action::after(&moved, true, true), Action::Wait);
        for outcome in [Outcome::Status, Outcome::Timeout, Outcome::Connect] {
            assert_eq!(Action::after(&error(outcome), false, false), Action::Wait, "{outcome:?}");
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
            assert_eq!((Action::after_fault(fault, true), Action::after_fault(fault, false)), (with_login, without));
        }
    }
}
