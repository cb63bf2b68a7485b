//! Problems in the configuration.

use std::cell::RefCell;
use std::fmt;

/// A position in the configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// The file's name as the user wrote it, or `environment variable X`.
    pub origin: String,
    /// The line in the file, from 1.
    pub line: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// It prevents the start.
    #[default]
    Error,
    /// It works but is probably not intended.
    Warning,
}

/// One problem.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problem {
    pub level: Level,
    pub place: Place,
    /// The dotted key, from the root.
    pub key: String,
    /// What is wrong. Never contains a secret.
    pub message: String,
    pub hint: Option<String>,
}

/// The problems found so far. With interior mutability, so that readers can report while a tree is borrowed.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn add(&self, problem: Problem) {
        let mut all = self.0.borrow_mut();
        if !all.contains(&problem) {
            all.push(problem);
        }
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|problem| problem.level == Level::Error)
    }

    /// All problems, in the order of their positions.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| (&a.place, &a.key, a.level).cmp(&(&b.place, &b.key, b.level)));
        all
    }
}

/// The candidate that a misspelled name most likely means, if one is similar enough.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let normal = |text: &str| text.to_lowercase().replace('-', "_");
    let name = normal(name);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name, &normal(candidate));
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    let near = candidates.into_iter().map(|candidate| (distance(candidate), candidate));
    near.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
