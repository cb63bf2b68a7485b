//! The format of a stored token: versioned JSON, encrypted if there is a key.
//!
//! Times are stored as wall-clock times, because the monotonic clock restarts with the machine.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::seal::Seal;
use super::{StoreError, StoreFault, Stored};
use crate::clock::{Moment, SharedClock};
use crate::secret::Secret;
use crate::token::grant::{Grant, Life};
use crate::token::key::StoreKey;

/// The version that is written. A change of the records increments it, and must read or refuse older ones.
const VERSION: u64 = 1;

/// Encodes and decodes stored grants.
pub struct RecordFormat {
    clock: SharedClock,
    seal: Option<Seal>,
}

/// The outermost object of every record.
#[derive(Serialize, Deserialize)]
struct Envelope {
    /// The version. The key says which program wrote the file.
    bearerd: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Record>,
}

/// A token. Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    number: u64,
    refresh_sent: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    forced: bool,
    access: SecretText,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<SecretText>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    captures: BTreeMap<String, SecretText>,
    issued: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
}

/// A secret that is written to a store: the only place where one becomes plain text.
struct SecretText(Secret);

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl RecordFormat {
    /// Encrypts what it writes, if there is a key.
    pub fn new(clock: SharedClock, key: Option<&Secret>) -> Result<Self, StoreError> {
        let seal = key.map(|key| Seal::new(key).ok_or_else(|| wrong("`store.key` cannot be used as a key")));
        Ok(Self { clock, seal: seal.transpose()? })
    }

    /// Encodes a grant.
    pub fn write(&self, key: &StoreKey, stored: &Stored) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let plain = json(&self.record(key, stored))?;
        let Some(seal) = &self.seal else { return Ok(plain) };
        let sealed = seal.seal(key.as_str(), &plain).ok_or_else(|| cannot("be encrypted"))?;
        json(&Envelope { bearerd: VERSION, sealed: Some(STANDARD.encode(sealed)), token: None })
    }

    /// Decodes a grant, or explains why it cannot. What cannot be read must not be overwritten.
    pub fn read(&self, key: &StoreKey, bytes: &[u8]) -> Result<Stored, StoreError> {
        let envelope = envelope(bytes)?;
        let record = match (envelope.sealed, envelope.token, &self.seal) {
            (Some(sealed), None, Some(seal)) => {
                let sealed = STANDARD.decode(sealed).map_err(|_| garbage())?;
                let other = "it was encrypted with another `store.key` or for another token, or it was modified";
                let plain = seal.open(key.as_str(), &sealed).ok_or_else(|| wrong(other))?;
                self::envelope(&plain)?.token.ok_or_else(garbage)?
            }
            (Some(_), None, None) => return Err(wrong("it is encrypted: set `store.key`")),
            // Otherwise whoever can write there could plant a token.
            (None, Some(_), Some(_)) => {
                return Err(wrong("it is not encrypted, but `store.key` is set: remove the key"));
            }
            (None, Some(record), None) => record,
            _ => return Err(garbage()),
        };
        if record.name != key.as_str() {
            return Err(wrong("it belongs to another token: was it renamed or copied?"));
        }
        Ok(self.stored(record))
    }

    fn record(&self, key: &StoreKey, stored: &Stored) -> Envelope {
        let Stored { number, grant, refresh_sent, forced } = stored;
        let token = Record {
            name: key.as_str().to_owned(),
            number: *number,
            refresh_sent: *refresh_sent,
            forced: *forced,
            access: SecretText(grant.access.clone()),
            refresh: grant.refresh.clone().map(SecretText),
            captures: grant.captures.iter().map(|(name, value)| (name.clone(), SecretText(value.clone()))).collect(),
            issued: self.wall(grant.issued),
            expires: match grant.life {
                Life::Until(end) => Some(self.wall(end)),
                Life::UntilRejected => None,
            },
            refresh_in: grant.refresh_in.map(milliseconds),
        };
        Envelope { bearerd: VERSION, sealed: None, token: Some(token) }
    }

    fn stored(&self, record: Record) -> Stored {
        let now = self.clock.now();
        // Issued in the future: the wall clock was set back. The lifetime is then at most the original one.
        let life = record.expires.map(|end| {
            let whole = Duration::from_millis(end.saturating_sub(record.issued));
            Life::Until(self.moment(end).min(now + whole))
        });
        let grant = Grant {
            access: record.access.0,
            refresh: record.refresh.map(|text| text.0),
            captures: record.captures.into_iter().map(|(name, text)| (name, text.0)).collect(),
            issued: self.moment(record.issued).min(now),
            life: life.unwrap_or(Life::UntilRejected),
            refresh_in: record.refresh_in.map(Duration::from_millis),
        };
        Stored { number: record.number, grant, refresh_sent: record.refresh_sent, forced: record.forced }
    }

    fn wall(&self, moment: Moment) -> u64 {
        let now = self.clock.now();
        let (ahead, ago) = (milliseconds(moment.since(now)), milliseconds(now.since(moment)));
        self.wall_now().saturating_add(ahead).saturating_sub(ago)
    }

    fn moment(&self, wall: u64) -> Moment {
        let (now, between) =
            (self.wall_now(), |later: u64, earlier| Duration::from_millis(later.saturating_sub(earlier)));
        self.clock.now() + between(wall, now) - between(now, wall)
    }

    fn wall_now(&self) -> u64 {
        self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
    }
}

fn envelope(bytes: &[u8]) -> Result<Envelope, StoreError> {
    /// Read first, because the rest of an unknown version may look different.
    #[derive(Deserialize)]
    struct Version {
        bearerd: u64,
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|_| garbage())?;
    if version.bearerd != VERSION {
        let version = version.bearerd;
        return Err(wrong(&format!(
            "it has format {version}, but this bearerd reads format {VERSION}: use the bearerd that wrote it"
        )));
    }
    serde_json::from_slice(bytes).map_err(|_| garbage())
}

fn json(envelope: &Envelope) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    serde_json::to_vec(envelope).map(Zeroizing::new).map_err(|_| cannot("be written as JSON"))
}

fn garbage() -> StoreError {
    StoreError::new(StoreFault::Damaged, "it is damaged")
}

fn wrong(message: &str) -> StoreError {
    StoreError::new(StoreFault::Misconfigured, message)
}

fn cannot(what: &str) -> StoreError {
    StoreError::new(StoreFault::Failed, format!("it cannot {what}"))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
