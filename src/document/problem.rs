//! What is wrong with something that people wrote, said so that they can mend it.

use std::cell::RefCell;
use std::fmt;

/// Where something was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// A file's name as the user gave it, or `environment variable X`.
    pub origin: String,
    /// Line of the file, from 1.
    pub line: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Whether it stops the start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// Nothing starts with this.
    #[default]
    Error,
    /// It works, but is probably not what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problem {
    /// Whether it stops the start.
    pub level: Level,
    /// File and line.
    pub place: Place,
    /// The key, dotted, from the top.
    pub key: String,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Everything found so far. Interior, so that a reader can report while a tree is borrowed.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// One more.
    pub fn add(&self, problem: Problem) {
        let mut all = self.0.borrow_mut();
        if !all.contains(&problem) {
            all.push(problem);
        }
    }

    /// Whether one of them stops the start.
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|problem| problem.level == Level::Error)
    }

    /// All, in the order of their places.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| (&a.place, &a.key, a.level).cmp(&(&b.place, &b.key, b.level)));
        all
    }
}

/// The candidate that a misspelt name most likely meant, if one is near enough.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let normal = |text: &str| text.to_lowercase().replace('-', "_");
    let name = normal(name);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name, &normal(candidate));
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    let near = candidates.into_iter().map(|candidate| (distance(candidate), candidate));
    near.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
