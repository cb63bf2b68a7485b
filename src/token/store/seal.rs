//! Encryption of stored grants: whoever reads the disk or Redis learns no token, and whoever writes there cannot pass
//! one token off as another.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// AES-256-GCM with a random nonce in front of the ciphertext. One key is safe for some 2³² messages.
pub(super) struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Seal {
    /// Derives the key from a secret (HKDF, RFC 5869). This is no password hash: the secret must be long and random.
    pub(super) fn new(secret: &Secret) -> Option<Self> {
        let source = Salt::new(HKDF_SHA256, b"bearerd store").extract(secret.expose().as_bytes());
        let key = source.expand(&[b"seal 1"], &AES_256_GCM).ok().map(UnboundKey::from)?;
        Some(Self { key: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// Encrypts the text and binds it to this name. `None` if the system has no random numbers.
    pub(super) fn seal(&self, name: &str, text: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut body = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(AES_256_GCM.tag_len())));
        body.extend_from_slice(text);
        let aad = Aad::from(name.as_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut *body).ok()?;
        Some([&nonce, body.as_slice()].concat())
    }

    /// Decrypts. `None` if the key or the name differs, or the text was modified.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: &str) -> Seal {
        Seal::new(&Secret::new(key)).unwrap()
    }

    #[test]
    fn a_sealed_text_opens_only_with_its_key_and_name() {
        let sealed = seal("key").seal("name", b"text").unwrap();
        assert_eq!(seal("key").open("name", &sealed).unwrap().as_slice(), b"text");
        assert!(seal("other").open("name", &sealed).is_none());
        assert!(seal("key").open("other", &sealed).is_none());
    }

    #[test]
    fn every_changed_or_missing_byte_shows() {
        let sealed = seal("key").seal("name", b"text").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal("key").open("name", &changed).is_none(), "{at}");
            assert!(seal("key").open("name", &sealed[..at]).is_none(), "{at}");
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same_and_never_shows() {
        let (one, two) = (seal("key").seal("name", b"a-token").unwrap(), seal("key").seal("name", b"a-token").unwrap());
        assert_ne!(one, two);
        assert!(!one.windows(7).any(|window| window == b"a-token"));
    }
}
