//! What the sandbox costs, and whether all cores read: pages by one reader in this process, by one sandboxed child,
//! and by as many children as there are cores, page by page in turn within one run.

use super::{Clock, Spent, show};
use crate::cli::App;
use crate::config::workers;
use crate::decode::{self, Limits};
use crate::digitize::Reader;
use crate::document::{MediaType, Page, sha256_hex};
use crate::error::Stage;
use crate::pipeline::limits;
use crate::sandbox::{Reply, Request, Worker};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Arguments of `quire bench digitize`.
#[derive(Args)]
pub struct DigitizeArgs {
    /// Documents; their pages that are pictures are read
    #[arg(required = true)]
    documents: Vec<PathBuf>,
    /// How often each page is read in each way
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Children that read at once; 0: the setting digitize.workers
    #[arg(long, default_value_t = 0)]
    workers: usize,
}

/// A page that is a picture.
struct Scan {
    bytes: Arc<[u8]>,
    sha256: String,
    media_type: MediaType,
    page: u32,
}

/// What was measured.
#[derive(Serialize)]
struct Figures {
    pages: usize,
    workers: usize,
    in_process: Spent,
    sandboxed: Spent,
    /// By CPU time: what a sandboxed child takes beyond a reader in this process, as a share.
    overhead_cpu: f64,
    /// The same by the clock on the wall.
    overhead_wall: f64,
    one_reader_pages_per_s: f64,
    all_workers_pages_per_s: f64,
    /// All workers, over one reader times the workers.
    scaling: f64,
}

/// Measures and prints.
pub fn run(app: &App, args: &DigitizeArgs) -> Result<()> {
    let limits = limits::limits(&app.config, None);
    let scans = scans(&args.documents, &limits)?;
    let count = if args.workers > 0 { args.workers } else { workers(app.config.digitize.workers) };
    let program = std::env::current_exe().context("where this program is")?;
    let mut children: Vec<Worker> = Vec::new();
    for _ in 0..count {
        let settings = limits::sandbox(&app.config, Stage::Digitize, &program);
        let mut child = Worker::new(settings, Arc::clone(&app.metrics));
        child.start()?;
        children.push(child);
    }
    let mut reader = limits::reader(&app.config)?;
    let (mut inside, mut outside, mut together) = (Spent::default(), Spent::default(), Spent::default());
    // The first round warms up: what is loaded late is loaded.
    for round in 0..=args.rounds {
        for scan in &scans {
            let own = timed(|| here(&mut reader, scan, &limits))?;
            let child = children.first_mut().ok_or_else(|| anyhow!("there are no workers"))?;
            let boxed = timed(|| there(child, scan, &limits))?;
            if round > 0 {
                inside += own;
                outside += boxed;
            }
        }
        let all = timed(|| side_by_side(&mut children, &scans, &limits))?;
        if round > 0 {
            together += all;
        }
    }
    let pages = (scans.len() * args.rounds) as f64;
    let one = pages / inside.wall_s.max(1e-9);
    // Each worker reads every page.
    let all = pages * count as f64 / together.wall_s.max(1e-9);
    let figures = Figures {
        pages: scans.len(),
        workers: count,
        in_process: inside,
        sandboxed: outside,
        overhead_cpu: outside.cpu_s / inside.cpu_s.max(1e-9) - 1.0,
        overhead_wall: outside.wall_s / inside.wall_s.max(1e-9) - 1.0,
        one_reader_pages_per_s: one,
        all_workers_pages_per_s: all,
        scaling: all / (one * count as f64),
    };
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    let rows = vec![
        row("pages", figures.pages.to_string()),
        row("one reader in this process, pages/s", format!("{one:.3}")),
        row("one sandboxed child, more CPU time", format!("{:.2} %", figures.overhead_cpu * 100.0)),
        row("one sandboxed child, more wall time", format!("{:.2} %", figures.overhead_wall * 100.0)),
        row(&format!("{count} sandboxed children, pages/s"), format!("{all:.3}")),
        row("of so many times one reader", format!("{:.3}", figures.scaling)),
    ];
    show(app, &["what", "figure"], rows, &figures)
}

fn scans(paths: &[PathBuf], limits: &Limits) -> Result<Vec<Scan>> {
    let mut scans = Vec::new();
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let decoded = decode::decode(&bytes, &name, None, limits)?;
        let (sha256, bytes): (_, Arc<[u8]>) = (sha256_hex(&bytes), bytes.into());
        let pictures = (1..).zip(&decoded.pages).filter(|(_, page)| matches!(page, Page::Image));
        scans.extend(pictures.map(|(page, _)| Scan {
            bytes: Arc::clone(&bytes),
            sha256: sha256.clone(),
            media_type: decoded.media_type,
            page,
        }));
    }
    if scans.is_empty() {
        bail!("no page of these documents is a picture");
    }
    Ok(scans)
}

/// What something takes, the CPU time of children with it.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<Spent> {
    let (clock, children) = (Clock::start(), children_cpu());
    work()?;
    let own = clock.spent();
    let theirs = children_cpu().saturating_sub(children).as_secs_f64();
    Ok(Spent { cpu_s: own.cpu_s + theirs, ..own })
}

fn here(reader: &mut Reader, scan: &Scan, limits: &Limits) -> Result<()> {
    let image = decode::page_image(&scan.bytes, scan.media_type, scan.page, limits)?;
    reader.read(&image.pixels, image.dpi)?;
    Ok(())
}

fn there(child: &mut Worker, scan: &Scan, limits: &Limits) -> Result<()> {
    let (media_type, page) = (scan.media_type, scan.page);
    let request = Request::Digitize { media_type, page, limits: limits.clone() };
    match child.call(&request, &scan.sha256, &scan.bytes)? {
        Reply::Page(_) => Ok(()),
        _ => bail!("the sandboxed process answered another question"),
    }
}

/// Every page as often as there are children, each by whichever is free.
fn side_by_side(children: &mut [Worker], scans: &[Scan], limits: &Limits) -> Result<()> {
    let (next, all) = (AtomicUsize::new(0), scans.len() * children.len());
    std::thread::scope(|scope| {
        let read = |child: &mut Worker| -> Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                match scans.get(number % scans.len().max(1)).filter(|_| number < all) {
                    Some(scan) => there(child, scan, limits)?,
                    None => return Ok(()),
                }
            }
        };
        let threads: Vec<_> = children.iter_mut().map(|child| scope.spawn(move || read(child))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread failed"))))
    })
}

/// CPU time of the children of this process that live, in steps of the kernel's clock (10 ms).
fn children_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let ticks: u64 =
        lists.flat_map(|list| list.split_whitespace().filter_map(ticks).collect::<Vec<_>>()).sum();
    // SAFETY: a plain call that reads a constant of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs_f64(ticks as f64 / per_second.max(1) as f64)
}

/// User and system time of a process (`proc(5)`, fields 14 and 15 of `stat`).
fn ticks(pid: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: from field 3 on.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}
