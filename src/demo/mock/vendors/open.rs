//! An API without authentication: for keys that need no token request, and for the proxy alone.

use serde_json::{Value, json};

use crate::demo::mock::answer::{EndpointRequest, MockAnswer, empty};
use crate::demo::mock::dialect::Dialect;
use crate::demo::mock::received::Kind;
use crate::demo::mock::vendor::Vendor;

pub(in crate::demo::mock) struct Open;

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
