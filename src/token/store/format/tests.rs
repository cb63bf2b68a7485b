use super::*;
use crate::clock::{Clock, PausedClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The clock of another machine, with another start and a settable wall clock.
#[derive(Default)]
struct HandClock {
    now: u64,
    wall: AtomicU64,
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::from_start(Duration::from_secs(self.now))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.wall.load(Ordering::Relaxed))
    }
}

fn clock(now: u64, wall: u64) -> SharedClock {
    Arc::new(HandClock { now, wall: AtomicU64::new(wall) })
}

fn format(clock: SharedClock, key: Option<&str>) -> RecordFormat {
    RecordFormat::new(clock, key.map(Secret::new).as_ref()).unwrap()
}

fn name() -> StoreKey {
    StoreKey::new(["simacan", "auth", "https://auth.example.com"])
}

/// Issued at 1000 for an hour.
fn stored() -> Stored {
    let issued = Moment::from_start(Duration::from_secs(1000));
    let grant = Grant {
        access: Secret::new("a-token"),
        refresh: Some(Secret::new("a-refresh-token")),
        captures: BTreeMap::from([("instance".to_owned(), Secret::new("a-capture"))]),
        issued,
        life: Life::Until(issued + Duration::from_secs(3600)),
        refresh_in: Some(Duration::from_secs(1800)),
    };
    Stored { number: 7, grant, refresh_sent: true, forced: true }
}

fn written(key: Option<&str>) -> Zeroizing<Vec<u8>> {
    format(clock(1010, 500_000), key).write(&name(), &stored()).unwrap()
}

/// Reads it on another machine, whose clock started at another time.
fn read(bytes: &[u8], key: Option<&str>) -> Result<Stored, String> {
    format(clock(90_000, 500_000), key).read(&name(), bytes).map_err(|error| error.message)
}

fn shifted(by: u64) -> Stored {
    let mut stored = stored();
    stored.grant.issued = stored.grant.issued + Duration::from_secs(by);
    stored.grant.life = Life::Until(stored.grant.issued + Duration::from_secs(3600));
    stored
}

#[tokio::test(start_paused = true)]
async fn a_record_can_be_read_back_encrypted_or_not() {
    let clock: SharedClock = Arc::new(PausedClock::start());
    for key in [None, Some("key")] {
        let format = format(Arc::clone(&clock), key);
        let bytes = format.write(&name(), &stored()).unwrap();
        assert_eq!(format.read(&name(), &bytes).unwrap(), stored());
    }
}

#[test]
fn a_lifetime_continues_by_wall_time_after_a_reboot() {
    assert_eq!(read(&written(None), None).unwrap(), shifted(90_000 - 1010));
    let later = format(clock(5, 500_100), None).read(&name(), &written(None)).unwrap().grant;
    assert_eq!(later.life, Life::Until(Moment::from_start(Duration::from_secs(5 + 3600 - 110))));
    let over = format(clock(5, 600_000), None).read(&name(), &written(None)).unwrap().grant;
    assert_eq!(over.life, Life::Until(Moment::from_start(Duration::ZERO)));
}

#[test]
fn a_wall_that_went_back_makes_no_life_longer() {
    let early = format(clock(90_000, 400_000), None).read(&name(), &written(None)).unwrap().grant;
    assert_eq!(early.issued, Moment::from_start(Duration::from_secs(90_000)));
    assert_eq!(early.length(), Some(Duration::from_secs(3600)));
}

#[test]
fn an_unknown_life_stays_unknown() {
    let mut endless = stored();
    endless.grant.life = Life::UntilRejected;
    (endless.grant.refresh, endless.grant.refresh_in) = (None, None);
    let bytes = format(clock(1010, 500_000), None).write(&name(), &endless).unwrap();
    assert_eq!(read(&bytes, None).unwrap().grant.life, Life::UntilRejected);
}

#[test]
fn a_sealed_record_shows_nothing_not_even_its_name() {
    let text = String::from_utf8(written(Some("key")).to_vec()).unwrap();
    for hidden in ["a-token", "a-refresh-token", "a-capture", "simacan", "example.com"] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[test]
fn a_wrong_key_a_missing_key_and_unencrypted_content_have_different_errors() {
    let wrong = read(&written(Some("key")), Some("other")).unwrap_err();
    assert!(wrong.contains("another `store.key`"), "{wrong}");
    let none = read(&written(Some("key")), None).unwrap_err();
    assert!(none.contains("set `store.key`"), "{none}");
    let unsealed = read(&written(None), Some("key")).unwrap_err();
    assert!(unsealed.contains("not encrypted"), "{unsealed}");
}

#[test]
fn a_record_under_another_name_is_refused() {
    let other = StoreKey::new(["simacan", "auth", "https://evil.example.com"]);
    for key in [None, Some("key")] {
        let error = format(clock(0, 0), key).read(&other, &written(key)).unwrap_err();
        assert!(error.message.contains("token"), "{error}");
    }
}

#[test]
fn another_version_is_named_whatever_else_it_holds() {
    let error = read(br#"{"bearerd":2,"sealed":7}"#, None).unwrap_err();
    assert!(error.contains("format 2") && error.contains("reads format 1"), "{error}");
}

#[test]
fn the_error_about_a_damaged_record_shows_none_of_its_content() {
    let whole = written(None);
    let texts: [&[u8]; 6] =
        [b"", b"{}", b"a-token", b"\xff\xfe", br#"{"bearerd":1}"#, br#"{"bearerd":1,"token":{"access":"a-token"}}"#];
    for bytes in texts.into_iter().chain((0..whole.len()).map(|end| &whole[..end])) {
        let error = read(bytes, None).unwrap_err();
        assert!(error.contains("damaged") && !error.contains("a-token"), "{error}");
        assert!(read(bytes, Some("key")).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_crash_it(bytes: Vec<u8>, at: proptest::sample::Index, byte: u8) {
        let _ = read(&bytes, None);
        let _ = read(&bytes, Some("key"));
        for key in [None, Some("key")] {
            let mut changed = written(key).to_vec();
            let at = at.index(changed.len());
            changed[at] = byte;
            let _ = read(&changed, key);
        }
    }
}
