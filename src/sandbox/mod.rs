//! The child processes in which `decode` and `digitize` run.
//!
//! A child is this same binary. It gets an all but empty environment, no network, no files, no
//! threads, a cap on memory and one socket to its parent; the parent gives each request a deadline and kills a child that
//! passes it. A child dies with its parent.

pub mod child;
mod landlock;
mod lines;
pub mod networks;
mod seal;
mod wire;

pub use lines::unpack as unpack_lines;
pub use seal::Sealed;
pub use wire::{Fault, Reply, Request, Said, Setup, read_frame, write_frame};

use crate::error::{Class, Error, Failure, Result, Stage};
use crate::metrics::Metrics;
use crate::tensor::SharedNetwork;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A child loads its models in a second or two; a machine that is short of everything takes longer.
const START: Duration = Duration::from_secs(60);

/// Pauses before a child that was killed before it was ready is started again: that was no document's fault, and whoever
/// ran short of memory may have it back by then.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// The hidden command with which this binary becomes a sandboxed child.
pub const CHILD_COMMAND: &str = "sandbox-child";

/// How children of one kind are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stage they work for: named in failures.
    pub stage: Stage,
    /// The binary to run: this one.
    pub program: PathBuf,
    /// What a child prepares before it is sealed.
    pub setup: Setup,
    /// After this long a request's child is killed.
    pub deadline: Duration,
    /// Address space of a child, in MiB.
    pub memory_mb: u64,
    /// Whether no child goes on where the kernel does not filter its system calls.
    pub required: bool,
    /// Requests until a child is replaced; earlier if it holds half of its address space in memory.
    pub recycle_after: u32,
}

/// One slot for a child process, owned by one thread.
pub struct Worker {
    settings: Settings,
    metrics: Arc<Metrics>,
    lines: Option<Arc<dyn SharedNetwork>>,
    running: Option<Running>,
}

struct Running {
    sealed: Sealed,
    process: Child,
    socket: UnixStream,
    served: u32,
    /// SHA-256 of the document that the child holds.
    holds: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Why a call got no reply.
enum Broken {
    /// The deadline passed.
    Late,
    /// The child is gone, or what it says makes no sense.
    Gone(String),
}

impl Worker {
    /// A slot; the child starts with the first request.
    pub fn new(settings: Settings, metrics: Arc<Metrics>) -> Self {
        Self { settings, metrics, lines: None, running: None }
    }

    /// Its child gives lines of text to `lines`, and does not read them itself.
    pub fn with_lines(mut self, lines: Option<Arc<dyn SharedNetwork>>) -> Self {
        if let Setup::Digitize { lines_apart, .. } = &mut self.settings.setup {
            *lines_apart = lines.is_some();
            self.lines = lines;
        }
        self
    }

    /// Starts the child now, so that a wrong setting shows at start and not at the first document; says what
    /// the kernel took from it.
    pub fn start(&mut self) -> Result<Sealed> {
        self.running().map(|running| running.sealed)
    }

    /// Asks a child about the document `bytes` with digest `sha256`. The bytes travel only when
    /// the child does not hold them yet.
    ///
    /// A child that dies is replaced and asked once more: the second death convicts the document.
    pub fn call(&mut self, request: &Request, sha256: &str, bytes: &[u8]) -> Result<Reply> {
        let mut deaths = 0;
        loop {
            match self.try_call(request, sha256, bytes)? {
                Ok(answer) => return answer,
                Err(Broken::Late) => {
                    self.stop("deadline");
                    return Err(self.late());
                }
                Err(Broken::Gone(how)) => {
                    let status = self.stop("crash");
                    deaths += 1;
                    if deaths == 2 {
                        return Err(self.crashed(status, how));
                    }
                }
            }
        }
    }

