//! A request as it is sent in one attempt.

use http::{Request, Uri, request};

use super::body::Outgoing;
use super::headers::outgoing::OutgoingHeaders;

/// A request as it is sent. What the caller sent is only looked at: another attempt may need it.
pub(crate) struct UpstreamRequest<'a, B = Outgoing> {
    /// What the caller asked for; its target and headers are not those that are sent.
    pub(crate) head: &'a request::Parts,
    /// Where it goes: a path, or the whole address for an outbound proxy.
    pub(crate) target: Uri,
    /// What goes along.
    pub(crate) headers: OutgoingHeaders<'a>,
    /// The body.
    pub(crate) body: B,
}

impl<B> UpstreamRequest<'_, B> {
    /// As hyper wants it.
    pub(crate) fn into_request(self) -> Request<B> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.target;
        *request.version_mut() = self.head.version;
        *request.headers_mut() = self.headers.to_map();
        *request.extensions_mut() = self.head.extensions.clone();
        request
    }
}
