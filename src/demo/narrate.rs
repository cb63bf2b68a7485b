//! What the outside world saw, in words.

use std::fmt;

use super::mock::{Event, Kind, What};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.api.name())?;
        match &self.what {
            What::Issued { kind, number, subject, seconds } => {
                write!(f, "token #{number} issued")?;
                if let Some(subject) = subject {
                    write!(f, " for {subject}")?;
                }
                let how = if *kind == Kind::Refresh { "for a refresh token" } else { "for the credentials" };
                write!(f, " {how}, lives {seconds} s")
            }
            What::Refused { kind: Kind::Refresh, status } => write!(f, "refresh token refused ({status})"),
            What::Refused { kind: Kind::Revoke, status } => write!(f, "revocation refused ({status})"),
            What::Refused { status, .. } => write!(f, "token request refused ({status})"),
            What::Revoked { number } => write!(f, "token #{number} revoked"),
            What::Expired { number } => {
                write!(f, "token #{number} has ended, the call is refused (401)")
            }
            What::Called { method, path, number: Some(number) } => write!(f, "{method} {path} with token #{number}"),
            What::Called { method, path, number: None } => write!(f, "{method} {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::mock::Api;

    #[test]
    fn an_event_reads_as_a_sentence() {
        let say = |what| Event { api: Api::Yodlee, what }.to_string();
        let issued = What::Issued { kind: Kind::Login, number: 3, subject: Some("anna".into()), seconds: 30 };
        assert_eq!(say(issued), "yodlee: token #3 issued for anna for the credentials, lives 30 s");
        let called = What::Called { method: "GET".into(), path: "/ysl/accounts".into(), number: Some(3) };
        assert_eq!(say(called), "yodlee: GET /ysl/accounts with token #3");
        assert_eq!(say(What::Expired { number: 3 }), "yodlee: token #3 has ended, the call is refused (401)");
    }
}
