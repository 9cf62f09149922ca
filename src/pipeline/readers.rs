//! The children in which one thread reads pages: one as the settings say, and one as somebody asked for.

use super::limits;
use super::shared::Shared;
use crate::config::{Config, OcrEngine};
use crate::document::Options;
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::infer::manifests::models_dir;
use crate::sandbox::{Reply, Request, Worker, networks};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a child that reads otherwise is kept for the next page: pages of several documents take turns, and
/// it needs a second or two to load its languages.
const KEPT: Duration = Duration::from_secs(60);

/// Children of one thread.
pub struct Readers {
    program: PathBuf,
    usual: Worker,
    other: Option<Other>,
}

/// A child that reads otherwise.
struct Other {
    options: Options,
    worker: Worker,
    used: Instant,
}

impl Readers {
    /// Children start with their first page.
    pub fn new(shared: &Shared, program: &Path) -> Self {
        let usual = shared.sandbox(Stage::Digitize, program);
        Self { program: program.to_owned(), usual, other: None }
    }

    /// The child that reads as the settings say.
    pub fn usual(&mut self) -> &mut Worker {
        &mut self.usual
    }

    /// Asks the child that reads as `options` say about the document `bytes` with this digest.
    ///
    /// Errors: as of [`Worker::call`]; `Reject` where this machine cannot read so.
    pub fn call(
        &mut self,
        shared: &Shared,
        options: &Options,
        request: &Request,
        sha256: &str,
        bytes: &[u8],
    ) -> Result<Reply> {
        if !options.reads() {
            self.other.take_if(|other| other.used.elapsed() > KEPT);
            return self.usual.call(request, sha256, bytes);
        }
        let alike = |other: &Other| {
            (&other.options.languages, other.options.engine) == (&options.languages, options.engine)
        };
        let other = match self.other.take().filter(alike) {
            Some(other) => other,
            None => {
                let config = asked(&shared.config, options)?;
                let settings = limits::sandbox(&config, Stage::Digitize, &self.program);
                let worker = shared.worker(settings);
                Other { options: options.clone(), worker, used: Instant::now() }
            }
        };
        let other = self.other.insert(other);
        let reply = other.worker.call(request, sha256, bytes);
        other.used = Instant::now();
        // What the settings ask for was tried at the start; what one document asks for ends nothing else. A GPU that is
        // lost is no document's fault.
        reply.map_err(|error| match error {
            Error::Fatal(failure) if failure.class != Class::Internal => Error::Reject(failure),
            error => error,
        })
    }
}

/// The settings with what is asked for in their place.
fn asked(config: &Config, options: &Options) -> Result<Config> {
    let mut config = config.clone();
    config.digitize.engine = options.engine.unwrap_or(config.digitize.engine);
    if !options.languages.is_empty() {
        config.digitize.languages = options.languages.join("+");
    }
    let alone = options.engine == Some(OcrEngine::Ppocr);
    if alone && !networks::are_in(&models_dir(&config).join(networks::MANIFEST)) {
        let reason = "the networks of the engine `ppocr`, which is asked for, are not there";
        let mut failure = Failure::new(Stage::Digitize, Class::Config, reason);
        failure.remedy = "run `quire models fetch`, or ask for the engine `tesseract`".to_owned();
        return Err(Error::Reject(failure));
    }
    Ok(config)
}
