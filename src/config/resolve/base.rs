//! URLs of APIs, with hints.

use crate::endpoint::{self, Base, UrlError};

/// The base URL of an API; the error is a message and a hint.
pub(super) fn parse(text: &str, plaintext: bool) -> Result<Base, (String, String)> {
    endpoint::parse(text, plaintext).and_then(|url| Base::of(&url)).map_err(|error| {
        let example = "expected a URL such as `https://api.example.com/v1`";
        let (message, hint) = match error {
            UrlError::NotAbsolute(error) => return (format!("invalid URL: {error}"), example.to_owned()),
            UrlError::Scheme => ("the URL is neither http nor https", example),
            UrlError::Control => (
                "the URL contains a line end, a tab or another control character",
                "remove it; in a URL it would be written as `%0A`, `%09` and so on",
            ),
            UrlError::DotSegment => {
                ("the URL has `.` or `..` in its path", "write the path that it means: all calls start with it")
            }
            UrlError::NoHost => ("the URL has no host", example),
            UrlError::User => {
                ("the URL contains credentials", "remove them: the flow adds credentials to each request")
            }
            UrlError::Fragment | UrlError::Query => {
                ("the URL has a query or fragment", "a base URL ends with its path")
            }
            UrlError::Plaintext => (
                "the token would be sent unencrypted",
                "use https, or set `unsafe_plaintext = true` to send tokens unencrypted",
            ),
        };
        (message.to_owned(), hint.to_owned())
    })
}
