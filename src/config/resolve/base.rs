//! URLs of APIs, with hints.

use crate::endpoint::{self, Base, UrlError};

/// The base URL of an API; the error is a message and a hint.
pub(super) fn parse(text: &str, plaintext: bool) -> Result<Base, (String, String)> {
    endpoint::parse(text, plaintext).and_then(|url| Base::of(&url)).map_err(|error| {
        let example = "write it like `https://api.example.com/v1`";
        let (message, hint) = match error {
            UrlError::NotAbsolute(error) => return (format!("this is no URL: {error}"), example.to_owned()),
            UrlError::Scheme => ("this is no URL of http or https", example),
            UrlError::NoHost => ("the URL has no host", example),
            UrlError::User => {
                ("the URL has credentials in it", "take them out: the flow makes them part of each request")
            }
            UrlError::Fragment | UrlError::Query => {
                ("the URL has a query or fragment", "a base URL ends with its path")
            }
            UrlError::Plaintext => (
                "the token would travel in the clear",
                "use https; or, if tokens may travel in the clear there, set `unsafe_plaintext = true`",
            ),
        };
        (message.to_owned(), hint.to_owned())
    })
}
