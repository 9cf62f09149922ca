//! A copy of the store while others read and write it.

use super::{FILE, schema};
use crate::error::Result;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pages of 4 KiB that are copied before others get their turn.
const PAGES: i32 = 4_096;

/// How long the copy waits where the file is locked.
const BUSY: Duration = Duration::from_millis(50);

/// How often is asked whether a check is to end.
const ASKED: Duration = Duration::from_millis(20);

/// Copies the store of `dir` to the file `to`: what was committed at one moment, by SQLite's own
/// backup. `step` hears how many pages are left of how many, and ends the copy by `false`.
///
/// Errors: there is no store, or the copy cannot be written.
pub fn snapshot(dir: &Path, to: &Path, mut step: impl FnMut(u64, u64) -> bool) -> Result<()> {
    let path = dir.join(FILE);
    schema::check_readable(&path)?;
    let source = schema::open_reader(&path)?;
    let mut copy = Connection::open(to)?;
    // One transaction: a writer that commits meanwhile would make the copy begin again.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM documents", [], |_| Ok(()))?;
    let backup = Backup::new(&source, &mut copy)?;
    loop {
        let result = backup.step(PAGES)?;
        let progress = backup.progress();
        let natural = |n: i32| u64::try_from(n).unwrap_or(0);
        if result == StepResult::Done || !step(natural(progress.remaining), natural(progress.pagecount)) {
            break;
        }
        if result != StepResult::More {
            std::thread::sleep(BUSY);
        }
    }
    drop(backup);
    // A copy of a file in WAL mode would want its log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(())
}

/// Whether the store in the file `path` is whole, as SQLite itself checks it, and of a version that
/// this program reads.
///
/// Errors: it is not; or `cancelled` said so, which is asked all the while.
pub fn check(path: &Path, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<()> {
    schema::check_readable(path)?;
    let reader = schema::open_reader(path)?;
    let (handle, done) = (reader.get_interrupt_handle(), AtomicBool::new(false));
    let verdict: rusqlite::Result<String> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                if cancelled() {
                    handle.interrupt();
                }
                std::thread::sleep(ASKED);
            }
        });
        let verdict = reader.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        done.store(true, Ordering::Release);
        verdict
    });
    let verdict = verdict?;
    if verdict == "ok" { Ok(()) } else { Err(super::failure::broken(verdict)) }
}
