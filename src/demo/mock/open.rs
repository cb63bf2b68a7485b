//! An API that asks for nothing: for keys that need no token request, and for the proxy alone.

use serde_json::{Value, json};

use super::answer::{EndpointRequest, MockAnswer, empty};
use super::dialect::Dialect;
use super::received::Kind;
use super::vendor::Vendor;

pub(super) struct Open;

impl Dialect for Open {
    fn token_kind(&self, _: &str, _: &EndpointRequest) -> Option<Kind> {
        None
    }

    fn token_reply(&self, _: &str, _: &EndpointRequest, _: &Vendor) -> MockAnswer {
        empty(404)
    }

    fn refusal(&self, _: &str) -> Value {
        json!({ "error": "refused" })
    }

    fn admit(&self, _: &http::request::Parts, _: &Vendor) -> Result<(), Box<MockAnswer>> {
        Ok(())
    }

    fn expired(&self) -> Value {
        json!({ "error": "unauthorized" })
    }

    fn sample(&self, _: &str) -> Option<Value> {
        None
    }
}
