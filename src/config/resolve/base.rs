//! URLs of APIs.

use std::net::IpAddr;

use http::HeaderValue;
use url::{Host, Url};

use crate::proxy::settings::Base;

/// Whether a host is this one, by name or by address.
pub(super) fn is_loopback(host: &str) -> bool {
    let ip = host.parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The base URL of an API. What is wrong never repeats the URL, because people put passwords there.
pub(super) fn parse(text: &str, plaintext: bool) -> Result<Base, (String, String)> {
    let wrong = |message: &str, hint: &str| (message.to_owned(), hint.to_owned());
    let example = "write it like `https://api.example.com/v1`";
    let url = Url::parse(text).map_err(|error| (format!("this is no URL: {error}"), example.to_owned()))?;
    let tls = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(wrong("this is no URL of http or https", example)),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the URL has credentials in it", "take them out: the flow makes them part of each request"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("the URL has a query or fragment", "a base URL ends with its path"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => return Err(wrong("the URL has no host", example)),
    };
    if !tls && !plaintext && !is_loopback(&host) {
        let hint = "use https; or, if tokens may travel in the clear there, set `unsafe_plaintext = true`";
        return Err(wrong("the token would travel in the clear", hint));
    }
    let (port, authority) = (url.port_or_known_default().unwrap_or(443), authority(&url));
    let authority =
        HeaderValue::from_str(&authority).map_err(|_| wrong("the URL has a host that cannot be sent", example))?;
    Ok(Base { tls, host, port, authority, path: url.path().trim_end_matches('/').to_owned() })
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_taken_apart() {
        let base = parse("https://API.example.com:8443/v1/", false).unwrap();
        assert_eq!((base.tls, base.host.as_str(), base.port), (true, "api.example.com", 8443));
        assert_eq!((base.authority.to_str().unwrap(), base.path.as_str()), ("api.example.com:8443", "/v1"));
        let base = parse("http://[::1]:80", false).unwrap();
        assert_eq!((base.host.as_str(), base.port, base.authority.to_str().unwrap()), ("::1", 80, "[::1]"));
        assert_eq!(base.path, "");
    }

    #[test]
    fn plain_http_is_for_loopback_or_for_who_insists() {
        assert!(parse("http://127.0.0.1:1", false).is_ok() && parse("http://api.localhost", false).is_ok());
        assert!(parse("http://api.example.com", false).unwrap_err().1.contains("unsafe_plaintext"));
        assert!(parse("http://api.example.com", true).is_ok());
        assert!(parse("http://localhost.example.com", false).is_err());
    }

    #[test]
    fn what_is_wrong_never_repeats_the_url() {
        for text in
            ["https://user:hunter2@x", "hunter2", "ftp://hunter2", "https://x/?hunter2", "http://hunter2.example"]
        {
            let (message, hint) = parse(text, false).unwrap_err();
            assert!(!format!("{message}{hint}").contains("hunter2"), "{text}: {message}");
        }
    }
}
