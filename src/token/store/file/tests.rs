use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::SystemTime;

use super::*;
use crate::clock::{Clock, Moment, SharedClock, SystemClock};
use crate::secret::Secret;
use crate::token::fake::rotating;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tokens")
    }

    /// The store of one process.
    fn store(&self) -> FileStore {
        FileStore::open(self.path(), RecordFormat::new(clock(), None).unwrap(), true).unwrap()
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.path().join(format!("{}.{extension}", key().stem()))
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Stands still, so that times read equal times written.
struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Moment {
        Moment::from_start(Duration::from_secs(1_000_000))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }
}

fn clock() -> SharedClock {
    Arc::new(StandingClock)
}

fn key() -> StoreKey {
    StoreKey::new(["simacan", "auth", "https://auth.example.com"])
}

fn stored(number: u64) -> Stored {
    let grant = rotating(usize::try_from(number).unwrap(), StandingClock.now(), Duration::from_secs(60));
    Stored { number, grant, refresh_sent: false, forced: false }
}

async fn save(store: &FileStore, number: u64) {
    store.lease(&key()).await.unwrap().lease.save(&stored(number)).await.unwrap();
}

async fn why(store: &FileStore) -> String {
    wrong(store).await.message
}

/// The error about a stored grant, which must never advise deleting it.
async fn wrong(store: &FileStore) -> StoreError {
    let loaded = store.load(&key()).await.unwrap_err();
    assert_eq!(store.lease(&key()).await.err().unwrap(), loaded);
    for advice in ["delete", "remove"] {
        assert!(!loaded.message.contains(advice), "{loaded}");
    }
    loaded
}

#[tokio::test]
async fn a_grant_saved_by_one_process_is_found_by_the_next() {
    let place = Place::new();
    assert_eq!(place.store().load(&key()).await.unwrap(), None);
    save(&place.store(), 7).await;
    assert_eq!(place.store().load(&key()).await.unwrap(), Some(stored(7)));
    assert_eq!(place.store().lease(&key()).await.unwrap().kept, Some(stored(7)));
    assert_eq!(place.store().load(&StoreKey::new(["other"])).await.unwrap(), None);
}

#[tokio::test]
async fn files_and_directory_are_private_and_name_their_flow() {
    let place = Place::new();
    save(&place.store(), 1).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&place.path()), mode(&place.file("json"))), (0o700, 0o600));
    let names = place.files();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0] == "bearerd.lock" && names[1].starts_with("simacan-") && names[1].ends_with(".json"), "{names:?}");
}

