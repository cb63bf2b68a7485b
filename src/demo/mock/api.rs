//! The mocked APIs and the credentials that they accept.

/// A mocked API. Each has its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Api {
    /// Younium with auth v2. Like the real one, it also serves auth v1.
    Younium,
    /// A second Younium account, for auth v1.
    YouniumV1,
    /// Yodlee: a token per user.
    Yodlee,
    /// D&B Europe: client credentials by HTTP Basic, without form-encoding.
    Dnb,
    /// Simacan: password once, then rotating refresh tokens.
    Simacan,
    /// An OAuth 2.0 server as in RFC 6749.
    Oauth,
    /// An API without authentication.
    Open,
}

/// A client id or user name, and its secret.
#[derive(Clone, Copy, Debug)]
pub struct Credentials {
    /// Client id or user name.
    pub id: &'static str,
    /// Client secret or password, until `Vendor::accept_secret` changes it.
    pub secret: &'static str,
}

/// Accepted by [`Api::Younium`].
pub const YOUNIUM: Credentials = Credentials { id: "demo-younium-client", secret: "canary-younium-secret-6c1f0a" };
/// Accepted by [`Api::YouniumV1`].
pub const YOUNIUM_V1: Credentials =
    Credentials { id: "demo-younium-v1-client", secret: "canary-younium-v1-secret-b83d52" };
/// Accepted by [`Api::Yodlee`].
pub const YODLEE: Credentials = Credentials { id: "demo-yodlee-client", secret: "canary-yodlee-secret-19e7c4" };
/// Accepted by [`Api::Dnb`]; has every character that a careless encoder breaks.
pub const DNB: Credentials = Credentials { id: "demo-dnb-client", secret: "canary-dnb:100%+säkert-4fa2d9" };
/// Accepted by [`Api::Simacan`]: user name and password.
pub const SIMACAN: Credentials = Credentials { id: "demo-simacan-user", secret: "canary-simacan-password-e05b7d" };
/// Accepted by [`Api::Oauth`]; form-encoding changes the secret (RFC 6749 §2.3.1).
pub const OAUTH: Credentials = Credentials { id: "demo oauth client", secret: "canary-oauth:secret+%-72d9be" };
/// The resource owner of [`Api::Oauth`], for the password grant.
pub const OAUTH_USER: Credentials = Credentials { id: "demo-oauth-user", secret: "canary-oauth-password-a8c316" };
/// The admin's login name at [`Api::Yodlee`].
pub const YODLEE_ADMIN: &str = "demo-admin";
/// The name of the legal entity of both Younium accounts.
pub const LEGAL_ENTITY: &str = "Acme AB";
/// The id of the same legal entity.
pub const LEGAL_ENTITY_ID: &str = "9f2b1c1e-6f1d-4a53-9d8c-2f6a3b7c1d10";

impl Api {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Younium, Self::YouniumV1, Self::Yodlee, Self::Dnb, Self::Simacan, Self::Oauth, Self::Open];

    /// The name of its upstream in the demo.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Younium => "younium",
            Self::YouniumV1 => "younium-v1",
            Self::Yodlee => "yodlee",
            Self::Dnb => "dnb-europe",
            Self::Simacan => "simacan",
            Self::Oauth => "oauth",
            Self::Open => "open",
        }
    }

    /// The credentials that it accepts at first.
    pub const fn credentials(self) -> Credentials {
        match self {
            Self::Younium => YOUNIUM,
            Self::YouniumV1 => YOUNIUM_V1,
            Self::Yodlee => YODLEE,
            Self::Dnb => DNB,
            Self::Simacan => SIMACAN,
            Self::Oauth => OAUTH,
            Self::Open => Credentials { id: "", secret: "" },
        }
    }

    /// The path of the base URL.
    pub(super) const fn base_path(self) -> &'static str {
        match self {
            Self::Yodlee => "/ysl",
            _ => "",
        }
    }

    /// The path of the login endpoint, below the base URL.
    pub(super) const fn token_path(self) -> &'static str {
        match self {
            Self::Younium => "/auth/v2/token",
            Self::YouniumV1 | Self::Yodlee => "/auth/token",
            Self::Dnb => "/as/token.oauth2",
            Self::Simacan => "/auth/password",
            Self::Oauth | Self::Open => "/token",
        }
    }

    pub(super) const fn seconds_of_life(self) -> u64 {
        match self {
            Self::Younium | Self::YouniumV1 => 86_400,
            Self::Yodlee => 1799,
            _ => 3600,
        }
    }

    /// Whether its tokens look like JSON Web Tokens.
    pub(super) const fn speaks_jwt(self) -> bool {
        matches!(self, Self::Younium | Self::YouniumV1 | Self::Dnb | Self::Simacan)
    }
}
