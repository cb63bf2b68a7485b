//! Tokens in a directory: one file per token, replaced atomically, with a lock file beside it.
//!
//! Nothing here runs on a thread that serves requests. A token has the files `NAME.json`, `NAME.lock` (permanent) and,
//! during a write, `NAME.tmp`. Only the holder of the lock writes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

use super::format::RecordFormat;
use super::{LONGEST_LEASE, Lease, Leased, Store, StoreError, StoreFault, Stored};
use crate::panics::Panicked;
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;

/// The interval for polling a lock that another process holds. A blocking lock would not notice that its own process is
/// stopping.
const LOOK: Duration = Duration::from_millis(20);
/// The maximum file size in bytes; a token has a few KiB.
const LARGEST: u64 = 1 << 20;

/// Tokens in a directory.
pub struct FileStore {
    directory: Arc<Directory>,
}

struct Directory {
    path: PathBuf,
    format: RecordFormat,
    /// Whether the file system supports locks.
    locks: bool,
}

/// The files of one name.
#[derive(Clone)]
struct Files {
    directory: Arc<Directory>,
    key: StoreKey,
    stem: String,
}

struct FileLease {
    files: Files,
    /// Closing the file releases the lock.
    lock: Arc<File>,
}

impl FileStore {
    /// Opens the store in this directory and creates it if needed. `locks`: refresh tokens will be stored, so a file
    /// system without locks is refused.
    pub fn open(path: PathBuf, format: RecordFormat, locks: bool) -> Result<Self, StoreError> {
        let at = |what: &str, error: io::Error| {
            StoreError::new(StoreFault::Misconfigured, format!("{what} `{}`: {error}", path.display()))
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&path).map_err(|error| at("cannot create the directory", error))?;
        let probed = probe(&path).map_err(|error| at("cannot write to the directory", error))?;
        if locks && !probed {
            return Err(no_locks(&path));
        }
        Ok(Self { directory: Arc::new(Directory { path, format, locks: probed }) })
    }

    fn files(&self, key: &StoreKey) -> Files {
        Files { directory: Arc::clone(&self.directory), key: key.clone(), stem: key.stem() }
    }
}

fn probe(directory: &Path) -> io::Result<bool> {
    let file = open_lock(&directory.join("bearerd.lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(_) => Ok(false),
    }
}

fn no_locks(directory: &Path) -> StoreError {
    let message = format!(
        "the file system of `{}` has no locks, so two processes could use up each other's refresh token: use a \
         local directory, or `kind = \"redis\"`",
        directory.display()
    );
    StoreError::new(StoreFault::Misconfigured, message)
}

fn open_lock(path: &Path) -> io::Result<File> {
    // Writable, because NFS grants exclusive locks only on writable files.
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)
}

impl Files {
    fn path(&self, extension: &str) -> PathBuf {
        self.directory.path.join(format!("{}.{extension}", self.stem))
    }

    fn error(&self, error: StoreError) -> StoreError {
        error.about(format_args!("the stored token `{}`", self.path("json").display()))
    }

    fn failed(&self, what: &str, error: &io::Error) -> StoreError {
        self.error(StoreError::new(fault(error), format!("{what}{error}")))
    }

    fn read(&self) -> Result<Option<Stored>, StoreError> {
        let content = read_own(&self.path("json")).map_err(|error| self.error(error))?;
        let Some(bytes) = content else { return Ok(None) };
        self.directory.format.read(&self.key, &bytes).map(Some).map_err(|error| self.error(error))
    }

    /// The lock, if it is free.
    fn lock(&self) -> Result<Option<File>, StoreError> {
        let file = open_lock(&self.path("lock")).map_err(|error| self.failed("cannot lock it: ", &error))?;
        if !self.directory.locks {
            return Ok(Some(file));
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(self.failed("cannot lock it: ", &error.into())),
        }
    }

    /// Reads the stored grant under a new lock. The previous holder may have died while writing.
    fn begin(&self) -> Result<Option<Stored>, StoreError> {
        remove(&self.path("tmp")).map_err(|error| self.failed("cannot remove its `.tmp`: ", &error))?;
        self.read()
    }

    fn write(&self, stored: &Stored) -> Result<(), StoreError> {
        if !self.directory.locks && stored.grant.refresh.is_some() {
            return Err(no_locks(&self.directory.path));
        }
        let bytes = self.directory.format.write(&self.key, stored).map_err(|error| self.error(error))?;
        self.replace(&bytes).map_err(|error| self.failed("cannot write it: ", &error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path("tmp");
        remove(&temporary)?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.path("json"))?;
        // The rename must survive a power failure too.
        File::open(&self.directory.path)?.sync_all()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn fault(error: &io::Error) -> StoreFault {
    match error.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory => StoreFault::Misconfigured,
        // A symbolic link instead of a file.
        _ if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP) => StoreFault::Misconfigured,
        _ => StoreFault::Failed,
    }
}

/// The content of a file that no other user could have read or written, if it exists.
fn read_own(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let failed = |error: io::Error| StoreError::new(fault(&error), error.to_string());
    let foreign = |message: String| Err(StoreError::new(StoreFault::Misconfigured, message));
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let about = file.metadata().map_err(failed)?;
    let (owner, us) = (about.uid(), rustix::process::geteuid().as_raw());
    if owner != us {
        return foreign(format!("it belongs to user {owner}, but bearerd runs as {us}"));
    }
    if about.mode() & 0o077 != 0 {
        let mode = about.mode() & 0o7777;
        return foreign(format!("other users can open it (mode {mode:04o}): set its mode to 0600 if it is yours"));
    }
    if !about.is_file() || about.len() > LARGEST {
        return Err(StoreError::new(StoreFault::Damaged, "it is not a file, or it is far too large"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default()));
    file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Runs on a thread that may block on disk I/O.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        let why = if error.is_panic() { Panicked.to_string() } else { "the process ends".to_owned() };
        Err(StoreError::new(StoreFault::Failed, why))
    })
}

/// Takes the lock and reads the stored grant.
async fn lease(files: Files) -> Result<Leased, StoreError> {
    loop {
        let ours = files.clone();
        if let Some((lock, kept)) = on_disk(move || match ours.lock()? {
            Some(lock) => Ok(Some((lock, ours.begin()?))),
            None => Ok(None),
        })
        .await?
        {
            return Ok(Leased { kept, lease: Box::new(FileLease { files, lock: Arc::new(lock) }) });
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Store for FileStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        let files = self.files(key);
        Box::pin(on_disk(move || files.read()))
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        self.lease_within(key, LONGEST_LEASE)
    }

    fn lease_within<'a>(&'a self, key: &'a StoreKey, patience: Duration) -> BoxFuture<'a, Result<Leased, StoreError>> {
        let files = self.files(key);
        Box::pin(async move {
            let seconds = patience.as_secs_f32();
            let held = format!("another process has held its lock for {seconds:.1} s and is slow or stopped");
            let held = files.error(StoreError::new(StoreFault::Held, held));
            tokio::time::timeout(patience, lease(files)).await.unwrap_or(Err(held))
        })
    }

    fn retire(&self, _: &StoreKey) {}

    fn lasts(&self) -> bool {
        true
    }
}

impl Lease for FileLease {
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        let (files, lock, stored) = (self.files.clone(), Arc::clone(&self.lock), stored.clone());
        Box::pin(on_disk(move || {
            let written = files.write(&stored);
            // A write continues under the lock even if its lease was dropped.
            drop(lock);
            written
        }))
    }
}

#[cfg(test)]
mod tests;
