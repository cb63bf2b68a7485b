//! Reading files: the configuration, flows, secrets and certificates. Nothing waits for a writer, and nothing is read
//! without end.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;

use crate::document::{Layer, Place, Problem};

/// The maximum size of a configuration file.
const LARGEST: u64 = 16 << 20;

/// The file that a thread reads or examines, for those who wait for it.
pub type ReadingPlace = Arc<Mutex<PathBuf>>;

thread_local! {
    static PLACE: RefCell<ReadingPlace> = RefCell::default();
}

/// Has this thread report there where it reads.
pub fn reading_place(place: ReadingPlace) {
    PLACE.set(place);
}

/// Reports that this file is next.
pub(super) fn going_to(path: &Path) {
    PLACE.with_borrow(|place| path.clone_into(&mut place.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Reads a regular file of at most `largest` bytes. A FIFO would keep the thread waiting until somebody writes to it.
pub(super) fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    going_to(path);
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        let kind = if kind.is_fifo() { "pipe" } else { "device" };
        return Err(io::Error::other(format!("it is a {kind}, not a regular file")));
    }
    bounded(file, largest)
}

fn bounded(source: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = source.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > largest {
        return Err(io::Error::other(format!("it is larger than {} MiB", largest >> 20)));
    }
    Ok(bytes)
}

/// The content of a pipe or terminal, which can be read only once; `None` for anything else, and if it cannot be read.
pub(super) fn pipe(path: &Path) -> Option<Vec<u8>> {
    let kind = path.metadata().ok()?.file_type();
    let once = kind.is_fifo() || kind.is_char_device();
    once.then(|| bounded(File::open(path).ok()?, LARGEST).ok()).flatten()
}

/// A TOML file as a layer. Relative paths start from its directory.
pub(super) fn toml_file(path: &Path) -> Result<Layer, Problem> {
    let origin = path.display().to_string();
    let bytes = read(path, LARGEST).map_err(|error| Problem {
        place: Place { origin: origin.clone(), line: None },
        message: format!("cannot read the file: {}", in_words(&error)),
        ..Problem::default()
    })?;
    let layer = Layer::toml(&origin, utf8(&origin, &bytes)?)?;
    Ok(layer.beside(path.parent().unwrap_or(Path::new(""))))
}

pub(super) fn utf8<'b>(origin: &str, bytes: &'b [u8]) -> Result<&'b str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem {
            place: Place { origin: origin.to_owned(), line: u32::try_from(line).ok() },
            message: format!("the file is not UTF-8 text: byte 0x{:02x} at offset {at}", bytes.get(at).unwrap_or(&0)),
            hint: Some("save the file as UTF-8".into()),
            ..Problem::default()
        }
    })
}

/// The system's error message without its number.
pub(super) fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_neither_without_end_nor_waiting_for_a_writer() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR).unwrap();
        std::fs::write(at("full"), "12345678").unwrap();
        std::fs::write(at("over"), "123456789").unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert_eq!(read(&at("full"), 8).unwrap(), b"12345678");
        let why = |path: &Path| in_words(&read(path, 8).unwrap_err());
        assert_eq!(why(&at("over")), "it is larger than 0 MiB");
        assert_eq!(why(&at("fifo")), "it is a pipe, not a regular file");
        assert_eq!(why(Path::new("/dev/zero")), "it is a device, not a regular file");
        assert_eq!(why(directory.path()), "is a directory");
        assert_eq!(why(&at("none")), "no such file or directory");
        assert!(read(&at("socket"), 8).is_err());
        assert!(bounded(io::repeat(0), LARGEST).is_err());
    }
}
