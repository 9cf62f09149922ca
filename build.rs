//! Compiles the GPU kernels (`kernels/`) into fatbins that the binary carries, where there is an nvcc.
//!
//! nvcc is looked for in NVCC, CUDA_HOME, on the PATH and where `scripts/nvcc.sh` puts it. Without one the
//! build has no kernels and says so when it runs. What ptxas says of registers and spills is kept beside
//! the images and must stay within bounds.

#![allow(clippy::expect_used, clippy::panic)] // a build that cannot go on may say so loudly

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

/// One source a row of images.
const KERNELS: [&str; 9] =
    ["activate", "add_norm", "attend", "best", "embed", "heads", "picture", "rotate", "step"];
/// What machine code is made for, Turing to Blackwell; cards in between (8.6, 8.9, 12.1) run the code of their
/// generation.
const TARGETS: [u32; 5] = [75, 80, 90, 100, 120];
/// For cards to come: the first whose PTX has bf16 products.
const INTERMEDIATE: u32 = 80;
/// Registers of a thread. There are 255; at the bound, two blocks of 128 threads share a processor.
const REGISTERS: u32 = 255;
/// Bytes of registers that a thread may keep in memory, on any card: a few around a call cost nothing.
const SPILLED: u32 = 16;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=kernels");
    for name in ["NVCC", "CUDA_HOME"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rustc-env=KERNELS_DIGEST={:016x}", digest(&["kernels", "kernels/shim"]));
    let found = nvcc();
    if found.as_ref().is_none_or(|nvcc| nvcc.ends_with(FETCHED)) {
        // It appears when scripts/nvcc.sh has run. Of another nvcc it is not watched: cargo takes a file
        // that is not there for one that changed, at every build.
        println!("cargo:rerun-if-changed=data/nvcc.linked");
    }
    let images = match found {
        // Beside the build folders of every profile and set of flags: minutes of work, the same for all.
        Some(nvcc) => {
            let folder = out.ancestors().nth(3).unwrap_or(&out).join("kernels");
            fs::create_dir_all(&folder).expect("the target folder can be written");
            images(&nvcc, &folder)
        }
        None => {
            println!("cargo:warning=no nvcc: this build has no GPU kernels (scripts/nvcc.sh fetches one)");
            Vec::new()
        }
    };
    let mut text = String::from("/// GPU kernels by source, as nvcc made them.\n");
    text.push_str("static IMAGES: &[(&str, &[u8])] = &[\n");
    for (name, path) in images {
        let _ = writeln!(text, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
    }
    text.push_str("];\n");
    fs::write(out.join("kernels.rs"), text).expect("OUT_DIR can be written");
}

/// Changes with every file of these, or in these folders.
fn digest(paths: &[&str]) -> u64 {
    let mut files = Vec::new();
    for path in paths {
        match fs::read_dir(path) {
            Ok(entries) => {
                files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()))
            }
            Err(_) => files.push(PathBuf::from(path)),
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(&file).expect("a source can be read").hash(&mut hasher);
    }
    (TARGETS, INTERMEDIATE).hash(&mut hasher);
    hasher.finish()
}

/// Where scripts/nvcc.sh puts it.
const FETCHED: &str = "data/nvcc/bin/nvcc";

fn nvcc() -> Option<PathBuf> {
    let named = env::var_os("NVCC").map(PathBuf::from);
    let home = env::var_os("CUDA_HOME").map(|home| Path::new(&home).join("bin/nvcc"));
    let fetched = env::current_dir().ok().map(|here| here.join(FETCHED));
    let found = [named, home, Some(PathBuf::from("nvcc")), fetched];
    found.into_iter().flatten().find(|nvcc| {
        let told = Command::new(nvcc).arg("--version").output();
        told.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains("release 13"))
    })
}

/// Compiles what is not there yet, as many at a time as there are cores.
fn images(nvcc: &Path, out: &Path) -> Vec<(&'static str, PathBuf)> {
    let image = |name: &str| {
        let digest = digest(&["kernels/common.cuh", &format!("kernels/{name}.cu")]);
        out.join(format!("{name}-{digest:016x}.fatbin"))
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // The largest first, alone with what each core takes after it.
    let mut missing: Vec<&str> = KERNELS.into_iter().filter(|name| !image(name).exists()).collect();
    missing.sort_by_key(|name| *name != "attend");
    let missing = std::sync::Mutex::new(missing.into_iter());
    thread::scope(|scope| {
        for _ in 0..cores.min(KERNELS.len()) {
            scope.spawn(|| {
                while let Some(name) = missing.lock().ok().and_then(|mut rest| rest.next()) {
                    compile(nvcc, name, &image(name));
                }
            });
        }
    });
    KERNELS.into_iter().map(|name| (name, image(name))).collect()
}

fn compile(nvcc: &Path, name: &str, image: &Path) {
    let unfinished = image.with_extension(format!("{}", std::process::id()));
    let mut command = Command::new(nvcc);
    command.args(["-std=c++20", "-O3", "-fatbin", "--compress-mode=size", "-Xptxas", "-v", "--threads", "2"]);
    for target in TARGETS {
        command.arg(format!("-gencode=arch=compute_{target},code=sm_{target}"));
    }
    command.arg(format!("-gencode=arch=compute_{INTERMEDIATE},code=compute_{INTERMEDIATE}"));
    command.arg("-o").arg(&unfinished).arg(format!("kernels/{name}.cu"));
    let done = command.output().expect("nvcc starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "nvcc on {name}.cu:\n{said}");
    let report = image.with_extension("txt");
    fs::write(&report, said.as_bytes()).expect("the target folder can be written");
    check(name, &said);
    fs::rename(unfinished, image).expect("the target folder can be written");
}

/// No kernel keeps much in memory or takes too many registers.
fn check(name: &str, report: &str) {
    let number_before = |line: &str, what: &str| -> Option<u32> {
        line.split(what).next()?.split_whitespace().last()?.parse().ok()
    };
    let mut kernel = "";
    for line in report.lines() {
        if let Some(rest) = line.split("entry function ").nth(1) {
            kernel = rest;
        }
        if line.contains("bytes spill stores") {
            let spilled = number_before(line, " bytes spill stores").expect("a number of bytes");
            assert!(spilled <= SPILLED, "{name}.cu: {kernel} spills {spilled} bytes of {SPILLED}");
        }
        if line.contains("Used ") {
            let used = number_before(line, " registers").expect("a number of registers");
            assert!(used <= REGISTERS, "{name}.cu: {kernel} takes {used} registers of {REGISTERS}");
        }
    }
}
