//! Checks across upstreams: conflicting listeners and routes, and URLs that lead back to bearerd.

use super::listen;
use crate::document::{Node, Problems};
use crate::endpoint::Base;
use crate::proxy::settings::{Listen, Match};

/// The listener, route and URL of one upstream, as far as they are valid.
pub(super) struct RouteKey {
    pub(super) listen: Option<Listen>,
    pub(super) matches: Option<Match>,
    pub(super) base: Option<Base>,
    /// Host and port of its token requests.
    pub(super) token_hosts: Vec<(String, u16)>,
}

pub(super) fn check(routes: &[(&Node<'_>, &RouteKey)], admin: Option<&Listen>, problems: &Problems) {
    for (at, (node, route)) in routes.iter().enumerate() {
        for (earlier, other) in &routes[..at] {
            pair(node, route, earlier, other, problems);
        }
        let Some(listen) = &route.listen else { continue };
        if admin.is_some_and(|admin| listen::overlap(admin, listen)) {
            let hint = "give `admin.listen` or the upstream another port".to_owned();
            let message = format!(
                "`{}` listens on {}, which is the admin listener's address",
                node.name(),
                listen::written(listen)
            );
            node.error(problems, message, Some(hint));
        }
    }
    let own = routes.iter().filter_map(|(_, route)| route.listen.as_ref()).chain(admin).collect::<Vec<_>>();
    let back = |host: &str, port| own.iter().find(|listen| listen::is_reached_by(listen, host, port));
    for (node, route) in routes {
        if let Some(back) = route.base.as_ref().and_then(|base| back(&base.host, base.port)) {
            let message = format!("the URL leads back to bearerd's own listener {}", listen::written(back));
            let hint = "write the URL of the API: calls to this one would loop".to_owned();
            node.error(problems, message, Some(hint));
        }
        if let Some(back) = route.token_hosts.iter().find_map(|(host, port)| back(host, *port)) {
            let message = format!("the token URL leads back to bearerd's own listener {}", listen::written(back));
            let hint = "write the URL of the token endpoint itself".to_owned();
            node.error(problems, message, Some(hint));
        }
    }
}

fn pair(node: &Node<'_>, route: &RouteKey, earlier: &Node<'_>, other: &RouteKey, problems: &Problems) {
    let (Some(one), Some(two)) = (&route.listen, &other.listen) else { return };
    let name = earlier.name();
    if one != two {
        if listen::overlap(one, two) {
            let hint = format!("write `listen` as in `{name}`, or choose another port");
            let (one, two) = (listen::written(one), listen::written(two));
            let message =
                format!("`{}` cannot listen on {one}: it conflicts with {two} of upstream `{name}`", node.name());
            node.error(problems, message, Some(hint));
        }
        return;
    }
    // With port 0 the system picks a port for each.
    if listen::has_own_port(one) {
        return;
    }
    if route.matches.is_some() && route.matches.as_ref().map(place) == other.matches.as_ref().map(place) {
        let message = format!("`{}` listens on {} for the same calls as `{name}`", node.name(), listen::written(one));
        node.error(problems, message, Some("give one of them another `listen`, `path` or `host`".into()));
    }
}

fn place(matches: &Match) -> (Option<&str>, &str) {
    (matches.host.as_deref(), &matches.path)
}
