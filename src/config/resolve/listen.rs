//! Listen addresses.

use std::net::{IpAddr, SocketAddr};

use crate::document::{Node, Problems, ValueKind};
use crate::endpoint::is_loopback;
use crate::proxy::settings::Listen;

const A_PORT: &str = "a port is a number up to 65535";

/// The maximum length of the path in a socket address, without its final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// Reads `"localhost:8080"`, `"127.0.0.1:8080"` or `{ unix = "/path", mode = "0660" }`.
pub(super) fn read(node: &Node<'_>, problems: &Problems) -> Option<Listen> {
    match node.kind() {
        ValueKind::Table => return unix(node, problems),
        ValueKind::Integer => {
            let port = node.integer(&Problems::default()).and_then(|port| u16::try_from(port).ok());
            let hint = port.map_or_else(|| A_PORT.to_owned(), |port| format!("write `\"localhost:{port}\"`"));
            node.error(problems, "expected an address to listen on, found a number", Some(hint));
            return None;
        }
        ValueKind::List => {
            let hint = "write one address in quotes; \"localhost:8080\" is both loopback addresses";
            node.error(problems, "expected an address to listen on, found a list", Some(hint.into()));
            return None;
        }
        ValueKind::Text | ValueKind::Float | ValueKind::Boolean => {}
    }
    let text = node.text(problems)?;
    let parsed = parse(text);
    if let Err(hint) = &parsed {
        node.error(problems, format!("invalid listen address `{text}`"), Some(hint.clone()));
    }
    parsed.ok()
}

fn parse(text: &str) -> Result<Listen, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Listen::Tcp(address));
    }
    let example = "write \"localhost:8080\", \"127.0.0.1:8080\" or { unix = \"/path\" }".to_owned();
    if text.parse::<u16>().is_ok() {
        return Err(format!("did you mean `localhost:{text}`?"));
    }
    if crate::document::placeholder(text).is_some() {
        return Err("variables are not expanded here: remove the line, and set BEARERD_… in the environment".into());
    }
    if text.parse::<IpAddr>().is_ok() || text == "localhost" {
        return Err(format!(
            "add a port, as in `{}:8080`",
            if text.contains(':') { format!("[{text}]") } else { text.into() }
        ));
    }
    let (host, port) = text.rsplit_once(':').ok_or(example.clone())?;
    let port = port.parse::<u16>().map_err(|_| A_PORT.to_owned())?;
    match host {
        "localhost" => Ok(Listen::Localhost(port)),
        "" | "*" => Err(format!("did you mean `localhost:{port}`? `0.0.0.0:{port}` is every address of this host")),
        _ if host.contains("://") => Err(format!("an address has no scheme: did you mean `localhost:{port}`?")),
        _ => Err("names other than `localhost` are not resolved: write an IP address".into()),
    }
}

fn unix(node: &Node<'_>, problems: &Problems) -> Option<Listen> {
    let table = node.table(problems)?;
    let path = table.get("unix");
    if path.is_none() {
        let hint = "write `{ unix = \"/run/bearerd/NAME.sock\" }` for a socket file, \"localhost:8080\" for a port";
        node.error(problems, "`unix` is missing", Some(hint.into()));
    }
    let mode = table.or("mode", 0o600, |mode| octal(mode, problems));
    table.finish(problems);
    let node = path?;
    let path = node.path_beside(node.text(problems)?);
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        let message = format!("the path of a socket can have at most {LONGEST_SOCKET_PATH} bytes");
        node.error(problems, message, Some("choose a shorter directory, such as /run/bearerd".into()));
        return None;
    }
    Some(Listen::Unix(path, mode?))
}

fn octal(node: &Node<'_>, problems: &Problems) -> Option<u32> {
    let mode = node.as_text().and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        node.error(problems, "invalid file mode", Some("write it in octal and in quotes, as in \"0660\"".into()));
    }
    mode
}

/// The address as written in the configuration.
pub(super) fn written(listen: &Listen) -> String {
    match listen {
        Listen::Localhost(port) => format!("localhost:{port}"),
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path, _) => path.display().to_string(),
    }
}

