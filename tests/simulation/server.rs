//! An authorization server with sessions, and the API that accepts its tokens.

use std::collections::HashMap;
use std::time::Duration;

use crate::history::{Refreshing, Setup};

/// An authorization server.
pub struct Server {
    setup: Setup,
    pub secret: u32,
    issued: u32,
    access: HashMap<String, Access>,
    refresh: HashMap<String, RefreshToken>,
    sessions: Vec<bool>,
    pub api_rejects: bool,
}

struct Access {
    subject: u32,
    session: usize,
    ends: Option<Duration>,
    alive: bool,
}

struct RefreshToken {
    subject: u32,
    session: usize,
    used: bool,
}

/// The result of a token request.
#[derive(Clone, Debug)]
pub struct Granted {
    pub access: String,
    pub refresh: Option<String>,
    pub expires_in: Option<Duration>,
}

/// The reasons for a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    Client,
    Grant,
}

impl Server {
    pub fn new(setup: Setup) -> Self {
        let mut server = Self {
            setup,
            secret: 0,
            issued: 0,
            access: HashMap::new(),
            refresh: HashMap::new(),
            sessions: Vec::new(),
            api_rejects: false,
        };
        for subject in 0..server.setup.subjects.max(1) {
            server.sessions.push(true);
            let token = RefreshToken { subject, session: subject as usize, used: false };
            server.refresh.insert(first_refresh_token(subject), token);
        }
        server
    }

    pub fn login(
        &mut self,
        now: Duration,
        secret: u32,
        subject: u32,
        life: Option<Duration>,
    ) -> Result<Granted, Refusal> {
        if secret != self.secret {
            return Err(Refusal::Client);
        }
        self.sessions.push(true);
        Ok(self.issue(now, subject, self.sessions.len() - 1, life))
    }

    /// With the refresh token, or if the flow has none, with the access token.
    pub fn refresh(
        &mut self,
        now: Duration,
        secret: u32,
        with: &str,
        life: Option<Duration>,
    ) -> Result<Granted, Refusal> {
        if secret != self.secret {
            return Err(Refusal::Client);
        }
        if self.setup.refresh == Refreshing::ByAccess {
            let access = self.access.get(with).filter(|access| self.lives(access, now)).ok_or(Refusal::Grant)?;
            let (subject, session) = (access.subject, access.session);
            return Ok(self.issue(now, subject, session, life));
        }
        let rotates = self.setup.refresh == Refreshing::Rotating;
        let token = self.refresh.get_mut(with).ok_or(Refusal::Grant)?;
        let (subject, session) = (token.subject, token.session);
        if std::mem::replace(&mut token.used, rotates) {
            self.sessions[session] = false;
        }
        if !self.sessions[session] {
            return Err(Refusal::Grant);
        }
        Ok(self.issue(now, subject, session, life))
    }

    /// The newest valid token of the subject, with its remaining lifetime.
    pub fn known(&self, now: Duration, subject: u32) -> Option<Granted> {
        let mut living: Vec<_> =
            self.access.iter().filter(|(_, access)| access.subject == subject && self.lives(access, now)).collect();
        living.sort_by_key(|(name, _)| name.parse::<u32>().ok());
        let (name, access) = living.pop()?;
        Some(Granted { access: name.clone(), refresh: None, expires_in: access.ends.map(|end| end - now) })
    }

    fn issue(&mut self, now: Duration, subject: u32, session: usize, life: Option<Duration>) -> Granted {
        if self.setup.exclusive {
            self.access.values_mut().filter(|access| access.subject == subject).for_each(|access| access.alive = false);
        }
        self.issued += 1;
        let access = self.issued.to_string();
        self.access.insert(access.clone(), Access { subject, session, ends: life.map(|life| now + life), alive: true });
        let refresh = match self.setup.refresh {
            Refreshing::Rotating => Some(format!("r{access}")),
            Refreshing::Kept => Some(format!("s{session}")),
            Refreshing::No | Refreshing::ByAccess => None,
        };
        if let Some(name) = refresh.clone() {
            self.refresh.insert(name, RefreshToken { subject, session, used: false });
        }
        Granted { access, refresh, expires_in: life }
    }

    fn lives(&self, access: &Access, now: Duration) -> bool {
        access.alive && self.sessions[access.session] && access.ends.is_none_or(|end| now < end)
    }

    /// Ends the whole session (RFC 7009 §2.1).
    pub fn revoke(&mut self, access: &str) {
        if let Some(session) = self.access.get(access).map(|access| access.session) {
            self.sessions[session] = false;
        }
    }

    pub fn die(&mut self, sessions: bool) {
        self.access.values_mut().for_each(|access| access.alive = false);
        if sessions {
            self.sessions.fill(false);
        }
    }

    /// Whether the API accepts a request with this token.
    pub fn accepts(&self, now: Duration, access: &str, subject: u32) -> bool {
        let token = self.access.get(access).filter(|token| token.subject == subject);
        !self.api_rejects && token.is_some_and(|token| self.lives(token, now))
    }

    /// Whether a refresh token of this subject still works.
    pub fn has_session(&self, subject: u32) -> bool {
        let mut tokens = self.refresh.values().filter(|token| token.subject == subject);
        tokens.any(|token| !token.used && self.sessions[token.session])
    }
}

/// The first refresh token of a flow without a login.
pub fn first_refresh_token(subject: u32) -> String {
    format!("given-{subject}")
}
