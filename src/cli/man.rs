//! `quire man`: manual pages, made from the same text as `--help`.

use anyhow::{Context, Result};
use clap::Command;
use std::path::Path;
use std::process::ExitCode;

/// Writes a page for the program and for each of its commands into a folder.
pub fn man(program: Command, folder: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    clap_mangen::generate_to(program, folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    println!("{}", folder.display());
    Ok(ExitCode::SUCCESS)
}