pub(super) fn is_private(listen: &Listen) -> bool {
    match listen {
        Listen::Localhost(_) | Listen::Unix(..) => true,
        Listen::Tcp(address) => address.ip().to_canonical().is_loopback(),
    }
}

/// Whether both cannot be bound at the same time.
pub(super) fn overlap(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Unix(one, _), Listen::Unix(other, _)) => one == other,
        (Listen::Unix(..), _) | (_, Listen::Unix(..)) => false,
        _ if port(one) != port(other) || port(one) == Some(0) => false,
        (Listen::Tcp(one), Listen::Tcp(other)) => {
            let any = one.ip().is_unspecified() || other.ip().is_unspecified();
            any || one.ip().to_canonical() == other.ip().to_canonical()
        }
        (Listen::Localhost(_), Listen::Localhost(_)) => true,
        (Listen::Localhost(_), Listen::Tcp(address)) | (Listen::Tcp(address), Listen::Localhost(_)) => {
            answers(address.ip(), |ip| ip.is_loopback())
        }
    }
}

fn answers(ip: IpAddr, wanted: impl Fn(IpAddr) -> bool) -> bool {
    ip.is_unspecified() || wanted(ip.to_canonical())
}

/// Whether the system picks the port, a different one for each listener.
pub(super) fn has_own_port(listen: &Listen) -> bool {
    port(listen) == Some(0)
}

fn port(listen: &Listen) -> Option<u16> {
    match listen {
        Listen::Localhost(port) => Some(*port),
        Listen::Tcp(address) => Some(address.port()),
        Listen::Unix(..) => None,
    }
}

/// Whether a URL with this host and port reaches the listener.
pub(super) fn is_reached_by(listen: &Listen, host: &str, host_port: u16) -> bool {
    if port(listen) != Some(host_port) || host_port == 0 {
        return false;
    }
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let here = is_loopback(host);
    match listen {
        Listen::Localhost(_) => here,
        Listen::Tcp(address) if address.ip().is_unspecified() => here || ip.is_some_and(|ip| ip.is_unspecified()),
        Listen::Tcp(address) => {
            let named = here && ip.is_none() && address.ip().to_canonical().is_loopback();
            named || ip == Some(address.ip().to_canonical())
        }
        Listen::Unix(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        parse(text).unwrap()
    }

    #[test]
    fn addresses_are_localhost_or_numbers() {
        assert_eq!(listen("localhost:0"), Listen::Localhost(0));
        assert!(is_private(&listen("[::1]:8080")) && !is_private(&listen("0.0.0.0:8080")));
        for wrong in
            ["8080", "localhost", "::1", ":8080", "example.com:80", "localhost:99999", "http://localhost:80", ""]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn listeners_that_cannot_live_together_overlap() {
        let overlap = |one: &str, other: &str| overlap(&listen(one), &listen(other));
        assert!(overlap("localhost:80", "127.0.0.1:80") && overlap("0.0.0.0:80", "localhost:80"));
        assert!(overlap("[::]:80", "127.0.0.1:80") && overlap("127.0.0.1:80", "127.0.0.1:80"));
        assert!(!overlap("127.0.0.1:80", "127.0.0.2:80") && !overlap("localhost:80", "10.0.0.1:80"));
        assert!(!overlap("localhost:80", "localhost:81") && !overlap("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn a_url_that_leads_back_to_bearerd_is_found_by_every_host_name() {
        let back = |listener: &str, host: &str| is_reached_by(&listen(listener), host, 80);
        for host in ["localhost", "127.0.0.1", "::1", "a.localhost"] {
            assert!(back("localhost:80", host) && back("0.0.0.0:80", host), "{host}");
        }
        assert!(back("127.0.0.1:80", "localhost") && back("10.0.0.1:80", "10.0.0.1"));
        assert!(!back("localhost:81", "localhost") && !back("localhost:80", "api.example.com"));
        assert!(!back("127.0.0.1:80", "127.0.0.2"));
    }
}
