//! Actors that break rules on purpose, to show that each rule can fail.

/// A way to break a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// The flow makes a second request in parallel.
    AsksTwice,
    /// The store releases a lease as soon as it is granted.
    GivesLeaseBack,
    /// The store does not save marks but reports success.
    StoreForgetsMarks,
    /// The store's log lacks marks.
    HidesMarks,
    /// The flow always logs in.
    LogsInAlways,
    /// The flow repeats requests by itself.
    Insists,
    /// The data path mixes up users.
    MixesSubjects,
    /// Readers see no token while its renewal fails.
    LosesToken,
    /// The store's log lacks saves.
    HidesSaves,
    /// The data path revokes the token it uses.
    RevokesInUse,
    /// A request without a token gets its answer late.
    AnswersLate,
    /// A request is repeated with the rejected token.
    RepeatsTheSame,
    /// A resumed process drops what arrived meanwhile.
    ThrowsRepliesAway,
    /// Attempts wait for a lease without a limit.
    StandsInLine,
    /// The endpoint never recovers from its first fault.
    StaysBroken,
}
