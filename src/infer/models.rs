//! The models that the configuration names, loaded, and which of them does which task.
//!
//! A task's setting is a manifest's name, a checkpoint folder, or empty for no such task. A task
//! whose checkpoint is a branch of the embedding model is a head of that model and shares its
//! forward pass; any other checkpoint is a model of its own, with its own tokenizer and windows.

use super::Engine;
use super::device::{DeviceChoice, Devices, Placed};
use super::families;
use super::generate::gguf::GgufModel;
use super::manifests::{built_in, manifests};
use super::model::{Branch, Checkpoint, Layer, Linear, Problem, Stack};
use super::weights::wrong;
use crate::config::{InferConfig, Precision};
use crate::document::{Scale, sha256_hex};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::metrics::Metrics;
use crate::tasks::{EMBEDDING, HeadOf, Tasks};
use crate::tensor::SharedNetwork;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The models that the configuration names, loaded.
pub struct Models {
    /// Each with its own tokenizer; the first embeds.
    pub loaded: Vec<Loaded>,
    /// Which model and head does which task.
    pub tasks: Tasks,
    /// `name@revision` by task.
    pub revisions: BTreeMap<String, String>,
    /// What runs the models; those of GGUF files run on the CPU.
    pub device: DeviceChoice,
    /// What tells kinds of documents over the vectors: a file that `interpret` reads.
    pub kind: Option<KindHead>,
    devices: Devices,
}

/// The file of a head that tells kinds.
#[derive(Debug, Clone)]
pub struct KindHead {
    /// Where it is, for messages.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it came with the program, and is for the default embedding model.
    pub built_in: bool,
}

/// One model.
pub struct Loaded {
    /// Its tokenizer.
    pub tokenizer: TokenizerOf,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Width of its vectors; 0 where it gives none.
    pub dimension: usize,
    /// Tokens of a window that it takes at most, marks included.
    pub max_tokens: usize,
    /// What a token costs it, as a multiple of the embedding model's cost.
    pub cost: u64,
    /// Name of its architecture.
    pub family: String,
    placed: Placed,
}

/// Where a model's tokenizer is.
pub enum TokenizerOf {
    /// A tokenizer.json, and what stands before the text of each window (`summarize: `).
    File {
        /// The file.
        path: PathBuf,
        /// What stands before.
        prefix: String,
    },
    /// It came with the model, with the prompt around each window.
    Within {
        /// The tokenizer.
        tokenizer: Box<tokenizers::Tokenizer>,
        /// Before the text.
        before: String,
        /// After it.
        after: String,
    },
}

/// Tasks that are heads of an encoder.
const HEADS: [&str; 3] = ["ner", "sentiment", "classification"];

impl Models {
    /// Loads what the configuration names.
    ///
    /// Errors: `Fatal`, naming file, tensor, expected and found, or the model to fetch.
    pub fn load(config: &InferConfig, models_dir: &Path) -> Result<Self> {
        let mut revisions = BTreeMap::new();
        let mut folder = |task: &str, setting: &str| locate(task, setting, models_dir, &mut revisions);
        let embedding = folder("embedding", &config.embedding)?.ok_or_else(|| {
            Error::fatal(Stage::Infer, Class::Config, "infer.embedding is empty: every other task needs it")
        })?;
        let settings = [&config.ner, &config.sentiment, &config.classification];
        let (mut branches, mut alone) = (Vec::new(), Vec::new());
        for (task, setting) in HEADS.into_iter().zip(settings) {
            match folder(task, setting)? {
                Some(path) if families::is_branch(&path)? => branches.push((task, path)),
                Some(path) => alone.push((task, path)),
                None => {}
            }
        }
        let summary = folder("summary", &config.summary)?;
        let kind = kind(&config.kind, &mut revisions)?;
        let paths: Vec<&Path> = branches.iter().map(|(_, path)| path.as_path()).collect();
        let trunk = families::load(&embedding, &paths)?;
        let devices = Devices::open(config.device)?;
        let device = devices.choice.clone();
        let mut models =
            Self { loaded: Vec::new(), tasks: Tasks::default(), revisions, device, kind, devices };
        let (unit, precision) = (work(&trunk), config.precision);
        let tasks: Vec<&str> = branches.iter().map(|(task, _)| *task).collect();
        models.add(&embedding, trunk, &tasks, unit, precision)?;
        for (task, path) in alone {
            let checkpoint = families::load_alone(&path)?;
            models.add(&path, checkpoint, &[task], unit, precision)?;
        }
        if let Some(path) = summary {
            models.tasks.summary = Some(models.loaded.len());
            models.loaded.push(match path.extension().is_some_and(|extension| extension == "gguf") {
                true => Loaded::decoder(&path, unit)?,
                false => Loaded::writer(&path, unit, (&mut models.devices, precision))?,
            });
        }
        models.device = models.devices.choice.clone();
        Ok(models)
    }

