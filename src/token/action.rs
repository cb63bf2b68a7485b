//! What a person should do about a token that does not come.

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
}
