//! Tokens per second of encoders. Configurations take turns within one run, so that whatever else
//! the machine does meets all of them.

use super::{Clock, Spent, show};
use crate::batch::PackedBatch;
use crate::cli::App;
use crate::config::{Device, InferConfig, Precision};
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::infer::{DeviceChoice, Engine};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `quire bench encoder`.
#[derive(Args)]
pub struct EncoderArgs {
    /// Checkpoint folders; without any, the configured embedding model
    checkpoints: Vec<String>,
    /// On which device: auto, cpu or gpu; without it the setting infer.device
    #[arg(long)]
    device: Option<String>,
    /// Precisions to compare, on a CPU; a GPU has its own
    #[arg(long, value_delimiter = ',', default_value = "f32,bf16,int8")]
    precisions: Vec<String>,
    /// Lengths of sequences in tokens: N (32 × N), or mixed (lognormal, 8 to 512)
    #[arg(long, value_delimiter = ',', default_value = "16,128,mixed")]
    lengths: Vec<String>,
    /// A file with the length of a sequence on each line, as one more mix
    #[arg(long, value_name = "FILE")]
    lengths_file: Option<PathBuf>,
    /// Model threads; 0: the setting infer.threads
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// How often each configuration runs through its sequences
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// What one configuration did.
#[derive(Serialize)]
struct Figure {
    checkpoint: String,
    family: String,
    precision: Precision,
    device: String,
    lengths: String,
    threads: usize,
    tokens: usize,
    sequences: usize,
    tokens_per_s: f64,
    tokens_per_cpu_s: f64,
    ms_per_batch: f64,
}

/// A configuration that is being measured.
struct Running {
    checkpoint: String,
    family: String,
    precision: Precision,
    device: DeviceChoice,
    engines: Vec<Vec<Box<dyn Engine>>>,
    vocabulary: usize,
    max_tokens: usize,
}

/// Sequences of a length mix.
struct Mix {
    name: String,
    lengths: Vec<usize>,
}

/// Measures and prints.
pub fn run(app: &App, args: &EncoderArgs) -> Result<()> {
    let mixes = mixes(args)?;
    let mut running = configurations(app, args)?;
    let mut spent = vec![vec![Spent::default(); mixes.len()]; running.len()];
    // The first round warms up: pages are touched, clocks rise.
    for round in 0..=args.rounds {
        for (configuration, spent) in running.iter_mut().zip(&mut spent) {
            for (mix, spent) in mixes.iter().zip(spent) {
                let batches = pack(mix, configuration, app.config.feed.batch_tokens);
                let took = measure(&mut configuration.engines, &batches)?;
                if round > 0 {
                    *spent += took;
                }
            }
        }
    }
    let mut figures = Vec::new();
    for (configuration, spent) in running.iter().zip(spent) {
        for (mix, spent) in mixes.iter().zip(spent) {
            figures.push(figure(app, args, configuration, mix, spent));
        }
    }
    let rows = figures.iter().map(row).collect();
    let header = [
        "checkpoint",
        "family",
        "precision",
        "device",
        "lengths",
        "threads",
        "tokens/s",
        "tokens/CPU-s",
        "ms/batch",
    ];
    show(app, &header, rows, &figures)
}

fn configurations(app: &App, args: &EncoderArgs) -> Result<Vec<Running>> {
    let device = match args.device.as_deref() {
        None => app.config.infer.device,
        Some("auto") => Device::Auto,
        Some("cpu") => Device::Cpu,
        Some("gpu") => Device::Gpu,
        Some(other) => bail!("--device {other}: expected auto, cpu or gpu"),
    };
    let own = [app.config.infer.embedding.clone()];
    let checkpoints = if args.checkpoints.is_empty() { own.as_slice() } else { &args.checkpoints };
    let mut running = Vec::new();
    for checkpoint in checkpoints {
        for precision in &args.precisions {
            let precision = Precision::parse(precision)
                .with_context(|| format!("--precisions {precision}: expected f32, bf16 or int8"))?;
            let config = InferConfig {
                embedding: checkpoint.clone(),
                ner: String::new(),
                sentiment: String::new(),
                classification: String::new(),
                summary: String::new(),
                precision,
                device,
                ..app.config.infer.clone()
            };
            let models = Models::load(&config, &models_dir(&app.config))?;
            let wanted = if args.threads > 0 { args.threads } else { config.threads };
            let engines = (0..models.threads(wanted)).map(|_| models.engines()).collect();
            let on_gpu = models.device.gpus > 0;
            let model = models.embedding()?;
            running.push(Running {
                checkpoint: checkpoint.clone(),
                family: model.family.clone(),
                precision: if on_gpu { Precision::Bf16 } else { precision },
                device: models.device.clone(),
                engines,
                vocabulary: model.vocabulary,
                max_tokens: model.max_tokens,
            });
            if on_gpu {
                break;
            }
        }
    }
    Ok(running)
}

fn mixes(args: &EncoderArgs) -> Result<Vec<Mix>> {
    let mut mixes = Vec::new();
    for name in &args.lengths {
        let lengths = match name.as_str() {
            "mixed" => mixed(256),
            fixed => {
                let length: usize =
                    fixed.parse().ok().filter(|n| *n > 0).with_context(|| {
                        format!("--lengths {fixed}: expected a number of tokens, or mixed")
                    })?;
                vec![length; 32]
            }
        };
        mixes.push(Mix { name: name.clone(), lengths });
    }
    if let Some(path) = &args.lengths_file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lengths: std::result::Result<Vec<usize>, _> = text.split_whitespace().map(str::parse).collect();
        let lengths =
            lengths.with_context(|| format!("{}: expected a number on each line", path.display()))?;
        mixes.push(Mix { name: "file".to_owned(), lengths });
    }
    if mixes.iter().all(|mix| mix.lengths.is_empty()) {
        bail!("there are no sequences to measure with");
    }
    Ok(mixes)
}