#[test]
fn a_name_of_any_text_stays_in_its_directory() {
    for name in ["../../etc/passwd", "", "a/b", "ü", &"x".repeat(300)] {
        let stem = StoreKey::new([name]).stem();
        assert!(stem.len() < 80 && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{stem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_waits_for_the_one_before_and_sees_what_it_saved() {
    let place = Place::new();
    let (ours, theirs) = (place.store(), place.store());
    let mut first = theirs.lease(&key()).await.unwrap();
    let name = key();
    let mut second = ours.lease(&name);
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut second).await.is_err());
    assert!(ours.lease(&StoreKey::new(["other"])).await.is_ok(), "another token is nobody's business");
    first.lease.save(&stored(7)).await.unwrap();
    drop(first);
    assert_eq!(second.await.unwrap().kept, Some(stored(7)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_lock_that_is_held_forever_ends() {
    let place = Place::new();
    let _held = place.store().lease(&key()).await.unwrap();
    for (patience, said) in [(LONGEST_LEASE, "for 30.0 s"), (Duration::from_millis(250), "for 0.2 s")] {
        let (started, name) = (tokio::time::Instant::now(), key());
        let error = place.store().lease_within(&name, patience).await.err().unwrap();
        assert!(error.fault == StoreFault::Held && error.message.contains(said), "{error:?}");
        assert_eq!(started.elapsed().as_secs(), patience.as_secs());
    }
}

#[tokio::test]
async fn a_temporary_file_of_a_dead_writer_is_removed_unread() {
    let place = Place::new();
    save(&place.store(), 7).await;
    std::fs::write(place.file("tmp"), "half a tok").unwrap();
    let leased = place.store().lease(&key()).await.unwrap();
    assert_eq!(leased.kept, Some(stored(7)));
    assert!(!place.file("tmp").exists());
}

#[tokio::test]
async fn a_store_file_that_other_users_could_have_accessed_is_refused_and_left_alone() {
    let place = Place::new();
    let store = place.store();
    save(&store, 7).await;
    let file = place.file("json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = why(&store).await;
    assert!(error.contains("mode 0640") && error.contains(file.to_str().unwrap()), "{error}");
    assert!(!error.contains("r7"), "{error}");

    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    why(&store).await;
}

#[tokio::test]
async fn a_file_of_another_user_is_refused() {
    let place = Place::new();
    let store = place.store();
    save(&store, 7).await;
    // Only root can change the owner of a file; other users test with a file of root's.
    if std::os::unix::fs::chown(place.file("json"), Some(12_345), None).is_ok() {
        let error = wrong(&store).await;
        assert!(error.fault == StoreFault::Misconfigured && error.message.contains("user 12345"), "{error:?}");
    } else {
        assert!(read_own(Path::new("/etc/passwd")).unwrap_err().to_string().contains("user 0"));
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_not_overwritten() {
    let place = Place::new();
    let store = place.store();
    save(&store, 7).await;
    let whole = std::fs::read_to_string(place.file("json")).unwrap();
    let cut = whole.split_at(whole.len() / 2).0;
    let newer = "{\"bearerd\":9}";
    for (content, fault) in [
        ("", StoreFault::Damaged),
        ("garbage", StoreFault::Damaged),
        (cut, StoreFault::Damaged),
        (newer, StoreFault::Misconfigured),
    ] {
        std::fs::write(place.file("json"), content).unwrap();
        let error = wrong(&store).await;
        assert!(error.fault == fault && error.message.contains("the stored token"), "{content}: {error:?}");
        assert_eq!(std::fs::read_to_string(place.file("json")).unwrap(), content);
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_written_does_not_open() {
    let place = Place::new();
    std::fs::write(place.path(), "a file").unwrap();
    let open = |path| FileStore::open(path, RecordFormat::new(clock(), None).unwrap(), true).err();
    assert!(open(place.path()).unwrap().message.contains("cannot create the directory"));
}

#[tokio::test]
async fn without_locks_a_token_is_stored_but_no_refresh_token() {
    let place = Place::new();
    let store = place.store();
    let format = RecordFormat::new(clock(), None).unwrap();
    let store =
        FileStore { directory: Arc::new(Directory { path: store.directory.path.clone(), format, locks: false }) };
    let mut plain = stored(7);
    let error = store.lease(&key()).await.unwrap().lease.save(&plain).await.unwrap_err();
    assert!(error.message.contains("no locks"), "{error}");
    plain.grant.refresh = None;
    store.lease(&key()).await.unwrap().lease.save(&plain).await.unwrap();
    assert_eq!(store.load(&key()).await.unwrap(), Some(plain));
}

#[tokio::test]
async fn a_sealed_store_shows_nothing_on_the_disk() {
    let place = Place::new();
    let sealed = |key: &str| {
        let clock: SharedClock = Arc::new(SystemClock);
        FileStore::open(place.path(), RecordFormat::new(clock, Some(&Secret::new(key))).unwrap(), true).unwrap()
    };
    save(&sealed("key"), 7).await;
    let text = std::fs::read_to_string(place.file("json")).unwrap();
    // With quotes, because two letters can occur by chance in base64.
    assert!(!text.contains("\"r7\"") && !text.contains("\"t7\""), "{text}");
    let error = wrong(&sealed("other")).await;
    assert!(error.fault == StoreFault::Misconfigured && error.message.contains("another `store.key`"), "{error:?}");
    assert_eq!(sealed("key").load(&key()).await.unwrap().unwrap().number, 7);
}

#[tokio::test]
async fn a_lock_held_by_another_process_proves_that_locks_work() {
    let place = Place::new();
    drop(place.store());
    let taken = open_lock(&place.path().join("bearerd.lock")).unwrap();
    flock(&taken, FlockOperation::NonBlockingLockExclusive).unwrap();
    save(&place.store(), 1).await;
    assert!(place.store().lasts());
}

#[tokio::test]
async fn a_store_file_that_is_not_regular_or_too_large_is_refused() {
    let place = Place::new();
    let store = place.store();
    save(&store, 1).await;
    File::options().write(true).open(place.file("json")).unwrap().set_len(LARGEST + 1).unwrap();
    assert!(why(&store).await.ends_with("it is not a file, or it is far too large"));
    std::fs::remove_file(place.file("json")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.file("json"), rustix::fs::Mode::from(0o600)).unwrap();
    assert!(why(&store).await.ends_with("it is not a file, or it is far too large"), "and nobody waits for a writer");
}

#[tokio::test]
async fn a_token_behind_a_link_is_refused() {
    let place = Place::new();
    let store = place.store();
    save(&store, 1).await;
    let elsewhere = place.path().join("elsewhere");
    std::fs::rename(place.file("json"), &elsewhere).unwrap();
    symlink(&elsewhere, place.file("json")).unwrap();
    assert_eq!(wrong(&store).await.fault, StoreFault::Misconfigured);
}

#[tokio::test]
async fn an_obstacle_to_a_write_is_reported() {
    let place = Place::new();
    let store = place.store();
    std::fs::create_dir(place.file("tmp")).unwrap();
    assert!(store.lease(&key()).await.err().unwrap().message.contains("irectory"));
}