    fn try_call(
        &mut self,
        request: &Request,
        sha256: &str,
        bytes: &[u8],
    ) -> Result<Result<Result<Reply>, Broken>> {
        let (allowed, recycle_after) = (self.settings.deadline, self.settings.recycle_after);
        let most_resident = (self.settings.memory_mb << 20) / 2;
        let lines = self.lines.clone();
        let running = self.running()?;
        // A child's start is not the document's time.
        let deadline = Instant::now() + allowed;
        let whole = [bytes];
        let payload = if running.holds == sha256 { None } else { Some(&whole[..]) };
        let mut timed = Timed { socket: &running.socket, deadline };
        let sent = wire::write_frame(&mut timed, request, payload);
        let answer = sent.and_then(|()| hear(&mut timed, request, lines.as_deref(), allowed));
        let answer = match answer {
            Ok(answer) => answer,
            Err(e) if is_late(&e) => return Ok(Err(Broken::Late)),
            Err(e) => return Ok(Err(Broken::Gone(e.to_string()))),
        };
        sha256.clone_into(&mut running.holds);
        running.served += 1;
        // Memory that a library keeps is given back with the process.
        let swollen = resident_bytes(running.process.id()) > most_resident;
        if running.served >= recycle_after || swollen {
            self.stop("recycled");
        }
        Ok(Ok(answer))
    }

    fn running(&mut self) -> Result<&mut Running> {
        let running = match self.running.take() {
            Some(running) => running,
            None => self.spawn_surely()?,
        };
        Ok(self.running.insert(running))
    }

    fn spawn_surely(&self) -> Result<Running> {
        for pause in AGAIN {
            match self.spawn() {
                Err(Error::Retry(failure)) => {
                    tracing::warn!("{failure}; started again");
                    std::thread::sleep(pause);
                }
                started => return started,
            }
        }
        self.spawn()
    }

    fn spawn(&self) -> Result<Running> {
        let broken = |what: &str, e: &dyn std::fmt::Display| {
            Error::retry(
                self.settings.stage,
                Class::Internal,
                format!("cannot {what} a sandboxed process: {e}"),
            )
        };
        let (socket, theirs) = UnixStream::pair().map_err(|e| broken("connect", &e))?;
        let mut command = Command::new(&self.settings.program);
        command.arg(CHILD_COMMAND).env_clear().envs(child_environment());
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        let memory_mb = self.settings.memory_mb;
        // SAFETY: `before_exec` makes only system calls that are safe between fork and exec.
        unsafe { command.pre_exec(move || seal::before_exec(memory_mb)) };
        let process = command.spawn().map_err(|e| broken("start", &e))?;
        // Its end of the socket goes with it: a child that dies at once is then seen to be gone.
        drop(command);
        let none = Sealed { filter: false, landlock: None };
        let mut running = Running { sealed: none, process, socket, served: 0, holds: String::new() };
        let mut timed = Timed { socket: &running.socket, deadline: Instant::now() + START };
        let Settings { setup, required, .. } = self.settings.clone();
        let sent = wire::write_frame(&mut timed, &wire::Start { setup, required }, None);
        match sent.and_then(|()| wire::read_frame::<Result<Sealed>>(&mut timed, 0)) {
            Ok((ready, _)) => ready.map(|sealed| {
                running.sealed = sealed;
                running
            }),
            Err(error) => Err(match wait_briefly(&mut running.process) {
                Some(status) => self.stillborn(status),
                None if is_late(&error) => self.unready(),
                None => broken("set up", &error),
            }),
        }
    }

    /// It ended before it was ready; what it would have said went nowhere.
    fn stillborn(&self, status: ExitStatus) -> Error {
        let Settings { stage, memory_mb, .. } = self.settings;
        let reason = format!("a sandboxed process did not start: {}", describe(status, memory_mb));
        let mut failure = Failure::new(stage, Class::Internal, reason);
        failure.remedy = format!(
            "raise {stage}.memory_mb ({memory_mb}), of which the program itself takes some 150; `quire doctor` tries it"
        );
        Error::Retry(failure)
    }

    /// It lives, and did not say in time that it is ready.
    fn unready(&self) -> Error {
        let reason = format!("a sandboxed process was not ready after {} s", START.as_secs());
        let mut failure = Failure::new(self.settings.stage, Class::Internal, reason);
        failure.remedy =
            "the machine has too much else to do, or reads Tesseract's data too slowly: start it \
                          again when that is over, with fewer digitize.workers and decode.workers"
                .to_owned();
        Error::Retry(failure)
    }

    fn stop(&mut self, reason: &'static str) -> Option<ExitStatus> {
        self.metrics.sandbox_restart(reason);
        let mut running = self.running.take()?;
        // A child that crashed has ended by itself: its status says how. Others are killed.
        let waited = if reason == "crash" { wait_briefly(&mut running.process) } else { None };
        drop(running);
        waited
    }

