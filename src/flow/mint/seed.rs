//! Which given refresh token a grant goes back to.

use ring::hmac;

use crate::secret::Secret;

/// A capture of our own, whose name no flow can write: which given refresh token a grant goes back to. When the user
/// gives another one, the chain of the old one is over.
pub(super) const SEED: &str = "refresh_token#";

/// Tells a given refresh token from others. Salted, so that whoever reads what is stored cannot look it up.
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
