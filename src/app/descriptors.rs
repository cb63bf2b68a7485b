//! The limit of open files: each caller and each upstream connection needs a descriptor, and shells and supervisors
//! often start with 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy::settings::Bounds;

/// Reserved for listeners, logs, files, the store, the runtimes, refused callers, and DNS.
const OWN: usize = 96;
/// Reserved for connections to the admin listener, which has at most two sockets.
const ADMIN: usize = 2 * crate::admin::CONNECTIONS;
/// Reserved for each upstream's listener and token requests.
const EACH: usize = 6;

/// Raises the soft limit to the hard limit, best effort.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

/// How many sockets callers and upstreams may have, so that probes, token requests and the store always get a
/// descriptor.
pub(super) fn sockets(upstreams: usize) -> usize {
    let all = getrlimit(Resource::Nofile).current.and_then(|all| usize::try_from(all).ok()).unwrap_or(usize::MAX);
    left(all, upstreams)
}

fn left(all: usize, upstreams: usize) -> usize {
    all.saturating_sub(OWN + ADMIN).saturating_sub(upstreams.saturating_mul(EACH)).max(all / 4)
}

/// Warns if there are too few for the configured connections, each with a request.
pub(super) fn warn(bounds: &Bounds, connections: usize) {
    if bounds.connections < connections {
        tracing::warn!(
            limit = connections,
            connections = bounds.connections,
            requests = bounds.requests,
            action = "raise the limit of open files (ulimit -Hn, LimitNOFILE=), or lower limits.connections",
            "too few file descriptors for limits.connections"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        raise();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: hard, maximum: hard });
    }

    #[test]
    fn too_few_for_the_connections_that_are_configured_are_told_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = tracing_subscriber::fmt().with_writer(std::sync::Arc::new(file.reopen().unwrap())).finish();
        let told = |connections| {
            let bounds = Bounds { connections: 100, ..Bounds::default() };
            warn(&bounds, connections);
            std::fs::read_to_string(file.path()).unwrap()
        };
        tracing::subscriber::with_default(lines, || {
            assert_eq!(told(100), "");
            let text = told(101);
            assert!(
                text.contains("WARN") && text.contains("too few file descriptors") && text.contains("ulimit"),
                "{text}"
            );
        });
    }

    #[test]
    fn descriptors_are_reserved_for_everything_else() {
        for (all, upstreams, sockets) in
            [(1024, 1, 858), (600, 1, 434), (128, 1, 32), (usize::MAX, 3, usize::MAX - 178)]
        {
            assert_eq!(left(all, upstreams), sockets, "{all}");
        }
    }
}
