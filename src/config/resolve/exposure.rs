//! Warnings about files and directories that other users can access.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use crate::document::{Node, Problems};

/// Mounts of container runtimes: world-readable, but without other users.
const MOUNTS: &[&str] = &["/run/secrets", "/var/run/secrets"];

/// A file's owner and mode.
struct FileOwner {
    user: u32,
    mode: u32,
    group_is_ours: bool,
}

impl FileOwner {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        let group = rustix::process::Gid::from_raw(metadata.gid());
        let ours = || rustix::process::getgroups().is_ok_and(|groups| groups.contains(&group));
        let group_is_ours = rustix::process::getegid() == group || ours();
        Some(Self { user: metadata.uid(), mode: metadata.mode(), group_is_ours })
    }

    /// Whether these mode bits let other users in. One of the process's own groups is fine: secrets are handed over as
    /// 0440 with fsGroup, or 0640.
    fn lets_others(&self, bits: u32) -> bool {
        let group = if self.group_is_ours { 0 } else { bits << 3 };
        self.mode & (bits | group) != 0
    }

    fn is_foreign(&self) -> bool {
        self.user != 0 && self.user != rustix::process::geteuid().as_raw()
    }
}

/// Warns about a secret that other users of this host can read or replace.
pub(super) fn check_secret(node: &Node<'_>, path: &Path, problems: &Problems) {
    let Ok(resolved) = path.canonicalize() else { return };
    let Some(owned) = FileOwner::of(&resolved) else { return };
    let (reads, writes) = (owned.lets_others(4), owned.lets_others(2));
    let apart = is_mounted(&resolved) || !is_reachable(&resolved);
    if apart || !(reads || writes) {
        return;
    }
    let can = if writes { "write" } else { "read" };
    let message =
        format!("other users can {can} the secret `{}`: its mode is {:04o}", path.display(), owned.mode & 0o7777);
    node.warn(problems, message, Some(format!("chmod 600 {}", path.display())));
}

/// Warns about a store directory that other users own or can write to: they could delete tokens.
pub(super) fn check_store(node: &Node<'_>, path: &Path, problems: &Problems) {
    let Some(owned) = FileOwner::of(path) else { return };
    let message = if owned.is_foreign() {
        format!("the store `{}` belongs to user {}", path.display(), owned.user)
    } else if owned.lets_others(2) {
        format!("other users can write to the store `{}`: its mode is {:04o}", path.display(), owned.mode & 0o7777)
    } else {
        return;
    };
    let hint = format!(
        "use a directory inside it, such as `{}`, which bearerd creates for itself",
        path.join("tokens").display()
    );
    node.warn(problems, message, Some(hint));
}

/// Whether Kubernetes mounted it: with mode 0644, through a directory that is named by two dots and a time. Only the
/// containers that mount it can see it.
fn is_mounted(resolved: &Path) -> bool {
    let timed =
        |part: Component<'_>| part.as_os_str().to_str().is_some_and(|name| name.len() > 2 && name.starts_with(".."));
    MOUNTS.iter().any(|mount| resolved.starts_with(mount)) || resolved.components().any(timed)
}

/// Whether other users can reach it through all its parent directories.
fn is_reachable(resolved: &Path) -> bool {
    let open = |directory: &Path| FileOwner::of(directory).is_none_or(|owned| owned.lets_others(1));
    resolved.ancestors().skip(1).all(open)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(mode: u32, path: &Path) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_is_exposed_if_others_can_get_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        write(&secret, "x").unwrap();
        let exposed = |mode: u32, of_directory: u32| {
            at(mode, &secret);
            at(of_directory, directory.path());
            let owned = FileOwner::of(&secret).unwrap();
            is_reachable(&secret.canonicalize().unwrap()) && (owned.lets_others(4) || owned.lets_others(2))
        };
        assert!(exposed(0o644, 0o755) && exposed(0o602, 0o755) && exposed(0o604, 0o711));
        assert!(!exposed(0o600, 0o755) && !exposed(0o440, 0o755) && !exposed(0o640, 0o755));
        assert!(!exposed(0o644, 0o700), "nobody gets as far as the file");
    }

    #[test]
    fn secrets_mounted_by_kubernetes_and_container_runtimes_cause_no_warning() {
        for path in ["/etc/x/..2026_11_28_06_00_00.123/secret", "/run/secrets/x", "/var/run/secrets/a/b"] {
            assert!(is_mounted(Path::new(path)), "{path}");
        }
        for path in ["/etc/x/secret", "/home/a/.secret", "/run/secret"] {
            assert!(!is_mounted(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_store_that_everybody_writes_to_is_exposed() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        create_dir(&store).unwrap();
        for (mode, exposed) in [(0o777, true), (0o1777, true), (0o700, false), (0o755, false), (0o2770, false)] {
            at(mode, &store);
            assert_eq!(FileOwner::of(&store).unwrap().lets_others(2), exposed, "{mode:o}");
        }
    }
}
