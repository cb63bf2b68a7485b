//! Rules for browsers: fetch metadata, `Origin`, and CORS preflights.

use http::header::{self, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::admission::{Admission, Refusal, RequestInfo};
use super::claims::Claims;
use super::host;

static REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
static ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// How long a browser may cache a preflight response, in seconds. Short, so that changed rules apply soon.
static MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Checks the headers by which browsers describe the calling page. WebSocket handshakes carry `Origin` and are checked
/// too.
pub(super) fn check(allowed: &[String], claims: &Claims<'_>, authority: Option<&str>) -> Result<Admission, Refusal> {
    if claims.speculative {
        return Err(Refusal::Denied("speculative request of a browser (Sec-Purpose)"));
    }
    match claims.origin.at_most_one("more than one Origin header").map_err(Refusal::Denied)? {
        None if !claims.foreign_site => Ok(Admission::Pass),
        Some(origin) if !claims.foreign_site && is_own(origin, authority) => Ok(Admission::Pass),
        Some(origin) if is_listed(origin, allowed) => Ok(Admission::PassTo(origin.clone())),
        None => Err(Refusal::Denied("cross-site request of a browser (Sec-Fetch-Site)")),
        Some(_) => Err(Refusal::Denied("the Origin is neither the listener's own nor in access.origins")),
    }
}

/// Whether an origin is the listener's own. Listeners use plain HTTP, so its scheme is `http`.
fn is_own(origin: &HeaderValue, authority: Option<&str>) -> bool {
    let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    own.zip(authority).is_some_and(|(own, authority)| host::same_authority(own, authority))
}

/// Whether an origin is listed. `null`, which any page can have, must be listed literally.
fn is_listed(origin: &HeaderValue, allowed: &[String]) -> bool {
    allowed.iter().any(|entry| match entry.as_bytes() {
        b"null" => origin == "null",
        entry => !entry.eq_ignore_ascii_case(b"null") && entry.eq_ignore_ascii_case(origin.as_bytes()),
    })
}

/// The method that a preflight is about.
pub(super) fn preflight(call: &RequestInfo<'_>) -> Option<Method> {
    let method = call.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    (call.method == Method::OPTIONS).then(|| Method::from_bytes(method.as_bytes()).ok())?
}

/// The headers of the response to an allowed preflight. No `Access-Control-Allow-Credentials`: bearerd adds the
/// credentials, and the page's cookies for this host are not needed.
pub(super) fn preflight_response(origin: &HeaderValue, method: &Method, request: &HeaderMap) -> HeaderMap {
    let mut response = HeaderMap::new();
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if let Ok(method) = HeaderValue::from_str(method.as_str()) {
        response.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method);
    }
    for names in request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.append(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if request.contains_key(&REQUEST_PRIVATE_NETWORK) {
        response.insert(ALLOW_PRIVATE_NETWORK.clone(), HeaderValue::from_static("true"));
    }
    response.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE.clone());
    let vary = "origin, access-control-request-method, access-control-request-headers";
    response.insert(header::VARY, HeaderValue::from_static(vary));
    response
}

/// Allows `origin` to read a response. The upstream's own CORS headers concern the upstream's origin, so they are
/// removed.
pub fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    let foreign: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in foreign {
        if let Entry::Occupied(entry) = headers.entry(name) {
            entry.remove_entry_mult();
        }
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
