//! Memory does not grow with the length of a document or the number of documents.

use crate::common::*;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A PDF of so many pages with a line of text each.
fn pdf(pages: usize) -> Vec<u8> {
    let mut out = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    let mut object = |out: &mut String, number: usize, body: &str| {
        offsets.push((number, out.len()));
        write!(out, "{number} 0 obj\n{body}\nendobj\n").unwrap();
    };
    let kids: String = (0..pages).map(|page| format!("{} 0 R ", 4 + 2 * page)).collect();
    object(&mut out, 1, "<< /Type /Catalog /Pages 2 0 R >>");
    object(&mut out, 2, &format!("<< /Type /Pages /Count {pages} /Kids [{kids}] >>"));
    object(&mut out, 3, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    for page in 0..pages {
        let text = format!("BT /F1 12 Tf 72 700 Td (Page {page} of the ledger: {page} crates of tea.) Tj ET");
        let form = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * page
        );
        object(&mut out, 4 + 2 * page, &form);
        object(&mut out, 5 + 2 * page, &format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()));
    }
    let (start, count) = (out.len(), offsets.len() + 1);
    write!(out, "xref\n0 {count}\n0000000000 65535 f \n").unwrap();
    for (_, offset) in &offsets {
        writeln!(out, "{offset:010} 00000 n ").unwrap();
    }
    write!(out, "trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    out.into_bytes()
}

/// Resident MB of a process now.
fn resident(pid: i32) -> f64 {
    let told = status_field(pid, "VmRSS").and_then(|told| told.split(' ').next()?.parse().ok());
    told.unwrap_or(0.0) / 1024.0
}

/// Works until so many are in done/; the most resident MB of worker and children together, and how long it took.
fn peak(data: &Path, documents: usize, patience: Duration) -> (f64, Duration) {
    let quire = Daemon::start(data, &[]);
    let (started, pid, mut most) = (Instant::now(), quire.pid(), 0.0_f64);
    let done = wait_for(patience, || {
        let children = sandboxed().into_iter().filter(|child| child.parent == pid);
        most = most.max(resident(pid) + children.map(|child| resident(child.pid)).sum::<f64>());
        std::thread::sleep(Duration::from_millis(50));
        std::fs::read_dir(data.join("done")).is_ok_and(|files| files.count() == documents)
    });
    assert!(done, "{}", quire.log());
    let took = started.elapsed();
    assert_eq!(names(&data.join("dead")), Vec::<String>::new());
    assert_eq!(status(data)["stored"]["documents"], documents);
    let (status, log) = quire.terminate();
    assert!(status.success(), "{log}");
    (most, took)
}

fn of_pages(pages: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let bytes = pdf(pages);
    drop_file(folder.path(), "ledger.pdf", &bytes);
    let (most, took) = peak(folder.path(), 1, PATIENCE * 4);
    let result = result(folder.path(), &id_of(&bytes));
    assert_eq!((result["pages"].as_array().unwrap().len(), &result["coverage"]), (pages, &1.0.into()));
    assert!(result["text"].as_str().unwrap().contains(&format!("Page {} of the ledger", pages - 1)));
    println!("{pages} pages: {most:.0} MB, {took:.1?}");
    most
}

/// The result itself grows: text, passages and vectors of 5,000 pages are some 30 MB.
#[test]
fn a_document_of_five_thousand_pages_takes_little_more_memory_than_one_of_fifty() {
    let (short, long) = (of_pages(50), of_pages(5_000));
    assert!(long < short + 200.0, "{short:.0} MB for 50 pages, {long:.0} MB for 5,000");
}

fn of_notes(count: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let text = format!("Note {number}: the key of locker {} was found.", number * 7);
        drop_file(folder.path(), &format!("{number}.txt"), text.as_bytes());
    }
    let (most, took) = peak(folder.path(), count, Duration::from_secs(3_600));
    println!("{count} notes: {most:.0} MB, {took:.1?}, {:.1}/s", count as f64 / took.as_secs_f64());
    most
}

/// By hand: it takes minutes (benches/NOTES.md).
#[test]
#[ignore = "takes minutes: cargo test --release --test hardship -- --ignored --nocapture"]
fn ten_thousand_notes_take_little_more_memory_than_five_hundred() {
    let (few, many) = (of_notes(500), of_notes(10_000));
    assert!(many < few + 150.0, "{few:.0} MB for 500, {many:.0} MB for 10,000");
}