/// Lengths like those of passages and searches: lognormal with a median of 66 tokens, 8 to 512.
fn mixed(count: usize) -> Vec<usize> {
    let mut state = 1u64;
    let mut uniform = || {
        // Good enough to draw lengths, and the same everywhere (Steele et al. 2014, SplitMix64).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = || {
        let (u, v) = (uniform().max(1e-12), uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (0..count).map(|_| (4.2 + 0.9 * normal()).exp().clamp(8.0, 512.0) as usize).collect()
}

/// Sequences in batches of at most `budget` tokens, as they come: lengths need no sorting.
fn pack(mix: &Mix, configuration: &Running, budget: usize) -> Vec<PackedBatch> {
    let budget = configuration.device.batch_tokens(budget);
    let mut batches = vec![PackedBatch::new()];
    let mut used = 0;
    for (index, length) in mix.lengths.iter().enumerate() {
        let length = (*length).clamp(1, configuration.max_tokens);
        if used > 0 && used + length > budget {
            batches.push(PackedBatch::new());
            used = 0;
        }
        used += length;
        let word =
            |at: usize| (index.wrapping_mul(7919) + at.wrapping_mul(104_729)) % configuration.vocabulary;
        let tokens: Vec<u32> = (0..length).map(|at| u32::try_from(word(at)).unwrap_or(0)).collect();
        if let Some(batch) = batches.last_mut() {
            batch.push(&tokens, &[]);
        }
    }
    batches
}

/// Runs all batches once, each on whichever thread is free.
fn measure(engines: &mut [Vec<Box<dyn Engine>>], batches: &[PackedBatch]) -> Result<Spent> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let clock = Clock::start();
    std::thread::scope(|scope| {
        let work = |engines: &mut Vec<Box<dyn Engine>>| -> crate::error::Result<()> {
            while let Some(batch) = batches.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                for engine in engines.iter_mut() {
                    engine.run(batch)?;
                }
            }
            Ok(())
        };
        let threads: Vec<_> = engines.iter_mut().map(|engines| scope.spawn(move || work(engines))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result.map_err(anyhow::Error::from),
            Err(_) => bail!("a model thread failed"),
        })
    })?;
    Ok(clock.spent())
}

fn figure(app: &App, args: &EncoderArgs, configuration: &Running, mix: &Mix, spent: Spent) -> Figure {
    let threads = configuration.engines.len();
    let batches = pack(mix, configuration, app.config.feed.batch_tokens);
    let tokens: usize = batches.iter().map(|batch| batch.tokens.len()).sum();
    let all = (tokens * args.rounds) as f64;
    let wall = Duration::from_secs_f64(spent.wall_s).as_secs_f64().max(1e-9);
    Figure {
        checkpoint: configuration.checkpoint.clone(),
        family: configuration.family.clone(),
        precision: configuration.precision,
        device: configuration.device.name.clone(),
        lengths: mix.name.clone(),
        threads,
        tokens,
        sequences: mix.lengths.len(),
        tokens_per_s: all / wall,
        tokens_per_cpu_s: all / spent.cpu_s.max(1e-9),
        ms_per_batch: wall * 1e3 * threads.min(batches.len()) as f64 / (batches.len() * args.rounds) as f64,
    }
}

fn row(figure: &Figure) -> Vec<String> {
    vec![
        figure.checkpoint.clone(),
        figure.family.clone(),
        figure.precision.to_string(),
        figure.device.clone(),
        figure.lengths.clone(),
        figure.threads.to_string(),
        format!("{:.0}", figure.tokens_per_s),
        format!("{:.0}", figure.tokens_per_cpu_s),
        format!("{:.2}", figure.ms_per_batch),
    ]
}
