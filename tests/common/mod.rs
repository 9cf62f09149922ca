//! What the integration tests share: the real binary, its folders, its processes, the corpus.

#![allow(dead_code, unused_imports)] // every test uses a part of it

pub mod collector;
pub mod kafka;
pub mod qdrant_fake;
pub mod receiver;
pub mod tls;

use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The binary under test.
pub const QUIRE: &str = env!("CARGO_BIN_EXE_quire");
/// Longer than any start, stop or document of these tests should take on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The models folder; fails with what to do where it is empty.
pub fn models_dir() -> PathBuf {
    let dir = root().join("data/models");
    let here = dir.join("minilm-l6/model.safetensors").exists();
    assert!(here, "there are no models in {}: run `make models` first", dir.display());
    dir
}

/// `quire` on a data folder of its own, on a free port, logging JSON. By variables, so that the
/// flags are left to the tests; those of whoever runs the tests are taken away.
pub fn quire(data: &Path) -> Command {
    let mut command = Command::new(QUIRE);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QUIRE_")) {
        command.env_remove(name);
    }
    command.env("QUIRE_DATA__DIR", data);
    command.env("QUIRE_INFER__MODELS_DIR", models_dir());
    command.env("QUIRE_SERVE__LISTEN", "127.0.0.1:0");
    command.env("QUIRE_TELEMETRY__FORMAT", "json");
    // No quire.toml is read by accident.
    command.current_dir(data).stdin(Stdio::null());
    command
}

/// Gives settings (`section.key=value`) to a command: by `--set`; passwords, which it does not take, by
/// variables.
pub fn set<'c>(command: &'c mut Command, settings: &[String]) -> &'c mut Command {
    for setting in settings {
        let (key, value) = setting.split_once('=').unwrap();
        match key.ends_with("password") {
            true => command.env(format!("QUIRE_{}", key.replacen('.', "__", 1).to_uppercase()), value),
            false => command.args(["--set", setting]),
        };
    }
    command
}

/// Runs a command to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed as JSON.
pub fn json(output: &Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}; stderr: {}", stderr(output)))
}

/// `quire run --once`, which must succeed; what it logged.
pub fn run_once(data: &Path, more: &[&str]) -> String {
    let out = output(quire(data).args(["run", "--once"]).args(more));
    assert!(out.status.success(), "{}: {}", out.status, stderr(&out));
    stderr(&out)
}

/// `quire status --json`.
pub fn status(data: &Path) -> Value {
    let out = output(quire(data).args(["status", "--json"]));
    assert!(out.status.success(), "{}", stderr(&out));
    json(&out)
}

/// A running `quire run`; killed when dropped.
pub struct Daemon {
    pub child: Child,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts it and does not wait.
    pub fn spawn(data: &Path, more: &[&str]) -> Self {
        Self::spawn_as(quire(data), more)
    }

    /// The same with the environment of this command.
    pub fn spawn_as(mut command: Command, more: &[&str]) -> Self {
        command.arg("run").args(more);
        Self::of(command)
    }

    /// Starts a command that runs it.
    pub fn of(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    /// Starts it and waits until it is ready.
    pub fn start(data: &Path, more: &[&str]) -> Self {
        Self::spawn(data, more).ready()
    }

    /// Waits until it is ready.
    pub fn ready(mut self) -> Self {
        let ready = wait_for(PATIENCE, || self.api().is_some() || self.child.try_wait().unwrap().is_some());
        assert!(ready && self.api().is_some(), "not ready: {}", self.log());
        self
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Where its API is, once it is ready.
    pub fn api(&self) -> Option<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ready = lines.into_iter().find(|line| line["message"] == "ready")?;
        Some(ready["api"].as_str()?.to_owned())
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// SIGKILL, and reaped.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; how it ended and what it logged.
    pub fn terminate(mut self) -> (ExitStatus, String) {
        signal(self.pid(), libc::SIGTERM);
        let mut status = None;
        wait_for(PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let log = self.log();
        (status.unwrap_or_else(|| panic!("did not stop: {log}")), log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: i32, number: i32) {
    // SAFETY: a plain system call; the pid is one that a test started.
    let result = unsafe { libc::kill(pid, number) };
    assert_eq!(result, 0, "cannot signal {pid}");
}

/// Whether something became true in time.
pub fn wait_for(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that runs sandboxed parsers or OCR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandboxed {
    pub pid: i32,
    pub parent: i32,
}

/// Every live process of the binary under test that is a sandboxed child.
pub fn sandboxed() -> Vec<Sandboxed> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let own = command.starts_with(QUIRE) && command.contains(quire::sandbox::CHILD_COMMAND);
        let parent = status_field(pid, "PPid")?.parse().ok()?;
        let zombie = status_field(pid, "State")?.starts_with('Z');
        (own && !zombie).then_some(Sandboxed { pid, parent })
    })
    .collect()
}

/// A line of `/proc/PID/status`.
pub fn status_field(pid: i32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.split(':').next() == Some(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Sandboxed children whose parent, a quire or this test, is gone.
pub fn orphans() -> Vec<Sandboxed> {
    let own = std::env::current_exe().unwrap();
    let lives = |pid: i32| {
        let exe = fs::read_link(format!("/proc/{pid}/exe"));
        exe.is_ok_and(|exe| exe == Path::new(QUIRE) || exe == own)
    };
    sandboxed().into_iter().filter(|child| !lives(child.parent)).collect()
}

/// Names of the files in a folder and below, hidden ones too.
pub fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(names(&path));
        } else {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

/// Puts a file into the inbox as a person would who copies it there and renames it when whole.
pub fn drop_file(data: &Path, name: &str, bytes: &[u8]) {
    let inbox = data.join("inbox");
    fs::create_dir_all(&inbox).unwrap();
    let part = inbox.join(format!("{name}.part"));
    fs::write(&part, bytes).unwrap();
    fs::rename(part, inbox.join(name)).unwrap();
}

/// The id of content without a key.
pub fn id_of(bytes: &[u8]) -> String {
    quire::document::sha256_hex(bytes)[..32].to_owned()
}

/// The result that was written for content.
pub fn result(data: &Path, id: &str) -> Value {
    let path = data.join("results").join(format!("{id}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One entry of the corpus's manifest.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub file: String,
    pub media_type: String,
    pub made: String,
    pub language: Option<String>,
    pub kind: Option<String>,
    pub sentiment: Option<String>,
    pub pages: Option<usize>,
    #[serde(default)]
    pub needs_ocr: bool,
    pub truth: Option<String>,
    #[serde(default)]
    pub entities: Vec<String>,
    pub outcome: String,
    pub cause: Option<String>,
    pub similar: Option<String>,
}

impl Entry {
    pub fn bytes(&self) -> Vec<u8> {
        document(&self.file)
    }
}

pub fn corpus() -> PathBuf {
    root().join("tests/corpus")
}

/// The bytes of a document of the corpus.
pub fn document(name: &str) -> Vec<u8> {
    fs::read(corpus().join("documents").join(name)).unwrap()
}

pub fn manifest() -> Vec<Entry> {
    #[derive(Deserialize)]
    struct Manifest {
        document: Vec<Entry>,
    }
    let text = fs::read_to_string(corpus().join("manifest.toml")).unwrap();
    toml::from_str::<Manifest>(&text).unwrap().document
}

/// A small generator with a seed (splitmix64's finaliser over a counter): tests that use chance
/// can be repeated.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
