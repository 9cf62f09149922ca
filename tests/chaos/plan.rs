//! What the chaos test sends.

use crate::PREFIX;
use crate::common::*;
use std::io::Write;

/// What is sent: topic, key, value.
#[derive(Clone)]
pub struct Sent {
    pub topic: String,
    pub key: String,
    pub value: Vec<u8>,
}

/// Notes, some of them in a later version too, poison, and archives of two notes.
pub fn plan(count: usize, chance: &mut Chance) -> Vec<Sent> {
    let lanes = [format!("{PREFIX}.high"), PREFIX.to_owned(), format!("{PREFIX}.low")];
    let poison: Vec<Vec<u8>> =
        manifest().into_iter().filter(|e| e.outcome == "dead").map(|e| e.bytes()).collect();
    let mut sent = Vec::new();
    for number in 0..count {
        let topic = lanes[chance.below(3) as usize].clone();
        if number % 25 == 7 {
            let value = poison[(number / 25) % poison.len()].clone();
            sent.push(Sent { topic, key: format!("poison-{number}"), value });
            continue;
        }
        if number % 25 == 16 {
            sent.push(Sent { topic, key: format!("bundle-{number}"), value: bundle(number) });
            continue;
        }
        let sentences = (0..2 + number % 5).map(|at| {
            format!("Miss Ardley of Leipzig paid for delivery {} on day {at}.", number * 7919 + at)
        });
        let text = sentences.collect::<Vec<_>>().join(" ");
        sent.push(Sent {
            topic: topic.clone(),
            key: format!("note-{number}"),
            value: text.clone().into_bytes(),
        });
        if number % 10 == 3 {
            // A later version of the same document, in the same topic.
            let later = format!("{text} And it was late.").into_bytes();
            sent.push(Sent { topic, key: format!("note-{number}"), value: later });
        }
    }
    sent
}

/// An archive of as many documents as [`IN_BUNDLE`].
fn bundle(number: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for part in 0..IN_BUNDLE {
        archive.start_file(format!("part-{part}.txt"), zip::write::SimpleFileOptions::default()).unwrap();
        write!(archive, "Part {part} of bundle {number} tells of a delivery to Marlow.").unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Documents in an archive.
pub const IN_BUNDLE: usize = 2;
