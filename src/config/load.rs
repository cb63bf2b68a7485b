//! Loads settings from files, environment and texts. Can be called repeatedly.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::{pipe, toml_file, utf8};
use super::resolve;
use super::{Environment, Inputs, Report, Settings};
use crate::document::{Document, Layer, Problem, Problems};

/// The default files; the first that exists is used.
const SEARCHED: &[&str] = &["bearerd.toml", "/etc/bearerd/bearerd.toml"];

/// The sources of the configuration. Loading accesses the disk.
#[derive(Clone, Debug)]
pub struct Loader {
    environment: Arc<Environment>,
    sources: Vec<ConfigSource>,
    searched: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
enum ConfigSource {
    File(PathBuf),
    /// Standard input and other pipes are read once, so that a reload has the same text.
    Text {
        origin: String,
        /// Where relative paths start.
        directory: PathBuf,
        bytes: Arc<[u8]>,
    },
}

pub struct Loaded {
    pub settings: Settings,
    /// The warnings.
    pub warnings: Report,
    /// The configuration files that were read, flows included, which `--watch` observes.
    pub files: Inputs,
}

impl Loader {
    /// Starts with the environment only. Without further sources, the default files are used.
    pub fn new(environment: Environment) -> Self {
        let searched = SEARCHED.iter().map(PathBuf::from).collect();
        Self { environment: Arc::new(environment), sources: Vec::new(), searched }
    }

    /// Adds a file; later ones win.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.push(ConfigSource::File(path.into()));
        self
    }

    /// Adds a text; `origin` is its name in problems.
    pub fn text(mut self, origin: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let (origin, bytes) = (origin.into(), bytes.into().into());
        self.sources.push(ConfigSource::Text { origin, directory: PathBuf::new(), bytes });
        self
    }

    /// Reads the pipes among the sources now, such as `--config <(…)`: later there is nothing left to read.
    pub fn drain_pipes(mut self) -> Self {
        if self.sources.is_empty() {
            self.sources.extend(self.named());
        }
        self.sources.iter_mut().for_each(ConfigSource::drain);
        self
    }

    /// Reads everything, and reports all problems at once.
    pub fn load(&self) -> Result<Loaded, Report> {
        let problems = Problems::default();
        let mut files = Inputs::default();
        let sources = self.sources();
        let mut layers = read_all(&sources, &mut files, &problems);
        layers.push(self.environment.layer(&Document::merge(layers.clone()), &problems));
        let readable = layers.len() == sources.len() + 1;
        let document = Document::merge(layers);
        // An incomplete configuration would only cause misleading problems.
        let settings = readable.then(|| resolve::settings(&document, &self.environment, &mut files, &problems));
        let has_errors = problems.has_errors();
        let report = Report::new(problems.into_sorted());
        match settings.flatten() {
            Some(settings) if !has_errors => Ok(Loaded { settings, warnings: report, files }),
            _ => Err(report),
        }
    }

    /// The address of the admin listener, as written; nothing is checked.
    pub fn admin_listen(&self) -> Option<String> {
        let problems = Problems::default();
        let mut layers = read_all(&self.sources(), &mut Inputs::default(), &problems);
        layers.push(self.environment.layer(&Document::merge(layers.clone()), &problems));
        let document = Document::merge(layers);
        let listen = document.root().json().pointer("/admin/listen")?.clone();
        match listen.get("unix") {
            Some(path) => Some(format!("unix:{}", path.as_str()?)),
            None => listen.as_str().map(str::to_owned),
        }
    }

    fn sources(&self) -> Vec<ConfigSource> {
        if !self.sources.is_empty() {
            return self.sources.clone();
        }
        let found = || self.searched.iter().find(|path| path.symlink_metadata().is_ok()).cloned();
        self.named().or_else(|| found().map(ConfigSource::File)).into_iter().collect()
    }

    fn named(&self) -> Option<ConfigSource> {
        self.environment.get("BEARERD_CONFIG").map(PathBuf::from).map(ConfigSource::File)
    }
}

impl ConfigSource {
    /// Replaces a pipe by its text.
    fn drain(&mut self) {
        if let Self::File(path) = self
            && let Some(bytes) = pipe(path)
        {
            let directory = path.parent().map(PathBuf::from).unwrap_or_default();
            *self = Self::Text { origin: path.display().to_string(), directory, bytes: bytes.into() };
        }
    }
}

fn read_all(sources: &[ConfigSource], files: &mut Inputs, problems: &Problems) -> Vec<Layer> {
    let read = sources.iter().filter_map(|source| read(source, files).map_err(|problem| problems.add(problem)).ok());
    read.collect()
}

fn read(source: &ConfigSource, files: &mut Inputs) -> Result<Layer, Problem> {
    match source {
        ConfigSource::Text { origin, directory, bytes } => {
            Ok(Layer::toml(origin, utf8(origin, bytes)?)?.beside(directory))
        }
        ConfigSource::File(path) => {
            files.add(path);
            toml_file(path)
        }
    }
}
