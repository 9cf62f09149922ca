//! A target is libFuzzer's with the feature `libfuzzer`, and else a program that goes over the files and folders
//! that it is told, to run a finding again.

#[path = "../entries.rs"]
pub mod entries;

use std::path::Path;

/// Makes a target of a function of bytes, which panics about what is wrong.
#[macro_export]
macro_rules! target {
    ($run:expr) => {
        #[cfg(feature = "libfuzzer")]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            let run: fn(&[u8]) = $run;
            run(bytes)
        });
        #[cfg(not(feature = "libfuzzer"))]
        fn main() {
            $crate::over_arguments($run);
        }
    };
}

/// Runs it over each file that the arguments name, and all below each folder.
pub fn over_arguments(run: fn(&[u8])) {
    let mut waiting: Vec<_> = std::env::args_os().skip(1).map(std::path::PathBuf::from).collect();
    let mut done = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(below(&path));
            continue;
        }
        // Named first: a fault may end the program.
        println!("{}", path.display());
        run(&std::fs::read(&path).expect("a file that can be read"));
        done += 1;
    }
    assert!(done > 0, "no file: name some, or folders of them");
    println!("{done} files, nothing found");
}

fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder that can be read");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
