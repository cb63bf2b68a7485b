//! Files that are watched for changes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::going_to;

/// The files that something was read from, and those that would have been preferred, each with its state just before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inputs(Vec<(PathBuf, Option<Stamp>)>);

/// The state of the files: resolved path, inode, change time, size. A replaced link, such as when Kubernetes updates a
/// mounted secret, differs even if size and time are equal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint(Vec<Option<Stamp>>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Stamp {
    resolved: PathBuf,
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Inputs {
    /// Call it before the file is read, so that a change in between is noticed later. Accesses the disk.
    pub fn add(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        if !self.0.iter().any(|(known, _)| *known == path) {
            let stamp = stamp(&path);
            self.0.push((path, stamp));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<&Path> {
        self.0.iter().map(|(path, _)| path.as_path()).collect()
    }

    /// Their state when they were added.
    pub fn before(&self) -> Fingerprint {
        Fingerprint(self.0.iter().map(|(_, stamp)| stamp.clone()).collect())
    }

    /// Their current state. Accesses the disk.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.0.iter().map(|(path, _)| stamp(path)).collect())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    going_to(path);
    let resolved = path.canonicalize().ok()?;
    let metadata = resolved.metadata().ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        size: metadata.len(),
        resolved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_link_a_new_file_and_a_lost_one_each_change_the_fingerprint() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("one"), "same").unwrap();
        std::fs::write(at("two"), "same").unwrap();
        std::os::unix::fs::symlink(at("one"), at("link")).unwrap();
        let mut inputs = Inputs::default();
        inputs.add(at("link"));
        inputs.add(at("later"));
        inputs.add(at("link"));
        assert_eq!(inputs.paths().len(), 2);
        let before = inputs.fingerprint();
        assert_eq!(inputs.fingerprint(), before);
        std::os::unix::fs::symlink(at("two"), at("next")).unwrap();
        std::fs::rename(at("next"), at("link")).unwrap();
        let swapped = inputs.fingerprint();
        assert_ne!(swapped, before);
        std::fs::write(at("later"), "x").unwrap();
        let appeared = inputs.fingerprint();
        assert_ne!(appeared, swapped);
        std::fs::remove_file(at("link")).unwrap();
        assert_ne!(inputs.fingerprint(), appeared);
        assert_eq!(inputs.before(), before);
    }
}
