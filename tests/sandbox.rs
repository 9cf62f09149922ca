//! A sandboxed process can be slow, hungry, dead or old: the next call is answered all the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "sandbox/bombs.rs"]
mod bombs;
mod common;

use common::*;
use quire::config::OcrEngine;
use quire::decode::{FamilyLimits, Limits};
use quire::document::MediaType;
use quire::error::{Class, Error, Stage};
use quire::metrics::Metrics;
use quire::sandbox::{Fault, Reply, Request, Sealed, Settings, Setup, Worker};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One test at a time: each looks for the children of this process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn settings(stage: Stage) -> Settings {
    let setup = match stage {
        Stage::Digitize => Setup::Digitize {
            engine: OcrEngine::Tesseract,
            networks: std::path::PathBuf::new(),
            languages: "eng".to_owned(),
            retry_below: 0.75,
            lines_apart: false,
        },
        _ => Setup::Decode,
    };
    let deadline = Duration::from_secs(120);
    Settings {
        stage,
        program: QUIRE.into(),
        setup,
        deadline,
        memory_mb: 2048,
        required: true,
        recycle_after: 100,
    }
}

fn worker(settings: Settings) -> (Worker, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    (Worker::new(settings, Arc::clone(&metrics)), metrics)
}

fn limits() -> Limits {
    let (max_pages, max_expanded_bytes, max_pixels) = (10_000, 512 << 20, 100_000_000);
    let family =
        FamilyLimits { levels: 4, documents: 100, bytes: 64 << 20, attachments: 100, expansion: 250 };
    Limits { max_pages, max_expanded_bytes, max_pixels, min_layer_chars: 16, dpi: 200, family }
}

fn decode(worker: &mut Worker, name: &str, bytes: &[u8]) -> Result<Reply, Error> {
    let request = Request::Decode { name: name.to_owned(), declared: None, limits: limits() };
    worker.call(&request, &quire::document::sha256_hex(bytes), bytes)
}

fn read(worker: &mut Worker, media_type: MediaType, bytes: &[u8]) -> Result<Reply, Error> {
    let request = Request::Digitize { media_type, page: 1, limits: limits() };
    worker.call(&request, &quire::document::sha256_hex(bytes), bytes)
}

/// The call after a trouble.
fn assert_answers(worker: &mut Worker) {
    match decode(worker, "a.txt", b"Good morning, Vienna.") {
        Ok(Reply::Decoded(decoded)) => assert_eq!(decoded.pages.len(), 1),
        Ok(_) => panic!("another question was answered"),
        Err(error) => panic!("{error}"),
    }
}

/// The one sandboxed child of this process.
fn child() -> i32 {
    let own = std::process::id().cast_signed();
    let children: Vec<_> = sandboxed().into_iter().filter(|c| c.parent == own).collect();
    assert_eq!(children.len(), 1, "{children:?}");
    children[0].pid
}

/// A PNG of one grey plane, as large as asked: rows of zeros, deflated to almost nothing.
fn large_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::GrayImage::from_pixel(width, height, image::Luma([255]));
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn a_deadline_ends_a_call_and_not_the_worker() {
    let _alone = alone();
    let scan = document("letter-complaint-clean-scan.png");
    let (mut slow, metrics) =
        worker(Settings { deadline: Duration::from_millis(30), ..settings(Stage::Digitize) });
    slow.start().unwrap();
    let killed = child();
    let started = Instant::now();
    let error = read(&mut slow, MediaType::Png, &scan).err().expect("a page in 30 ms?");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let failure = error.failure();
    assert!(matches!(error, Error::Reject(_)), "{error}");
    assert_eq!((failure.stage, failure.class), (Stage::Digitize, Class::Timeout));
    assert!(failure.remedy.contains("digitize.deadline_s"), "{error}");
    assert!(wait_for(Duration::from_secs(2), || status_field(killed, "State").is_none()), "still there");
    assert!(metrics.encode().contains("quire_sandbox_restarts_total{reason=\"deadline\"} 1"));
    drop(slow);

    // A worker that has met a deadline answers: parsing a note fits any deadline but zero.
    let (mut worker, _) = worker(Settings { deadline: Duration::from_secs(1), ..settings(Stage::Decode) });
    assert_answers(&mut worker);
    signal(child(), libc::SIGSTOP);
    let error = decode(&mut worker, "b.txt", b"Nobody answers.").err().expect("a stopped process answers");
    assert_eq!(error.failure().class, Class::Timeout, "{error}");
    assert!(error.failure().remedy.contains("decode.deadline_s"), "{error}");
    assert_answers(&mut worker);
}

