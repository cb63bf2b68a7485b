//! Events of the mocked APIs in words.

use std::fmt;

use super::mock::{Event, Kind, What};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.api.name())?;
        match &self.what {
            What::Issued { kind, number, subject, seconds, left } => {
                let how = match (kind, left) {
                    (Kind::Refresh, _) => "renewed with its refresh token",
                    (_, Some(_)) => "logged in again",
                    _ => "logged in",
                };
                f.write_str(how)?;
                if let Some(subject) = subject {
                    write!(f, " for {subject}")?;
                }
                if let Some(left) = left {
                    write!(f, ", {left} s before the old token expires")?;
                }
                write!(f, " (token #{number}, {seconds} s)")
            }
            What::Refused { kind: Kind::Refresh, status } => write!(f, "refused the refresh token ({status})"),
            What::Refused { kind: Kind::Revoke, status } => write!(f, "refused to revoke a token ({status})"),
            What::Refused { status, .. } => write!(f, "refused the login ({status})"),
            What::Revoked { number } => write!(f, "revoked token #{number}"),
            What::Expired { number } => write!(f, "rejected a call with token #{number}, which has expired (401)"),
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
        let say = |api, what| Event { api, what }.to_string();
        let issued = |kind, subject: Option<&str>, left| What::Issued {
            kind,
            number: 3,
            subject: subject.map(str::to_owned),
            seconds: 30,
            left,
        };
        let login = issued(Kind::Login, Some("anna"), None);
        assert_eq!(say(Api::Yodlee, login), "yodlee: logged in for anna (token #3, 30 s)");
        let again = issued(Kind::Login, None, Some(8));
        assert_eq!(
            say(Api::Younium, again),
            "younium: logged in again, 8 s before the old token expires (token #3, 30 s)"
        );
        let renewed = issued(Kind::Refresh, None, Some(8));
        assert_eq!(
            say(Api::Simacan, renewed),
            "simacan: renewed with its refresh token, 8 s before the old token expires (token #3, 30 s)"
        );
        let called = What::Called { method: "GET".into(), path: "/ysl/accounts".into(), number: Some(3) };
        assert_eq!(say(Api::Yodlee, called), "yodlee: GET /ysl/accounts with token #3");
        let expired = What::Expired { number: 3 };
        assert_eq!(say(Api::Yodlee, expired), "yodlee: rejected a call with token #3, which has expired (401)");
    }
}