    fn crashed(&self, status: Option<ExitStatus>, how: String) -> Error {
        let Settings { stage, memory_mb, .. } = self.settings;
        let end = status.map_or(how, |status| describe(status, memory_mb));
        let reason = format!("the sandboxed process died over it twice: {end}");
        let mut failure = Failure::new(stage, Class::Crashed, reason);
        if status.and_then(|status| status.signal()) == Some(libc::SIGABRT) {
            failure.remedy = format!("raise {stage}.memory_mb, or make the document smaller");
        }
        Error::Reject(failure)
    }

    fn late(&self) -> Error {
        let Settings { stage, deadline, .. } = self.settings;
        let mut failure =
            Failure::new(stage, Class::Timeout, format!("took longer than {} s", deadline.as_secs_f64()));
        failure.remedy = format!("split the document, or raise {stage}.deadline_s");
        Error::Reject(failure)
    }
}

/// What a child answers, after lines of text that it wants to have read. While others' lines are read its document's time
/// does not run; that may double it, and no more.
fn hear(
    timed: &mut Timed<'_>,
    request: &Request,
    lines: Option<&dyn SharedNetwork>,
    mut patience: Duration,
) -> std::io::Result<Result<Reply>> {
    let most = request.most_bytes().max(if lines.is_some() { lines::MOST } else { 0 });
    loop {
        let (said, bytes) = wire::read_frame::<Said>(timed, most)?;
        match (said, lines) {
            (Said::Answer(mut answer), _) => {
                if let Ok(reply) = &mut answer {
                    reply.attach(bytes.unwrap_or_default())?;
                }
                return Ok(answer);
            }
            (Said::Lines(widths), Some(lines)) => {
                let pictures = lines::unpack(&widths, &bytes.unwrap_or_default());
                let pictures = pictures.ok_or(std::io::ErrorKind::InvalidData)?;
                let asked = Instant::now();
                let steps = lines.run_all(pictures, patience);
                let waited = asked.elapsed().min(patience);
                patience -= waited;
                timed.deadline += waited;
                lines::answer(timed, steps)?;
            }
            (Said::Lines(_), None) => return Err(std::io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Memory that a process holds; 0 where that is not known.
fn resident_bytes(pid: u32) -> u64 {
    const PAGE: u64 = 4096; // what x86-64 and most ARM systems count in; a larger one only recycles later
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    sizes.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0).saturating_mul(PAGE)
}

fn wait_briefly(process: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        if let Ok(Some(status)) = process.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn describe(status: ExitStatus, memory_mb: u64) -> String {
    match status.signal() {
        Some(libc::SIGABRT) => format!("it aborted, most likely over its memory limit of {memory_mb} MiB"),
        Some(libc::SIGKILL) => "it was killed, most likely by the system for want of memory".to_owned(),
        Some(libc::SIGSEGV) => "it accessed memory that is not its own (segmentation fault)".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => format!("it ended with status {}", status.code().unwrap_or(-1)),
    }
}

/// The setting that turns Tesseract's own threads off. Its library reads it once, when it is loaded.
pub const ONE_THREAD: (&str, &str) = ("OMP_THREAD_LIMIT", "1");

/// Whether they are off in this process.
pub fn has_one_thread() -> bool {
    std::env::var(ONE_THREAD.0).is_ok_and(|set| set == ONE_THREAD.1)
}

/// What a child may know of its surroundings: where Tesseract's languages are, and that it must
/// not start threads of its own.
fn child_environment() -> Vec<(&'static str, String)> {
    let mut environment = vec![(ONE_THREAD.0, ONE_THREAD.1.to_owned())];
    if let Ok(tessdata) = std::env::var("TESSDATA_PREFIX") {
        environment.push(("TESSDATA_PREFIX", tessdata));
    }
    environment
}

/// Whether a socket's time was up: the system says it in two ways.
fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock)
}

/// A socket whose every read and write ends at one deadline.
struct Timed<'s> {
    socket: &'s UnixStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> std::io::Result<Duration> {
        self.deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| std::io::ErrorKind::TimedOut.into())
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
