//! A request as it is sent in one attempt.

use http::{Request, Uri, request};

use super::body::Outgoing;
use super::headers::outgoing::OutgoingHeaders;

/// A request as it is sent. It borrows the caller's request, which another attempt may need.
pub(crate) struct UpstreamRequest<'a, B = Outgoing> {
    /// The caller's request head. Its target and headers are not sent.
    pub(crate) head: &'a request::Parts,
    /// The target: a path, or an absolute URL for an outbound proxy.
    pub(crate) target: Uri,
    pub(crate) headers: OutgoingHeaders<'a>,
    pub(crate) body: B,
}

impl<B> UpstreamRequest<'_, B> {
    /// Converts it to the type that hyper and h2 use.
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
