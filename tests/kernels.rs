//! The GPU kernels on a machine without a GPU: their source under the sanitizers, and a binary that needs no
//! library of NVIDIA's. What they compute is compared in `src/infer/gpu/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles the kernels' check with a sanitizer and runs it.
fn sanitize(kind: &str, also: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("check");
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++20", "-O1", "-g", "-pthread", "-Wno-unknown-pragmas", "-fno-omit-frame-pointer"]);
    compiler.arg(format!("-fsanitize={kind}")).args(also).arg("-o").arg(&program);
    let made = compiler.arg(root().join("kernels/shim/check.cpp")).output().expect("g++ is there");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    if !made.status.success() && said.contains("cannot find") {
        println!("skipped: this g++ has no {kind} sanitizer");
        return;
    }
    assert!(made.status.success(), "{said}");
    let run = Command::new(&program).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    if said.contains("unexpected memory mapping") {
        println!("skipped: the {kind} sanitizer does not run on this kernel");
        return;
    }
    assert!(run.status.success(), "{said}");
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    let ran: BTreeSet<&str> = told.lines().filter_map(|line| line.strip_prefix("ran ")).collect();
    assert_eq!(ran, exported(&program).iter().map(String::as_str).collect());
    println!("{kind}: {} kernels ran", ran.len());
}

/// The kernels that a program was made with.
fn exported(program: &Path) -> BTreeSet<String> {
    let told = Command::new("nm").arg(program).output().expect("nm is there");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let names = told.lines().filter_map(|line| line.split(" T shim_").nth(1));
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 40, "{names:?}");
    names
}

#[test]
fn kernels_stay_within_their_memory() {
    sanitize("address,undefined", &["-fno-sanitize-recover=all"]);
}

#[test]
fn threads_of_kernels_do_not_race() {
    sanitize("thread", &[]);
}

#[test]
fn the_program_needs_no_library_of_the_gpu() {
    let told = Command::new("readelf").arg("-d").arg(env!("CARGO_BIN_EXE_quire")).output().unwrap();
    let needed = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(needed.contains("NEEDED"), "{needed}");
    for library in ["cuda", "cublas", "nvidia", "nvrtc"] {
        assert!(!needed.contains(library), "{needed}");
    }
}

#[test]
fn without_a_gpu_the_program_says_so_and_takes_the_cpu() {
    let doctor = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(["doctor", "--set", "infer.models_dir=/nowhere", "--set", "infer.device=auto"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let line = told.lines().find(|line| line.contains("device")).expect("doctor tells the device").to_owned();
    if Path::new("/dev/nvidiactl").exists() {
        println!("skipped: this machine has a GPU: {line}");
        return;
    }
    assert!(line.contains("CPU") && line.contains("infer.device = auto, and "), "{line}");
    let doctor = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(["doctor", "--set", "infer.models_dir=/nowhere", "--set", "infer.device=gpu"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("infer.device = gpu, but "), "{told}");
}