#[test]
fn little_memory_is_an_error_and_not_a_hang() {
    let _alone = alone();
    // 80 megapixels are 80 MB as one plane and more on the way: within the limit of pixels, beyond
    // what 192 MiB of address space can hold.
    let large = large_png(10_000, 8_000);
    let (mut worker, _) = worker(Settings { memory_mb: 192, ..settings(Stage::Decode) });
    assert_answers(&mut worker);
    let started = Instant::now();
    let error = read(&mut worker, MediaType::Png, &large).err().expect("80 megapixels in 192 MiB?");
    println!("{error} (after {:.1} s)", started.elapsed().as_secs_f64());
    assert!(started.elapsed() < Duration::from_secs(60));
    assert!(matches!(error, Error::Reject(_)), "{error}");
    assert!(error.failure().remedy.contains("decode.memory_mb"), "{error}");
    assert_answers(&mut worker);
}

#[test]
fn what_cannot_even_start_says_at_once_what_to_raise() {
    let _alone = alone();
    let (mut worker, _) = worker(Settings { memory_mb: 64, ..settings(Stage::Decode) });
    let started = Instant::now();
    let error = worker.start().expect_err("the whole program in 64 MiB?");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(matches!(error, Error::Retry(_)), "{error}");
    assert!(error.failure().remedy.contains("raise decode.memory_mb"), "{error}");
}

#[test]
fn a_killed_child_is_replaced() {
    let _alone = alone();
    let (mut worker, metrics) = worker(settings(Stage::Decode));
    assert_answers(&mut worker);
    let first = child();
    signal(first, libc::SIGKILL);
    std::thread::sleep(Duration::from_millis(50));
    assert_answers(&mut worker);
    assert_ne!(child(), first);
    assert!(metrics.encode().contains("quire_sandbox_restarts_total{reason=\"crash\"} 1"));
}

#[test]
fn a_child_is_sealed() {
    let _alone = alone();
    for stage in [Stage::Decode, Stage::Digitize] {
        let (mut worker, _) = worker(settings(stage));
        worker.start().unwrap();
        let pid = child();
        let field = |name: &str| status_field(pid, name).unwrap();
        // 2: a filter. Which calls it refuses is tested beside the filter.
        assert_eq!(field("Seccomp"), "2", "{stage}");
        assert_eq!(field("NoNewPrivs"), "1", "{stage}");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        for (name, most) in [
            ("Max address space", 2048u64 << 20),
            ("Max core file size", 0),
            ("Max file size", 0),
            ("Max open files", 64),
        ] {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            let values: Vec<_> = line[name.len()..].split_whitespace().take(2).collect();
            assert_eq!(values, [most.to_string(), most.to_string()], "{stage}: {line}");
        }
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let known = ["OMP_THREAD_LIMIT=", "TESSDATA_PREFIX="];
        for variable in environment.split('\0').filter(|v| !v.is_empty()) {
            assert!(known.iter().any(|k| variable.starts_with(k)), "{stage} knows {variable}");
        }
        // Its only ways out: the socket to its parent, twice, and /dev/null.
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = std::fs::read_link(entry.unwrap().path()).unwrap();
            let target = target.to_string_lossy();
            assert!(target == "/dev/null" || target.starts_with("socket:"), "{stage} holds {target}");
        }
    }
}

#[test]
fn a_child_is_replaced_after_its_share() {
    let _alone = alone();
    let (mut worker, metrics) = worker(Settings { recycle_after: 3, ..settings(Stage::Decode) });
    let mut pids = Vec::new();
    for _ in 0..7 {
        worker.start().unwrap();
        pids.push(child());
        assert_answers(&mut worker);
    }
    pids.dedup();
    assert_eq!(pids.len(), 3, "seven calls at three a process: {pids:?}");
    assert!(metrics.encode().contains("quire_sandbox_restarts_total{reason=\"recycled\"} 2"));
}

#[test]
fn a_child_ends_with_its_worker() {
    let _alone = alone();
    let (mut worker, _) = worker(settings(Stage::Decode));
    worker.start().unwrap();
    let pid = child();
    drop(worker);
    assert!(status_field(pid, "State").is_none(), "{pid} is still there");
}

/// Children that fail on purpose: the document is convicted, in words, and the worker goes on.
#[test]
fn whatever_a_parser_does_is_an_error_of_its_document() {
    let _alone = alone();
    for (fault, class, said) in [
        (Fault::Hang, Class::Timeout, "took longer than"),
        (Fault::Memory, Class::Crashed, "memory limit"),
        (Fault::Segfault, Class::Crashed, "segmentation fault"),
        (Fault::Babble, Class::Crashed, "died over it twice"),
    ] {
        let deadline = if fault == Fault::Hang { Duration::from_secs(2) } else { Duration::from_secs(60) };
        let setup = Setup::Faulty(fault);
        let (mut worker, _) = worker(Settings { setup, deadline, memory_mb: 256, ..settings(Stage::Decode) });
        for _ in 0..2 {
            let started = Instant::now();
            let error = decode(&mut worker, "a.txt", b"text").err().expect("it fails on purpose");
            assert!(matches!(error, Error::Reject(_)), "{fault:?}: {error}");
            assert_eq!(error.failure().class, class, "{fault:?}: {error}");
            assert!(error.to_string().contains(said), "{fault:?}: {error}");
            assert!(started.elapsed() < Duration::from_secs(30), "{fault:?}: {:?}", started.elapsed());
        }
        drop(worker);
        assert!(sandboxed().iter().all(|c| c.parent != std::process::id().cast_signed()), "{fault:?}");
    }
}

