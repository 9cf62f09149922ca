//! What is left after `kill -9`: a child writes until it is killed, this process looks.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use usearch::{Index, ScalarKind};

use crate::data::{DIMS, Data};
use crate::{hnsw, store, vec0};

const ROUNDS: u64 = 6;
const ROWS: usize = 20_000;
const BATCH: usize = 100;

/// Kills a writer of each kind a few times and prints what could be found again.
pub fn report() -> Result<()> {
    println!("\nAfter kill -9 ({BATCH} rows a batch; the graph saved after every tenth batch)");
    println!("kind        acknowledged  in SQLite  in the index");
    for kind in ["own", "sqlite-vec", "usearch"] {
        for round in 0..ROUNDS {
            let dir = tempfile::tempdir()?;
            // Adding to a graph takes longer: wait until it has been saved a few times.
            let (first, step) = if kind == "usearch" { (1500, 333) } else { (50, 37) };
            let acknowledged = kill_writer(kind, dir.path(), first + step * round)?;
            let (rows, index) = look(kind, dir.path())?;
            println!("{kind:<12}{acknowledged:>12}{rows:>11}  {index}");
        }
    }
    Ok(())
}

fn kill_writer(kind: &str, dir: &Path, after: u64) -> Result<usize> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["writer", kind])
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
    lines.next().context("the writer ended early")??;
    std::thread::sleep(Duration::from_millis(after));
    child.kill()?;
    child.wait()?;
    let mut acknowledged = 0;
    for line in lines.map_while(Result::ok) {
        acknowledged = line.parse().unwrap_or(acknowledged);
    }
    Ok(acknowledged)
}

/// The child: writes batch after batch and prints the number of rows after each commit.
pub fn write(kind: &str, dir: &Path) -> Result<()> {
    let data = Data::make(ROWS, 0);
    let mut out = std::io::stdout();
    let mut db = store::open(&dir.join("points.db"))?;
    db.execute_batch(if kind == "sqlite-vec" { vec0::SCHEMA } else { store::SCHEMA })?;
    let graph = Index::new(&hnsw::options(ScalarKind::F32))?;
    graph.reserve_capacity_and_threads(ROWS, 1)?;
    let file = dir.join("graph.usearch");
    let path = file.to_str().context("path")?;
    writeln!(out, "ready")?;
    for start in (0..ROWS).step_by(BATCH) {
        let tx = db.transaction()?;
        for slot in start..start + BATCH {
            match kind {
                "sqlite-vec" => vec0::insert(&tx, &data, slot)?,
                _ => store::insert(&tx, slot, data.bucket[slot], 0, data.row(slot))?,
            }
        }
        tx.commit()?;
        if kind == "usearch" {
            for slot in start..start + BATCH {
                graph.add(slot as u64, data.row(slot))?;
            }
            if start / BATCH % 10 == 9 {
                graph.save(path)?;
            }
        }
        writeln!(out, "{}", start + BATCH)?;
        out.flush()?;
    }
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

fn look(kind: &str, dir: &Path) -> Result<(usize, String)> {
    let db = store::open(&dir.join("points.db"))?;
    let check: String = db.query_row("pragma integrity_check", [], |row| row.get(0))?;
    if check != "ok" {
        bail!("SQLite: {check}");
    }
    let rows: i64 = db.query_row("select count(*) from points", [], |row| row.get(0))?;
    let index = match kind {
        // Its index is made of the blobs when the store is opened: the two cannot disagree.
        "own" => count_blobs(&db)?.to_string(),
        "sqlite-vec" => {
            let sql = "select count(vector) from points";
            db.query_row(sql, [], |row| row.get::<_, i64>(0))?.to_string()
        }
        // In a process of its own: a torn file may take its reader down.
        _ => {
            let out = Command::new(std::env::current_exe()?).arg("load").arg(dir).output()?;
            let said = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            if out.status.success() { said } else { format!("{} {said}", out.status) }
        }
    };
    Ok((rows as usize, index))
}

fn count_blobs(db: &rusqlite::Connection) -> Result<usize> {
    let mut statement = db.prepare("select vector from points")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += usize::from(row.get_ref(0)?.as_blob()?.len() == DIMS * size_of::<f32>());
    }
    Ok(count)
}

/// The child that loads what the killed writer left.
pub fn load(dir: &Path) -> Result<()> {
    let file = dir.join("graph.usearch");
    if !file.exists() {
        println!("no file");
        return Ok(());
    }
    let graph = Index::new(&hnsw::options(ScalarKind::F32))?;
    match graph.load(file.to_str().context("path")?) {
        Ok(()) => println!("{}", graph.size()),
        Err(error) => println!("cannot be loaded: {error}"),
    }
    Ok(())
}
