//! `quire bench`: how fast this machine encodes, reads and understands.
//!
//! Figures are for comparing on one machine: `benches/compare/` runs other programs beside them on
//! the same input.

mod digitize;
mod encoder;
mod fields;
mod measures;
mod ocr;
mod pipeline;
mod score;

use super::{App, print};
use crate::sandbox::{ONE_THREAD, has_one_thread};
use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Serialize;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// What `quire bench` measures.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// What the sandbox costs, and whether all cores read
    Digitize(digitize::DigitizeArgs),
    /// Tokens per second of encoders, by length mix and precision
    Encoder(encoder::EncoderArgs),
    /// How many fields of documents with known values are found, and how fast
    Fields(fields::FieldsArgs),
    /// Pages per second of OCR, on one core
    Ocr(ocr::OcrArgs),
    /// Documents per second from the inbox to the store, by stage
    Pipeline(pipeline::PipelineArgs),
}

/// Runs a benchmark.
pub fn bench(app: &App, command: &BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Digitize(_) | BenchCommand::Ocr(_) if !has_one_thread() => begin_anew()?,
        BenchCommand::Digitize(args) => digitize::run(app, args)?,
        BenchCommand::Encoder(args) => encoder::run(app, args)?,
        BenchCommand::Fields(args) => fields::run(app, args)?,
        BenchCommand::Ocr(args) => ocr::run(app, args)?,
        BenchCommand::Pipeline(args) => pipeline::run(app, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// This program once more in place of this one, without Tesseract's own threads, as sandboxed children are.
fn begin_anew() -> Result<()> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut command = Command::new(program);
    let failed = command.args(std::env::args_os().skip(1)).env(ONE_THREAD.0, ONE_THREAD.1).exec();
    Err(failed).context("cannot start without Tesseract's own threads")
}

/// Wall and CPU time of something.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Spent {
    wall_s: f64,
    cpu_s: f64,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.wall_s += other.wall_s;
        self.cpu_s += other.cpu_s;
    }
}

/// A clock for wall and CPU time.
struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    fn spent(&self) -> Spent {
        let cpu = cpu_time().saturating_sub(self.cpu);
        Spent { wall_s: self.wall.elapsed().as_secs_f64(), cpu_s: cpu.as_secs_f64() }
    }
}

/// CPU time of this process and all its threads.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value that lives through the call.
    let told = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    match told {
        0 => Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)),
        _ => Duration::ZERO,
    }
}

/// A table, or JSON where it was asked for.
fn show(app: &App, header: &[&str], rows: Vec<Vec<String>>, figures: &impl Serialize) -> Result<()> {
    if app.json {
        return print::json(figures);
    }
    print::table(header, rows);
    Ok(())
}
