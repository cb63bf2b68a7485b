//! Reading configuration files.

use std::path::Path;

use crate::document::{Layer, Place, Problem};

/// A TOML file as a layer. Relative paths start from its directory.
pub(super) fn toml_file(path: &Path) -> Result<Layer, Problem> {
    let origin = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Problem {
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
pub(super) fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
