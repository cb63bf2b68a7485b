//! The demo: mocked APIs and a configuration of bearerd for them, without an account or a file.

pub mod mock;
pub mod narrate;

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::clock::SharedClock;
use mock::{Api, Event, LEGAL_ENTITY, Mock, Vendor, YODLEE_ADMIN};

/// The lifetime of tokens: short enough to see several renewals.
const LIFE: Duration = Duration::from_secs(30);

/// The API of each upstream, in the order of their ports, and a path with a sample.
const DOORS: [(Api, &str); 5] = [
    (Api::Younium, "/accounts"),
    (Api::YouniumV1, "/accounts"),
    (Api::Yodlee, "/accounts"),
    (Api::Dnb, "/companies"),
    (Api::Simacan, "/trips"),
];

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listen address is invalid.
    #[error("invalid listen address `{0}`: write HOST:PORT, as in `localhost:8080`, with a PORT up to 65531")]
    Listen(String),
    #[error("cannot start the mocked APIs on 127.0.0.1")]
    Mock(#[from] io::Error),
}

/// The demo: the mocked APIs and the upstreams of bearerd.
pub struct Demo {
    pub mock: Mock,
    host: String,
    port: u16,
}

/// Starts the mocked APIs, for a bearerd whose first upstream listens on `listen`; the others use the next ports.
///
/// # Errors
///
/// If `listen` is not `HOST:PORT`, or no loopback port is available.
pub async fn start(clock: SharedClock, listen: &str) -> Result<Demo, StartError> {
    let (host, port) = address(listen).ok_or_else(|| StartError::Listen(listen.to_owned()))?;
    let mock = Mock::start(clock).await?;
    for (api, _) in DOORS {
        mock.vendor(api).lives(LIFE);
    }
    Ok(Demo { mock, host, port })
}

fn address(listen: &str) -> Option<(String, u16)> {
    let (host, port) = listen.rsplit_once(':')?;
    let port = port.parse().ok()?;
    // The other upstreams need ports of their own.
    let last = u16::try_from(DOORS.len()).ok()? - 1;
    (!host.is_empty() && port <= u16::MAX - last).then(|| (host.to_owned(), port))
}

impl Demo {
    /// A complete configuration for bearerd.
    pub fn config_toml(&self, admin: &str) -> String {
        let mut toml = format!("[admin]\nlisten = {admin:?}\n");
        for (door, (api, _)) in DOORS.into_iter().enumerate() {
            let (name, vendor) = (api.name(), self.mock.vendor(api));
            // Writing to a string cannot fail.
            let _ = write!(toml, "\n[upstream.{name}]\nlisten = {:?}\nflow = {name:?}\n", self.listen(door));
            let _ = writeln!(toml, "url = {:?}\n\n[upstream.{name}.with]", vendor.url());
            for (variable, value) in variables(vendor) {
                let _ = writeln!(toml, "{variable} = {value:?}");
            }
        }
        toml
    }

    /// A `curl` command per upstream.
    pub fn curl_lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = (0..).zip(DOORS).map(|(door, (_, path))| self.curl(door, path)).collect();
        lines.insert(3, format!("{} -H 'X-Yodlee-Login: anna'", self.curl(2, "/accounts")));
        lines
    }

    /// A receiver of events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.mock.events()
    }

    /// The base URLs of the mocked APIs.
    pub fn urls(&self) -> Vec<(&'static str, String)> {
        DOORS.iter().map(|(api, _)| (api.name(), self.mock.vendor(*api).url())).collect()
    }

    fn curl(&self, door: usize, path: &str) -> String {
        format!("curl {}{path}", self.listen(door))
    }

    /// Port 0 stays 0: the kernel picks a port for each upstream.
    fn listen(&self, door: usize) -> String {
        let port = if self.port == 0 { 0 } else { usize::from(self.port) + door };
        format!("{}:{port}", self.host)
    }
}

/// The flow's variables for this API, its addresses and credentials included.
fn variables(vendor: &Vendor) -> Vec<(&'static str, String)> {
    let credentials = vendor.api.credentials();
    let (id, secret) = (credentials.id.to_owned(), credentials.secret.to_owned());
    if vendor.api == Api::Simacan {
        return vec![("auth", vendor.url()), ("username", id), ("password", secret)];
    }
    let mut variables = vec![("client_id", id), ("client_secret", secret)];
    match vendor.api {
        Api::Yodlee => variables.extend([("base", vendor.url()), ("admin_login", YODLEE_ADMIN.to_owned())]),
        Api::Dnb => {
            variables.extend([("token_url", vendor.token_url()), ("scope", "credit_data_companies".to_owned())])
        }
        _ => variables.extend([("base", vendor.url()), ("legal_entity", LEGAL_ENTITY.to_owned())]),
    }
    variables
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    async fn demo(listen: &str) -> Result<Demo, StartError> {
        start(Arc::new(SystemClock), listen).await
    }

    #[tokio::test]
    async fn the_configuration_is_toml_with_a_door_for_each_api() {
        let demo = demo("localhost:8080").await.unwrap();
        let config: toml_edit::DocumentMut = demo.config_toml("localhost:9090").parse().unwrap();
        let listen = |name: &str| config["upstream"][name]["listen"].as_str().unwrap().to_owned();
        let doors = ["younium", "younium-v1", "yodlee", "dnb-europe", "simacan"].map(listen);
        assert_eq!(doors, ["8080", "8081", "8082", "8083", "8084"].map(|port| format!("localhost:{port}")));
        assert_eq!(config["admin"]["listen"].as_str(), Some("localhost:9090"));
        let dnb = &config["upstream"]["dnb-europe"];
        assert_eq!(dnb["with"]["client_secret"].as_str(), Some(mock::DNB.secret));
        assert_eq!(dnb["with"]["token_url"].as_str(), Some(demo.mock.dnb().token_url().as_str()));
        assert_eq!(config["upstream"]["yodlee"]["url"].as_str(), Some(demo.mock.yodlee().url().as_str()));
    }

    #[tokio::test]
    async fn the_first_line_shows_younium_accounts() {
        let demo = demo("localhost:8080").await.unwrap();
        let lines = demo.curl_lines();
        assert_eq!(lines[0], "curl localhost:8080/accounts");
        assert_eq!(lines[3], "curl localhost:8082/accounts -H 'X-Yodlee-Login: anna'");
        assert_eq!(lines[5], "curl localhost:8084/trips");
    }

    #[tokio::test]
    async fn ports_count_up_from_the_one_asked_for() {
        let simacan = |demo: &Demo| demo.curl_lines()[5].clone();
        assert_eq!(simacan(&demo("[::1]:9000").await.unwrap()), "curl [::1]:9004/trips");
        assert_eq!(simacan(&demo("127.0.0.1:0").await.unwrap()), "curl 127.0.0.1:0/trips");
        for wrong in ["8080", ":8080", "localhost:http", "localhost:65532"] {
            assert!(matches!(demo(wrong).await, Err(StartError::Listen(_))), "{wrong}");
        }
    }
}
