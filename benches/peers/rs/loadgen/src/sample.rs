//! The resource usage of processes, as counted by the kernel.
use std::fs;

#[derive(Clone, Copy, Default)]
pub struct Sample {
    /// CPU time of all threads in nanoseconds.
    pub cpu: u64,
    /// Context switches of all threads.
    pub switches: u64,
}

impl Sample {
    pub fn of(pids: &[u32]) -> Self {
        let mut sum = Self::default();
        for pid in pids {
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let schedstat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                sum.cpu += number(schedstat.split(' ').next());
                let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
                sum.switches += switches.map(|line| number(line.split_whitespace().last())).sum::<u64>();
            }
        }
        sum
    }

    pub fn since(self, before: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(before.cpu), switches: self.switches.saturating_sub(before.switches) }
    }
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
