//! What identifies a token: in memory everything that makes it, in a store nothing secret.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::secret::Secret;

/// The user of a token: a value that matched its flow's pattern. It cannot be created in another way, so no subject can
/// smuggle a line break into a header.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lets a map find a subject by `&str`, without a copy. Hash and order are those of the text.
impl Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A user's name is personal data, so it stays out of logs.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

/// The pattern of valid subjects.
#[derive(Clone, Debug)]
pub struct SubjectPattern(regex_lite::Regex);

impl SubjectPattern {
    /// Compiles a pattern that must match the whole name.
    pub fn new(pattern: &str) -> Result<Self, regex_lite::Error> {
        regex_lite::Regex::new(&format!("^(?:{pattern})$")).map(Self)
    }

    /// The name as a subject, if it matches and has no control character.
    pub fn subject(&self, name: &str) -> Option<Subject> {
        let clean = !name.chars().any(char::is_control);
        (clean && self.0.is_match(name)).then(|| Subject(name.into()))
    }
}

/// How a request names its subject.
#[derive(Clone, Debug)]
pub struct SubjectRule {
    /// The request header that names the subject; it is never forwarded.
    pub header: HeaderName,
    /// The pattern of valid subjects.
    pub pattern: SubjectPattern,
    /// The subject of requests without that header; `None`: they are refused.
    pub default: Option<Subject>,
    /// A subject's token is dropped after this time without use.
    pub idle: Duration,
    /// The maximum number of subjects in memory.
    pub max: usize,
}

/// Digest of everything that makes a token, credentials included: equal recipes give interchangeable tokens. It stays
/// in memory, because the digest of a guessable secret is an oracle for it. 128 bits of SHA-256 suffice: an accidental
/// collision takes some 2^64 recipes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipe([u8; 16]);

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipe(…)")
    }
}

/// Builds a [`Recipe`].
pub struct RecipeWriter(ring::digest::Context);

impl Default for RecipeWriter {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl RecipeWriter {
    /// Adds a part. Its length is hashed too, so that `("ab", "c")` and `("a", "bc")` differ.
    pub fn part(&mut self, name: &str, value: &[u8]) -> &mut Self {
        for bytes in [name.as_bytes(), value] {
            self.0.update(&bytes.len().to_le_bytes());
            self.0.update(bytes);
        }
        self
    }

    /// Adds a part that is a secret.
    pub fn secret(&mut self, name: &str, value: &Secret) -> &mut Self {
        self.part(name, value.expose().as_bytes())
    }

    pub fn finish(self) -> Recipe {
        let mut digest = [0; 16];
        let whole = self.0.finish();
        digest.iter_mut().zip(whole.as_ref()).for_each(|(byte, of_whole)| *byte = *of_whole);
        Recipe(digest)
    }
}

/// A token's identity in memory. With a changed secret or token URL, it is a different token.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TokenKey {
    pub recipe: Recipe,
    /// The user, in flows with a token per user.
    pub subject: Option<Subject>,
}

/// A token's name in a store: flow, non-secret variables, subject. With a changed secret, the stored token is still
/// found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreKey(Arc<str>);

impl StoreKey {
    /// Builds a name. Each part is quoted, so that different lists of parts give different names.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let quoted: Vec<_> = parts.into_iter().map(|part| format!("{part:?}")).collect();
        Self(quoted.join(" ").into())
    }

    pub fn with_subject(&self, subject: &Subject) -> Self {
        Self(format!("{} {:?}", self.0, subject.as_str()).into())
    }

    /// The same name with a number, for the memory store: two accounts may differ only in their secrets.
    pub fn numbered(&self, number: usize) -> Self {
        Self(format!("{} #{number}", self.0).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A short unique form of the name for file names and keys. Names contain no secret, so its digest reveals none.
    pub fn stem(&self) -> String {
        let flow = self.0.chars().skip(1).take_while(|c| c.is_ascii_alphanumeric() || *c == '-').take(40);
        let digest = ring::digest::digest(&ring::digest::SHA256, self.0.as_bytes());
        let digest = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}"));
        flow.chain(['-']).collect::<String>() + &digest.collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_matches_its_pattern_whole_and_has_no_line_break() {
        let pattern = SubjectPattern::new(r"\S{3,150}|x").unwrap();
        assert_eq!(pattern.subject("anna").unwrap().as_str(), "anna");
        for wrong in ["an", "anna b", "anna\r\nx-evil: 1", "xx", "", "a\u{0}bc"] {
            assert!(pattern.subject(wrong).is_none(), "{wrong:?}");
        }
        assert!(SubjectPattern::new("(").is_err());
    }

    #[test]
    fn recipes_distinguish_every_part() {
        let recipe = |parts: &[(&str, &str)]| {
            let mut writer = RecipeWriter::default();
            for (name, value) in parts {
                writer.part(name, value.as_bytes());
            }
            writer.finish()
        };
        assert_eq!(recipe(&[("a", "b")]), recipe(&[("a", "b")]));
        assert_ne!(recipe(&[("ab", "c")]), recipe(&[("a", "bc")]));
        assert_ne!(recipe(&[("a", ""), ("b", "")]), recipe(&[("a", "b")]));
    }

    #[test]
    fn store_names_cannot_be_confused() {
        assert_ne!(StoreKey::new(["a b"]), StoreKey::new(["a", "b"]));
        assert_ne!(StoreKey::new(["a\" \"b"]), StoreKey::new(["a", "b"]));
        assert_ne!(StoreKey::new(["a"]).numbered(0), StoreKey::new(["a"]).numbered(1));
        assert_ne!(StoreKey::new(["a"]).numbered(0), StoreKey::new(["a #0"]));
    }

    #[test]
    fn debug_hides_subject_and_recipe() {
        let subject = SubjectPattern::new(".*").unwrap().subject("anna");
        let key = TokenKey { recipe: RecipeWriter::default().finish(), subject };
        assert!(!format!("{key:?}").contains("anna"));
    }
}
