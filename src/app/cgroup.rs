//! The memory limit of the process: containers, pods and systemd units are killed if they exceed theirs.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use crate::proxy::settings::Limits;

/// The mount point of cgroups.
const ROOT: &str = "/sys/fs/cgroup";

/// The default of `limits.memory` without a limit.
const UNLIMITED: u64 = 256 << 20;

/// The minimum default of `limits.memory`.
const LEAST: u64 = 8 << 20;

/// cgroup v1 writes a number near this one for "no limit".
const NO_LIMIT: u64 = 1 << 60;

/// The memory limit of the process in bytes, if there is one.
pub(super) fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let space = getrlimit(Resource::As).current;
    limit_of(&groups, Path::new(ROOT)).into_iter().chain(space).min()
}

/// The default of `limits.memory`: half of the limit, because the kernel counts socket buffers too.
pub(super) fn budget(limit: Option<u64>) -> u64 {
    limit.map_or(UNLIMITED, |limit| (limit / 2).max(LEAST))
}

/// Warns if the configured memory cannot fit.
pub(super) fn warn(limits: &Limits, limit: Option<u64>) {
    let (Some(memory), Some(limit)) = (limits.memory, limit) else { return };
    if memory > limit / 4 * 3 {
        tracing::warn!(
            memory,
            limit,
            action = "raise the memory limit of the container or unit, or lower limits.memory to half of it",
            "limits.memory is too large for the memory limit of the process"
        );
    }
}

/// The smallest limit of the cgroup and its parents. In a container the path may be the host's; then the mounted root
/// is the container's own cgroup.
fn limit_of(groups: &str, root: &Path) -> Option<u64> {
    let of_line = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_memory = controllers.split(',').any(|controller| controller == "memory");
        let mounts: &[&str] = match controllers {
            "" => &["", "unified"],
            _ if is_memory => &["memory"],
            _ => return None,
        };
        mounts.iter().filter_map(|mount| smallest(&root.join(mount), path)).min()
    };
    groups.lines().filter_map(of_line).min()
}

fn smallest(mount: &Path, path: &str) -> Option<u64> {
    let group = PathBuf::from(path.trim_start_matches('/'));
    let files = ["memory.max", "memory.high", "memory.limit_in_bytes"];
    let groups = group.ancestors().map(|group| mount.join(group));
    groups.flat_map(|group| files.map(|file| group.join(file))).filter_map(|file| number(&file)).min()
}

/// The number in a file; `None` for `max`.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn the_smallest_limit_of_all_groups_around_the_process_counts() {
        let root = root(&[
            ("pod/memory.max", "134217728\n"),
            ("pod/bearerd/memory.max", "max\n"),
            ("pod/bearerd/memory.high", "200000000\n"),
            ("other/memory.max", "1000\n"),
        ]);
        assert_eq!(limit_of("0::/pod/bearerd\n", root.path()), Some(134_217_728));
        assert_eq!(limit_of("0::/elsewhere\n", root.path()), None);
    }

    #[test]
    fn version_1_has_its_own_mount_and_no_limit_is_a_great_number() {
        let root = root(&[
            ("memory/limit/memory.limit_in_bytes", "67108864\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cpu/limit/memory.limit_in_bytes", "1\n"),
        ]);
        assert_eq!(limit_of("7:cpu:/limit\n4:memory:/limit\n0::/\n", root.path()), Some(67_108_864));
        assert_eq!(limit_of("4:memory:/\n", root.path()), None);
    }

    #[test]
    fn in_a_container_the_path_may_be_that_of_the_host() {
        let root = root(&[("memory.max", "50000000\n")]);
        assert_eq!(limit_of("0::/kubepods/pod1/abc\n", root.path()), Some(50_000_000));
    }

    #[test]
    fn half_is_for_callers_and_upstreams() {
        assert_eq!(budget(Some(128 << 20)), 64 << 20);
        assert_eq!(budget(Some(10 << 20)), LEAST);
        assert_eq!(budget(None), UNLIMITED);
    }
}
