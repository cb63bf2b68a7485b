//! Certificates, made on the spot by openssl.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// An authority and what it issued, as PEM files.
pub struct Authority(tempfile::TempDir);

impl Authority {
    /// Whether openssl is installed. A part that is missing is skipped; where everything must run, it is a failure.
    #[allow(clippy::explicit_write, reason = "what a test that passes prints with a macro is not shown")]
    pub fn is_possible(test: &str) -> bool {
        let found = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok();
        if !found {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "needs openssl");
            writeln!(std::io::stderr(), "skip {test}: needs openssl").unwrap();
        }
        found
    }

    /// `ca.pem` and its key.
    pub fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        authority.openssl(&format!("req -x509 {KEY} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"));
        std::fs::write(authority.directory().join("extensions"), "subjectAltName=DNS:localhost\n").unwrap();
        authority
    }

    /// `NAME.pem` and `NAME.key`, for `localhost`.
    pub fn issue(&self, name: &str) {
        self.openssl(&format!("req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        let files = "-CA ca.pem -CAkey ca.key -extfile extensions";
        self.openssl(&format!("x509 -req -in {name}.csr {files} -days 2 -out {name}.pem"));
    }

    /// Where a file is.
    pub fn path(&self, file: &str) -> String {
        self.directory().join(file).to_str().unwrap().to_owned()
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.current_dir(self.directory()).args(arguments.split_whitespace()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "openssl {arguments}");
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