    /// Model threads for the setting `infer.threads`.
    pub fn threads(&self, setting: usize) -> usize {
        self.device.threads(setting, self.loaded.iter().any(|loaded| loaded.placed.on_cpu()))
    }

    /// What reads lines of text for all pages, on the GPUs that run the models; `None`: who reads a page does. `file` is
    /// its network.
    ///
    /// Errors: where a GPU is asked for, why it cannot be there.
    pub fn lines(&self, file: &[u8], metrics: &Arc<Metrics>) -> Result<Option<Arc<dyn SharedNetwork>>> {
        let lines = self.devices.lines(file, metrics)?;
        Ok(lines.map(|lines| lines as Arc<dyn SharedNetwork>))
    }

    /// Tokens of a batch for the setting `feed.batch_tokens`.
    pub fn batch_tokens(&self, setting: usize) -> usize {
        self.device.batch_tokens(setting)
    }

    /// The model that embeds.
    pub fn embedding(&self) -> Result<&Loaded> {
        let none = || Error::fatal(Stage::Infer, Class::Internal, "no model is loaded");
        self.loaded.get(EMBEDDING).ok_or_else(none)
    }

    /// One engine for each model, for one model thread.
    pub fn engines(&self) -> Vec<Box<dyn Engine>> {
        self.loaded.iter().map(|loaded| loaded.placed.engine()).collect()
    }

    /// Adds a model whose heads do `tasks`, in their order.
    fn add(
        &mut self,
        path: &Path,
        checkpoint: Checkpoint,
        tasks: &[&str],
        unit: usize,
        precision: Precision,
    ) -> Result<()> {
        let model = self.loaded.len();
        for ((head, branch), task) in checkpoint.branches.iter().enumerate().zip(tasks) {
            let reads_tokens = branch.head.pooling.is_none();
            if reads_tokens != (*task == "ner") {
                let (expected, found) = match reads_tokens {
                    true => ("SequenceClassification", "TokenClassification"),
                    false => ("TokenClassification", "SequenceClassification"),
                };
                let reason = format!("architectures: infer.{task} needs …For{expected}, found …For{found}");
                return Err(wrong(&path.join("config.json"), &reason));
            }
            let head = HeadOf {
                model,
                head,
                labels: branch.head.labels.clone(),
                scale: match branch.head.problem {
                    Problem::SingleLabel => Scale::Probability,
                    Problem::MultiLabel => Scale::Independent,
                    Problem::Regression => Scale::Value,
                },
                knows: branch.head.knows.clone(),
            };
            *self.tasks.place(task) = Some(head);
        }
        self.loaded.push(Loaded {
            tokenizer: TokenizerOf::File { path: path.join("tokenizer.json"), prefix: String::new() },
            vocabulary: checkpoint.vocab(),
            dimension: checkpoint.dimension(),
            max_tokens: checkpoint.encoder.max_tokens,
            cost: (work(&checkpoint) / unit.max(1)).max(1) as u64,
            family: families::name(path)?,
            placed: self.devices.encoder(checkpoint, precision)?,
        });
        Ok(())
    }
}

impl Loaded {
    /// A decoder from a GGUF file.
    fn decoder(path: &Path, unit: usize) -> Result<Self> {
        let model = GgufModel::load(path)?;
        let (before, after) = (model.template.before.clone(), model.template.after.clone());
        // Every byte is read for every token that is written.
        let bytes = std::fs::metadata(path).map_or(0, |about| about.len());
        Ok(Self {
            tokenizer: TokenizerOf::Within { tokenizer: Box::new(model.tokenizer.clone()), before, after },
            vocabulary: model.vocabulary(),
            dimension: 0,
            max_tokens: model.max_prompt(),
            cost: (bytes / unit.max(1) as u64).max(1),
            family: "gguf".to_owned(),
            placed: Placed::decoder(model),
        })
    }

    fn writer(path: &Path, unit: usize, (devices, precision): (&mut Devices, Precision)) -> Result<Self> {
        let writer = families::load_writer(path)?;
        let (encoder, decoder) = (&writer.model.encoder, &writer.model.decoder);
        // A text is written token by token, with every matrix read for each: far more than reading.
        let cost = of_stack(&encoder.stack)
            + writer.generation.beams * decoder.layers.len() * decoder.hidden.pow(2) * 16;
        Ok(Self {
            tokenizer: TokenizerOf::File { path: path.join("tokenizer.json"), prefix: writer.prefix.clone() },
            vocabulary: encoder.embeddings.vocab(encoder.stack.hidden),
            dimension: 0,
            max_tokens: encoder.max_tokens,
            cost: (cost / unit.max(1)).max(1) as u64,
            family: families::name(path)?,
            placed: devices.writer(writer, precision)?,
        })
    }
}

