//! Actors that break the rules on purpose: each shows that an invariant can fail.

/// A way to break the rules, and whose rule it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// The flow makes a second request beside the first.
    AsksTwice,
    /// The store gives its lease back as soon as it was given.
    GivesLeaseBack,
    /// The store does not keep that a refresh token was sent, and says that it does.
    StoreForgetsMarks,
    /// The log of the store lacks marks.
    HidesMarks,
    /// The flow logs in whatever it was asked to do.
    LogsInAlways,
    /// The flow asks again and again by itself.
    Insists,
    /// The data path mixes its users up.
    MixesSubjects,
    /// Readers do not see a token while its renewal fails.
    LosesToken,
    /// The store's log lacks what was saved.
    HidesSaves,
    /// The data path revokes the token it uses.
    RevokesInUse,
    /// Whoever gets no token hears of it late.
    AnswersLate,
    /// A request is repeated with the token that was rejected.
    RepeatsTheSame,
    /// Whoever stood still throws away what arrived meanwhile.
    ThrowsRepliesAway,
    /// Whoever needs a lease waits for it as long as may be.
    StandsInLine,
    /// The endpoint never works again after its first fault.
    StaysBroken,
}
