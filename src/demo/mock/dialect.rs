//! The dialect of one vendor: endpoints, formats and errors.

use serde_json::Value;

use super::answer::{EndpointRequest, MockAnswer};
use super::received::Kind;
use super::vendor::Vendor;

/// The dialect of one vendor: endpoints, formats and errors.
pub(super) trait Dialect: Send + Sync {
    /// The kind of token request at `path`, below the base URL; `None` for API calls.
    fn token_kind(&self, path: &str, asked: &EndpointRequest) -> Option<Kind>;
    /// The token endpoint's reply.
    fn token_reply(&self, path: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer;
    /// The body of a refusal by the token endpoint.
    fn refusal(&self, path: &str) -> Value;
    /// Accepts an API call, or returns the error response.
    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>>;
    /// The body of a 401 for an expired token.
    fn expired(&self) -> Value;
    /// A sample resource.
    fn sample(&self, path: &str) -> Option<Value>;
}