/// Multiplications for each token, in the matrix products.
fn work(checkpoint: &Checkpoint) -> usize {
    let branches = checkpoint.branches.iter().map(|branch: &Branch| of_stack(&branch.stack));
    of_stack(&checkpoint.encoder.stack) + branches.sum::<usize>()
}

fn of_stack(stack: &Stack) -> usize {
    let size = |matrix: &Linear| matrix.weight.len();
    let layer = |l: &Layer| {
        size(&l.qkv) + size(&l.attention_out) + size(&l.feed_forward.up) + size(&l.feed_forward.down)
    };
    stack.layers.iter().map(layer).sum()
}

/// The head that tells kinds, with its revision noted.
fn kind(setting: &str, revisions: &mut BTreeMap<String, String>) -> Result<Option<KindHead>> {
    if setting.is_empty() {
        return Ok(None);
    }
    if let Some(manifest) = manifests()?.iter().find(|m| m.name == setting && m.task == "kind") {
        let file = manifest.files.first().map(|file| file.in_source.as_str()).unwrap_or_default();
        let bytes = built_in(file).unwrap_or_default().to_vec();
        revisions.insert("kind".to_owned(), format!("{}@{}", manifest.name, manifest.revision()));
        return Ok(Some(KindHead { name: setting.to_owned(), bytes, built_in: true }));
    }
    let path = Path::new(setting);
    let unread = |e| {
        let what = "infer.kind is \"kinds\", a file written by `quire kinds learn`, or empty";
        wrong(path, &format!("cannot be read: {e}; {what}"))
    };
    let bytes = std::fs::read(path).map_err(unread)?;
    let digest: String = sha256_hex(&bytes).chars().take(12).collect();
    let name = path.file_stem().map_or_else(|| setting.to_owned(), |n| n.to_string_lossy().into_owned());
    revisions.insert("kind".to_owned(), format!("{name}@{digest}"));
    Ok(Some(KindHead { name: setting.to_owned(), bytes, built_in: false }))
}

fn locate(
    task: &str,
    setting: &str,
    models_dir: &Path,
    revisions: &mut BTreeMap<String, String>,
) -> Result<Option<PathBuf>> {
    if setting.is_empty() {
        return Ok(None);
    }
    let manifests = manifests()?;
    if let Some(manifest) = manifests.iter().find(|m| m.name == setting) {
        let folder = models_dir.join(&manifest.name);
        if let Some(missing) = manifest.files.iter().find(|f| !folder.join(&f.path).exists()) {
            let what = format!("{} is missing", folder.join(&missing.path).display());
            let mut failure = Failure::new(Stage::Infer, Class::Model, what);
            failure.remedy = "run `quire models fetch`".to_owned();
            return Err(Error::Fatal(failure));
        }
        revisions.insert(task.to_owned(), format!("{}@{}", manifest.name, manifest.revision()));
        return Ok(Some(folder));
    }
    let folder = PathBuf::from(setting);
    // One file, or a folder of them; of sharded weights the index tells all.
    let files =
        [folder.clone(), folder.join("model.safetensors"), folder.join("model.safetensors.index.json")];
    let [_, usual, _] = &files;
    let weights = files.iter().find(|file| file.is_file()).unwrap_or(usual).clone();
    let bytes = std::fs::read(&weights).map_err(|e| {
        let names: Vec<&str> = manifests.iter().map(|m| m.name.as_str()).collect();
        wrong(
            &weights,
            &format!("cannot be read: {e}; infer.{task} is a folder or one of {}", names.join(", ")),
        )
    })?;
    let digest: String = sha256_hex(&bytes).chars().take(12).collect();
    let name = folder.file_name().map_or_else(|| setting.to_owned(), |n| n.to_string_lossy().into_owned());
    revisions.insert(task.to_owned(), format!("{name}@{digest}"));
    Ok(Some(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_not_there_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::config::load(&crate::config::Sources::default()).unwrap().config.infer;
        let error = Models::load(&config, dir.path()).err().unwrap().to_string();
        assert!(error.contains("quire models fetch"), "{error}");
        let config = InferConfig { embedding: "no/such".to_owned(), ..config };
        let error = Models::load(&config, dir.path()).err().unwrap().to_string();
        assert!(error.contains("minilm-l6"), "{error}");
    }
}
