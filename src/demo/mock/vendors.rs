//! Which dialect each mocked API speaks.

use super::api::Api;
use super::dialect::Dialect;
use super::{dnb, oauth, open, simacan, yodlee, younium};

/// The dialect of `api`.
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
