//! How many descriptors the process may have open: each caller and each upstream connection needs one, and the limit that
//! a shell or a supervisor starts with is often 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy::settings::Bounds;

/// For listeners, logs, files, the store, the runtimes, callers that are being turned away, and names being resolved.
const OWN: usize = 96;
/// For the connections of the admin listener, which has two sockets at most.
const ADMIN: usize = 2 * crate::admin::CONNECTIONS;
/// For an upstream's listener and token calls.
const EACH: usize = 6;

/// Raises the soft limit to the hard one. Best effort: a process that may not simply has fewer.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// How many sockets callers and upstreams may have, so that probes, token calls and the store always find a descriptor.
pub(super) fn sockets(upstreams: usize) -> usize {
    let all = getrlimit(Resource::Nofile).current.and_then(|all| usize::try_from(all).ok()).unwrap_or(usize::MAX);
    left(all, upstreams)
}

fn left(all: usize, upstreams: usize) -> usize {
    all.saturating_sub(OWN + ADMIN).saturating_sub(upstreams.saturating_mul(EACH)).max(all / 4)
}

/// Says it where they do not suffice for the connections that are configured, each with a request.
pub(super) fn warn(bounds: &Bounds, connections: usize) {
    if bounds.connections < connections {
        tracing::warn!(
            limit = connections,
            connections = bounds.connections,
            requests = bounds.requests,
            action = "raise the limit of open files (ulimit -Hn, LimitNOFILE=), or lower limits.connections",
            "there are too few file descriptors for limits.connections"
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
    fn something_is_left_for_everything_else() {
        for (all, upstreams, sockets) in
            [(1024, 1, 858), (600, 1, 434), (128, 1, 32), (usize::MAX, 3, usize::MAX - 178)]
        {
            assert_eq!(left(all, upstreams), sockets, "{all}");
        }
    }
}
