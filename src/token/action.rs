//! What an operator should do when there is no token.

/// The same word in `/status` and in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Nothing: the problem is expected to pass without the operator.
    Wait,
    /// The configuration is wrong, or something that it names: a path, an owner, a key, a locator.
    FixConfiguration,
    /// The token endpoint refuses the secret.
    ReplaceSecret,
    /// The refresh token is lost, and only a person can authorize again.
    AuthorizeAgain,
}

impl Action {
    pub const ALL: [Self; 4] = [Self::Wait, Self::FixConfiguration, Self::ReplaceSecret, Self::AuthorizeAgain];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::FixConfiguration => "fix_configuration",
            Self::ReplaceSecret => "replace_secret",
            Self::AuthorizeAgain => "authorize_again",
        }
    }
}
