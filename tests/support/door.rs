//! The configuration of a test: one `[upstream.…]` for one mocked API.

use std::fmt::Write as _;

use bearerd::demo::mock::{Api, Mock, OAUTH_USER, Vendor};

/// An upstream's configuration.
#[derive(Clone)]
pub struct Door {
    name: String,
    keys: Vec<(String, String)>,
    with: Vec<(String, String)>,
}

impl Door {
    /// Only a name, a listener and a flow.
    pub fn new(name: &str, flow: &str) -> Self {
        let door = Self { name: name.to_owned(), keys: Vec::new(), with: Vec::new() };
        door.text("listen", "127.0.0.1:0").text("flow", flow)
    }

    /// For a vendor's API, with its name and credentials.
    pub fn to(mock: &Mock, api: Api) -> Self {
        let (vendor, flow) = (mock.vendor(api), if api == Api::Oauth { "oauth2" } else { api.name() });
        let door = Self::new(api.name(), flow).text("url", &vendor.url());
        let credentials = api.credentials();
        match api {
            Api::Simacan => {
                door.with("auth", &vendor.url()).with("username", credentials.id).with("password", credentials.secret)
            }
            Api::Dnb => door.client(vendor).with("token_url", &vendor.token_url()).with("scope", "credit"),
            Api::Oauth => door.client(vendor).with("token_url", &vendor.token_url()),
            Api::Open => door,
            Api::Younium | Api::YouniumV1 | Api::Yodlee => door.client(vendor).with("base", &vendor.url()),
        }
    }

    /// For the API without authentication, with a fixed token.
    pub fn open(mock: &Mock) -> Self {
        Self::new("open", "bearer").text("url", &mock.open().url()).with("token", "canary-fixed-token-5d0c")
    }

    /// The password grant.
    pub fn password(mock: &Mock) -> Self {
        let door = Self::to(mock, Api::Oauth).text("flow", "oauth2-password");
        door.with("username", OAUTH_USER.id).with("password", OAUTH_USER.secret)
    }

    fn client(self, vendor: &Vendor) -> Self {
        let credentials = vendor.api.credentials();
        self.with("client_id", credentials.id).with("client_secret", credentials.secret)
    }

    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A key of the upstream, its value written in TOML.
    pub fn key(mut self, key: &str, value: &str) -> Self {
        put(&mut self.keys, key, value.to_owned());
        self
    }

    /// A key of the upstream that is text.
    pub fn text(self, key: &str, value: &str) -> Self {
        self.key(key, &quoted(value))
    }

    /// A variable of the flow.
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        put(&mut self.with, variable, quoted(value));
        self
    }

    /// A variable that is in a file.
    pub fn file(mut self, variable: &str, file: &std::path::Path) -> Self {
        put(&mut self.with, variable, format!("{{ file = {} }}", quoted(file.to_str().unwrap())));
        self
    }

    /// The TOML text.
    pub fn toml(&self) -> String {
        let mut toml = format!("\n[upstream.{}]\n", self.name);
        for (key, value) in &self.keys {
            writeln!(toml, "{key} = {value}").unwrap();
        }
        writeln!(toml, "[upstream.{}.with]", self.name).unwrap();
        for (variable, value) in &self.with {
            writeln!(toml, "{variable} = {value}").unwrap();
        }
        toml
    }
}

fn put(pairs: &mut Vec<(String, String)>, key: &str, value: String) {
    pairs.retain(|(known, _)| known != key);
    pairs.push((key.to_owned(), value));
}

/// TOML uses the same escapes as JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
