//! How a vendor speaks: endpoints, shapes and errors.

use serde_json::Value;

use super::answer::{EndpointRequest, MockAnswer};
use super::received::Kind;
use super::vendor::Vendor;

/// How one vendor speaks: endpoints, shapes and errors.
pub(super) trait Dialect: Send + Sync {
    /// What a request to `path`, below the base, does with tokens; none for calls of the API.
    fn token_kind(&self, path: &str, asked: &EndpointRequest) -> Option<Kind>;
    /// The reply of a token endpoint.
    fn token_reply(&self, path: &str, asked: &EndpointRequest, vendor: &Vendor) -> MockAnswer;
    /// How the token endpoint words a refusal.
    fn refusal(&self, path: &str) -> Value;
    /// Lets a call pass, or answers it.
    fn admit(&self, head: &http::request::Parts, vendor: &Vendor) -> Result<(), Box<MockAnswer>>;
    /// How the API words a 401 for a token that it takes no longer.
    fn expired(&self) -> Value;
    /// Something to look at.
    fn sample(&self, path: &str) -> Option<Value>;
}
