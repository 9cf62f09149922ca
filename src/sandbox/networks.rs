//! The networks with which `digitize` reads: files are read before a child is sealed, and made into
//! networks when the first page needs them.

use crate::digitize::{Networks, Prepare};
use crate::error::{Class, Error, Stage};
use crate::infer::convnet::ConvNet;
use crate::infer::cpu::{Precision, has_matrix_registers};
use std::path::Path;

/// Name of the manifest whose files they are.
pub const MANIFEST: &str = "ppocr-v6";
/// Finds lines.
const DETECTOR: &str = "detector.onnx";
/// Reads them.
const RECOGNIZER: &str = "recognizer.onnx";

/// Whether the files are there.
pub fn are_in(folder: &Path) -> bool {
    [DETECTOR, RECOGNIZER].iter().all(|file| folder.join(file).is_file())
}

/// Reads the files of a folder; `None` where they are not there.
pub fn read(folder: &Path) -> Option<Prepare> {
    let detector = std::fs::read(folder.join(DETECTOR)).ok()?;
    let recognizer = std::fs::read(folder.join(RECOGNIZER)).ok()?;
    Some(Box::new(move || {
        let precision = if has_matrix_registers() { Precision::Bf16 } else { Precision::F32 };
        let (detector, mut recognizer) =
            (ConvNet::load(&detector, precision)?, ConvNet::load(&recognizer, precision)?);
        let characters = recognizer.metadata.remove("character").ok_or_else(|| {
            Error::fatal(Stage::Digitize, Class::Model, "the recognizer's file does not say its characters")
        })?;
        Ok(Networks { detector: Box::new(detector), recognizer: Box::new(recognizer), characters })
    }))
}
