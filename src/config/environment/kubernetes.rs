//! Variables that Kubernetes injects for each Service that exists before the pod: those of a Service named bearerd or
//! bearerd-something start like ours. A Service's name can contain any word, so names are read from their end.

use std::net::IpAddr;

use super::keys::TABLES;

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// Whether Kubernetes injected this variable; `rest` is its name after `BEARERD_`.
pub(super) fn injects(rest: &str, value: &str) -> bool {
    if rest.contains(|c: char| c.is_ascii_lowercase()) {
        return false;
    }
    let words: Vec<&str> = rest.split('_').collect();
    // A Service's name can have two dashes in a row, but `service_host` can also be a variable of a flow.
    let table = rest.split_once("__").map(|(table, _)| table);
    if table.is_some_and(|table| TABLES.contains(&table) || !has_shape(value)) {
        return false;
    }
    match *words {
        [.., "SERVICE", "HOST"] => true,
        // Users write this too, to set a port; then the value is not a URL.
        [.., "PORT"] if is_link(value) => true,
        _ => names_service_port(&words) || names_port(&words),
    }
}

/// `…_SERVICE_PORT` or `…_SERVICE_PORT_<NAME>`.
fn names_service_port(words: &[&str]) -> bool {
    words.windows(2).any(|pair| pair == ["SERVICE", "PORT"])
}

/// `…_PORT_<N>_<PROTOCOL>`, and its parts.
fn names_port(words: &[&str]) -> bool {
    let whole = match words {
        [whole @ .., "PROTO" | "PORT" | "ADDR"] => whole,
        whole => whole,
    };
    let is_port = |words: &[&str]| match words {
        [.., "PORT", number, protocol] => number.parse::<u16>().is_ok() && PROTOCOLS.contains(protocol),
        _ => false,
    };
    is_port(whole)
}

fn is_link(value: &str) -> bool {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme.to_uppercase());
    scheme.is_some_and(|scheme| PROTOCOLS.contains(&&*scheme))
}

/// Whether it is an address, a port, a protocol, or a combination.
fn has_shape(value: &str) -> bool {
    let is_protocol = PROTOCOLS.contains(&&*value.to_uppercase());
    is_link(value) || is_protocol || value.parse::<IpAddr>().is_ok() || value.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables that the kubelet sets for a Service with this name and port name.
    fn of_service(name: &str, port_name: &str, protocol: &str) -> Vec<(String, String)> {
        let name = name.to_uppercase().replace('-', "_");
        let (upper, link) = (protocol.to_uppercase(), format!("{protocol}://10.0.0.1:80"));
        let port_name = port_name.to_uppercase().replace('-', "_");
        [
            ("SERVICE_HOST".to_owned(), "10.0.0.1"),
            ("SERVICE_PORT".to_owned(), "80"),
            (format!("SERVICE_PORT_{port_name}"), "80"),
            ("PORT".to_owned(), &link),
            (format!("PORT_80_{upper}"), &link),
            (format!("PORT_80_{upper}_PROTO"), protocol),
            (format!("PORT_80_{upper}_PORT"), "80"),
            (format!("PORT_80_{upper}_ADDR"), "fd00::1"),
        ]
        .map(|(end, value)| (format!("{name}_{end}"), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn kubernetes_variables_of_any_service_name_are_ignored() {
        let names =
            ["", "-reports", "-support", "-transport", "-port", "-service-host", "-port-80-tcp", "-log", "-log-level"];
        let odd = ["-upstream", "-a--b", "--a", "-9", "-service", "-config", "-flows", "-support-service-port-x"];
        for name in names.iter().chain(&odd) {
            for protocol in ["tcp", "udp", "sctp"] {
                for (variable, value) in of_service(&format!("bearerd{name}"), "http-port-2", protocol) {
                    let rest = variable.strip_prefix("BEARERD_").unwrap();
                    assert!(injects(rest, &value), "{variable}={value}");
                }
            }
        }
    }

    #[test]
    fn variables_that_users_write_are_not_taken_for_those_of_kubernetes() {
        for (rest, value) in [
            ("PORT", "8080"),
            ("ADMIN_PORT", "9090"),
            ("REPORTS", "x"),
            ("LOG_LEVEL", "info"),
            ("ADMIN_LISTEN", "localhost:1"),
            ("UPSTREAM__A__WITH__SERVICE_HOST", "10.0.0.1"),
            ("UPSTREAM__A__WITH__SERVICE_PORT", "80"),
            ("UPSTREAM__A__WITH__PORT", "tcp://10.0.0.1:80"),
            ("UPSTREAM__REPORTS__URL", "https://x"),
            ("UPSTREM__A__WITH__SERVICE_HOST", "api.example.com"),
            ("TRANSPORT", "tcp"),
            ("PORT_X_TCP", "tcp"),
            ("service_host", "10.0.0.1"),
        ] {
            assert!(!injects(rest, value), "{rest}={value}");
        }
    }
}
