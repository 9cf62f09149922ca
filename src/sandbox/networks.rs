//! The networks with which `digitize` reads: files are read before a child is sealed, and made into
//! networks when the first page needs them.

use crate::digitize::{Networks, Prepare};
use crate::error::{Class, Error, Stage};
use crate::infer::convnet::{self, ConvNet};
use crate::infer::cpu::{Precision, has_matrix_registers};
use crate::tensor::Network;
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

/// Reads the files of a folder; `None` where they are not there. With `apart`, that reads the lines.
pub fn read(folder: &Path, apart: Option<Box<dyn Network>>) -> Option<Prepare> {
    let detector = std::fs::read(folder.join(DETECTOR)).ok()?;
    let recognizer = recognizer(folder)?;
    Some(Box::new(move || {
        let precision = if has_matrix_registers() { Precision::Bf16 } else { Precision::F32 };
        let detector = ConvNet::load(&detector, precision)?;
        let (recognizer, mut metadata) = match apart {
            Some(apart) => (apart, convnet::parse(&recognizer)?.metadata),
            None => {
                let mut own = ConvNet::load(&recognizer, precision)?;
                let metadata = std::mem::take(&mut own.metadata);
                (Box::new(own) as Box<dyn Network>, metadata)
            }
        };
        let characters = metadata.remove("character").ok_or_else(|| {
            Error::fatal(Stage::Digitize, Class::Model, "the recognizer's file does not say its characters")
        })?;
        Ok(Networks { detector: Box::new(detector), recognizer, characters })
    }))
}

/// The file of what reads lines, where it is there.
pub fn recognizer(folder: &Path) -> Option<Vec<u8>> {
    std::fs::read(folder.join(RECOGNIZER)).ok()
}
