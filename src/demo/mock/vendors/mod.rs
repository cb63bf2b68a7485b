//! The dialect of each mocked API.

pub(super) mod dnb;
pub(super) mod oauth;
pub(super) mod open;
pub(super) mod simacan;
pub(super) mod yodlee;
pub(super) mod younium;

use super::api::Api;
use super::dialect::Dialect;

pub(super) fn dialect(api: Api) -> &'static dyn Dialect {
    match api {
        Api::Younium | Api::YouniumV1 => &younium::Younium,
        Api::Yodlee => &yodlee::Yodlee,
        Api::Dnb => &dnb::Dnb,
        Api::Simacan => &simacan::Simacan,
        Api::Oauth => &oauth::Oauth,
        Api::Open => &open::Open,
    }
}
