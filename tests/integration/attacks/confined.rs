//! A process with little memory and few file descriptors.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::Bearerd;

const MEMORY: u64 = 128 << 20;

/// Limits a process to 128 MiB and 1,024 file descriptors.
pub(crate) struct Confined {
    group: Option<PathBuf>,
}

impl Confined {
    /// Creates a cgroup below the test's own, if possible.
    pub(crate) fn new() -> Self {
        Self { group: group() }
    }

    /// Whether a cgroup could be created.
    pub(crate) fn has_group(&self) -> bool {
        self.group.is_some()
    }

    /// Starts the command with the limits.
    pub(crate) fn confine(&self, command: &mut Command) {
        let enter = self
            .group
            .as_ref()
            .map_or_else(String::new, |group| format!("echo $$ > {}/cgroup.procs; ", group.display()));
        let mut confined = Command::new("sh");
        confined.arg("-c").arg(format!("{enter}ulimit -n 1024; exec \"$0\" \"$@\"")).arg(command.get_program());
        confined.args(command.get_args()).env_clear().env("PATH", "/usr/bin:/bin");
        let envs = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        confined.envs(envs.collect::<Vec<_>>());
        confined.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = confined;
    }

    /// Without a cgroup: limits the address space to its current size plus 128 MiB.
    pub(crate) fn started(&self, bearerd: &Bearerd) {
        if self.group.is_none() {
            let space = number(bearerd, "VmSize:") + MEMORY;
            let limit = ["--pid", &bearerd.pid().to_string(), &format!("--as={space}")].map(str::to_owned);
            assert!(Command::new("prlimit").args(limit).status().unwrap().success());
        }
    }

    /// Its private memory in bytes.
    pub(crate) fn resident(&self, bearerd: &Bearerd) -> u64 {
        number(bearerd, "RssAnon:")
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        let Some(group) = &self.group else { return };
        for _ in 0..50 {
            if fs::remove_dir(group).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// A value of `/proc/PID/status`, in bytes.
fn number(bearerd: &Bearerd, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", bearerd.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

fn group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let of_line = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (mount, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        let group = PathBuf::from(format!("{mount}{path}/bearerd-test-{}", std::process::id()));
        fs::create_dir(&group).ok()?;
        let limited = fs::write(group.join(file), MEMORY.to_string());
        if limited.is_err() {
            let _ = fs::remove_dir(&group);
        }
        limited.ok().map(|()| group)
    };
    groups.lines().find_map(of_line)
}