/// Runs something as if on a kernel that knows none of these calls: a filter of its thread, which every
/// process that it starts has, too.
fn on_a_kernel_without(calls: &'static [i64], test: impl FnOnce() + Send + 'static) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32));
    let filter = SeccompFilter::new(rules, allow, refuse, TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    let run = move || {
        seccompiler::apply_filter(&program).unwrap();
        test();
    };
    std::thread::spawn(run).join().unwrap();
}

const NO_FILTER: &[i64] = &[libc::SYS_seccomp];
const NEITHER: &[i64] = &[libc::SYS_seccomp, libc::SYS_landlock_create_ruleset];

#[test]
fn landlock_alone_keeps_files_closed() {
    let _alone = alone();
    let open = Settings { setup: Setup::Faulty(Fault::Open), required: false, ..settings(Stage::Decode) };
    let (mut both, _) = worker(Settings { required: true, ..open.clone() });
    let sealed = both.start().unwrap();
    assert!(sealed.filter);
    assert_answers(&mut both);
    drop(both);
    if sealed.landlock.is_none() {
        println!("skipped: this kernel has no Landlock");
        return;
    }
    let settings = open.clone();
    on_a_kernel_without(NO_FILTER, move || {
        let (mut worker, _) = worker(settings);
        let found = worker.start().unwrap();
        assert!(!found.filter && found.landlock.is_some(), "{found:?}");
        assert_answers(&mut worker);
    });
    // That the child tries to open a file at all shows where nothing hinders it.
    on_a_kernel_without(NEITHER, move || {
        let (mut worker, _) = worker(open);
        assert_eq!(worker.start().unwrap(), Sealed { filter: false, landlock: None });
        let error = decode(&mut worker, "a.txt", b"text").err().expect("no file can be opened");
        assert_eq!(error.failure().class, Class::Crashed, "{error}");
    });
}

#[test]
fn where_the_kernel_filters_nothing_it_is_refused_or_said() {
    let _alone = alone();
    let strict = settings(Stage::Decode);
    on_a_kernel_without(NO_FILTER, move || {
        let (mut worker, _) = worker(strict);
        let error = worker.start().expect_err("sealed without a filter?");
        assert!(matches!(error, Error::Fatal(_)), "{error}");
        assert!(error.failure().remedy.contains("sandbox.required"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        drop_file(folder.path(), "note.txt", b"The meeting in Vienna is on Tuesday.");
        let refused = output(quire(folder.path()).args(["run", "--once"]));
        assert!(!refused.status.success());
        assert!(stderr(&refused).contains("sandbox.required"), "{}", stderr(&refused));
        let doctor = output(quire(folder.path()).arg("doctor"));
        assert!(stdout(&doctor).contains("this kernel refuses the sandbox"), "{}", stdout(&doctor));

        let log = run_once(folder.path(), &["--set", "sandbox.required=false"]);
        assert!(log.contains("this kernel does not filter system calls"), "{log}");
        let id = id_of(b"The meeting in Vienna is on Tuesday.");
        assert_eq!(result(folder.path(), &id)["text"], "The meeting in Vienna is on Tuesday.");
    });
}

/// Archives nested in archives, each a thousand times smaller than what it unpacks to.
#[test]
fn nested_bombs_stop_at_the_limits() {
    let _alone = alone();
    let (mut worker, _) = worker(settings(Stage::Decode));
    let gzip = |bytes: &[u8]| {
        use std::io::Write;
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    let bomb = gzip(&vec![0; 300 << 20]);
    let started = Instant::now();
    let error = decode(&mut worker, "bomb.gz", &bomb).err().expect("300 MB of zeros");
    assert_eq!(error.failure().class, Class::TooLarge, "{error}");
    assert!(error.to_string().contains("decode.max_"), "{error}");
    // The outer one is small and fine; what it holds is met when its turn comes.
    match decode(&mut worker, "outer.gz", &gzip(&bomb)) {
        Ok(Reply::Decoded(decoded)) => assert_eq!(decoded.children[0].bytes, bomb),
        other => panic!("{:?}", other.err()),
    }
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_answers(&mut worker);
}
