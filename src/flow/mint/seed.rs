//! The configured refresh token that a grant descends from.

use ring::hmac;

use crate::secret::Secret;

/// An internal capture with a name that no flow can use: which configured refresh token a grant descends from. When the
/// user configures another one, the old chain ends.
pub(super) const SEED: &str = "refresh_token#";

/// A salted hash of a configured refresh token, so that a reader of the store cannot look it up.
pub(super) fn mark_of(seed: &Secret, salt: u128) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salt.to_be_bytes());
    let tag = hmac::sign(&key, seed.expose().as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::new(format!("{salt:032x}{tag}"))
}

pub(super) fn is_of(mark: &Secret, seed: &Secret) -> bool {
    let salt = mark.expose().get(..32).and_then(|salt| u128::from_str_radix(salt, 16).ok());
    salt.is_some_and(|salt| mark_of(seed, salt) == *mark)
}
