//! What tells tokens apart: in memory everything that makes one, in a store nothing secret.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::secret::Secret;

/// Whose token: a value that matched its flow's pattern. There is no other way to one, so no subject can smuggle a
/// line break into a header.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// The subject's name, as the token endpoint knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A held subject is found by its name, with no copy of it made. Hash and order are those of the text.
impl Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A user's name is personal: it stays out of logs that nobody asked for.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

/// Which names may be subjects.
#[derive(Clone, Debug)]
pub struct SubjectPattern(regex_lite::Regex);

impl SubjectPattern {
    /// A pattern that the whole name must match.
    pub fn new(pattern: &str) -> Result<Self, regex_lite::Error> {
        regex_lite::Regex::new(&format!("^(?:{pattern})$")).map(Self)
    }

    /// The name as a subject, if it matches and has no control character.
    pub fn subject(&self, name: &str) -> Option<Subject> {
        let clean = !name.chars().any(char::is_control);
        (clean && self.0.is_match(name)).then(|| Subject(name.into()))
    }
}

/// Who a request is made for.
#[derive(Clone, Debug)]
pub struct SubjectRule {
    /// The inbound header that names the subject; never forwarded.
    pub header: HeaderName,
    /// What a subject looks like.
    pub pattern: SubjectPattern,
    /// Whose token a request without that header gets; without one it is refused.
    pub default: Option<Subject>,
    /// A subject's token is dropped when unused for this long.
    pub idle: Duration,
    /// The most subjects held at a time.
    pub max: usize,
}

/// Digest of all that makes a token, credentials included: equal recipes give interchangeable tokens. Lives in memory
/// only, because a digest of a guessable secret is an oracle for it. 128 bits of SHA-256: each of very many subjects has
/// its recipe, and two that are equal by chance would take 2^64 of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipe([u8; 16]);

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipe(…)")
    }
}

/// Collects what makes a token into its [`Recipe`].
pub struct RecipeWriter(ring::digest::Context);

impl Default for RecipeWriter {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl RecipeWriter {
    /// One more part. Its length goes in too, so `("ab", "c")` and `("a", "bc")` differ.
    pub fn part(&mut self, name: &str, value: &[u8]) -> &mut Self {
        for bytes in [name.as_bytes(), value] {
            self.0.update(&bytes.len().to_le_bytes());
            self.0.update(bytes);
        }
        self
    }

    /// One more part that is a secret.
    pub fn secret(&mut self, name: &str, value: &Secret) -> &mut Self {
        self.part(name, value.expose().as_bytes())
    }

    /// The digest of all parts so far.
    pub fn finish(self) -> Recipe {
        let mut digest = [0; 16];
        let whole = self.0.finish();
        digest.iter_mut().zip(whole.as_ref()).for_each(|(byte, of_whole)| *byte = *of_whole);
        Recipe(digest)
    }
}

/// A token's identity in memory. A changed secret or token URL never meets an old token.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TokenKey {
    /// Everything that makes it.
    pub recipe: Recipe,
    /// Whose it is, in flows with a token per user.
    pub subject: Option<Subject>,
}

/// A token's name in a store: flow, variables that are not secret, subject. A changed secret finds its stored token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreKey(Arc<str>);

impl StoreKey {
    /// The name made of these parts; each is quoted, so that no two lists of parts give one name.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let quoted: Vec<_> = parts.into_iter().map(|part| format!("{part:?}")).collect();
        Self(quoted.join(" ").into())
    }

    /// The same name with a subject.
    pub fn with_subject(&self, subject: &Subject) -> Self {
        Self(format!("{} {:?}", self.0, subject.as_str()).into())
    }

    /// The same name, told apart by a number: in memory two accounts may differ in nothing but their secrets.
    pub fn numbered(&self, number: usize) -> Self {
        Self(format!("{} #{number}", self.0).into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, short and fit for a file or a key: readable, and different for every name. There is no secret in a name
    /// that its digest could tell.
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
    fn recipes_tell_every_part_apart() {
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
