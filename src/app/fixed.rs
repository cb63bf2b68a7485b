//! What is read once, when the process starts: a reload says which of it has changed in vain.

use crate::config::{AdminSettings, LogSettings, Runtime, Settings, StoreSettings};
use crate::proxy::settings::Limits;

/// The settings that the process has started with.
pub(super) struct FixedSettings {
    admin: AdminSettings,
    log: LogSettings,
    runtime: Runtime,
    limits: Limits,
    store: StoreSettings,
}

macro_rules! differing {
    ($before:expr, $now:expr, $($table:ident.$key:ident),+ $(,)?) => {
        [$((concat!(stringify!($table), ".", stringify!($key)), $before.$table.$key != $now.$table.$key)),+]
    };
}

impl FixedSettings {
    pub(super) fn of(settings: &Settings) -> Self {
        let Settings { admin, log, runtime, limits, store, .. } = settings;
        let (admin, log, runtime) = (admin.clone(), log.clone(), runtime.clone());
        Self { admin, log, runtime, limits: limits.clone(), store: store.clone() }
    }

    /// The keys that say something else now.
    pub(super) fn changed(&self, now: &Settings) -> Vec<&'static str> {
        let keys = differing!(
            self,
            now,
            admin.quit,
            admin.dashboard,
            log.format,
            log.level,
            log.access,
            runtime.shutdown_delay,
            runtime.shutdown_grace,
            runtime.startup_hold,
            limits.connections,
            limits.header_bytes,
            limits.header_timeout,
            limits.body_idle,
            limits.caller_idle,
            limits.caller_write,
            limits.replay_total,
            limits.requests,
            limits.memory,
        );
        let store = [("store", self.store != now.store)];
        keys.into_iter().chain(store).filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// Says which keys a reload could not put into effect.
pub(super) fn warn(changed: &[&str]) {
    if !changed.is_empty() {
        let keys = changed.join(", ");
        tracing::warn!(keys, "what was changed here takes effect after a restart");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Loader};

    fn settings(tables: &str) -> Settings {
        let upstream = "[upstream.a]\nflow = \"bearer\"\nurl = \"https://api.example.com\"\nwith.token = \"x\"\n";
        let loader = Loader::new(Environment::default()).text("bearerd.toml", format!("{upstream}{tables}"));
        loader.load().map_err(|report| report.text(false)).unwrap().settings
    }

    #[test]
    fn each_key_that_waits_for_a_restart_is_named() {
        let before = FixedSettings::of(&settings(""));
        for (tables, keys) in [
            ("[admin]\nlisten = \"localhost:9191\"\n", &[][..]),
            ("[admin]\nquit = true\ndashboard = false\n", &["admin.quit", "admin.dashboard"]),
            (
                "[log]\nlevel = \"debug\"\naccess = \"all\"\nformat = \"json\"\n",
                &["log.format", "log.level", "log.access"],
            ),
            ("[limits]\nconnections = 7\nmemory = \"64MiB\"\n", &["limits.connections", "limits.memory"]),
            ("[runtime]\nshutdown_grace = \"1s\"\n", &["runtime.shutdown_grace"]),
            ("[store]\nkind = \"file\"\npath = \"/tmp/tokens\"\n", &["store"]),
        ] {
            assert_eq!(before.changed(&settings(tables)), keys, "{tables}");
        }
    }
}
