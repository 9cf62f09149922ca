//! Compares vector indexes for quire's embedded local store. See README.md.

mod bitmap;
mod clock;
mod contenders;
mod crash;
mod data;
mod hnsw;
mod kernels;
mod measure;
mod scan;
mod store;
mod topk;
mod vec0;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use clock::Clock;
use contenders::Contender;
use data::{Data, Filter, Want};
use measure::Cell;

const QUERIES: usize = 200;

fn main() -> Result<()> {
    vec0::register()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => compare(100_000),
        ["crash"] => crash::report(),
        // The children of `crash`.
        ["writer", kind, dir] => crash::write(kind, Path::new(dir)),
        ["load", dir] => crash::load(Path::new(dir)),
        [rows] => compare(rows.parse()?),
        _ => bail!("usage: vectors [ROWS | crash]"),
    }
}

fn compare(rows: usize) -> Result<()> {
    let data = Data::make(rows, QUERIES);
    let filters = data.filters();
    let dir = tempfile::tempdir()?;
    let mut contenders = contenders::all(&data, dir.path())?;
    let cells = measure::measure(&data, &filters, &mut contenders)?;
    print(&data, &filters, &contenders, &cells);
    bitmaps(&data, dir.path())
}

fn print(data: &Data, filters: &[Filter], contenders: &[Box<dyn Contender>], cells: &[Vec<Cell>]) {
    println!(
        "{} x {} unit vectors, top {}, {} queries, one thread.",
        data.rows(),
        data::DIMS,
        measure::K,
        data.queries.len()
    );
    println!(
        "Under each filter: recall@10; median, p99 of processor time in ms (median by the wall). \
         Insert (us a row) and open (ms): processor time.\n"
    );
    print!("| index |");
    for filter in filters {
        print!(" filter: {} |", filter.name);
    }
    println!(" insert | open | memory MB | disk MB |");
    println!("|---|{}---:|---:|---:|---:|", "---:|".repeat(filters.len()));
    for (contender, row) in contenders.iter().zip(cells) {
        print!("| {} |", contender.name());
        for cell in row {
            let busy = |share| ms(cell.quantile(share, |took| took.busy));
            let wall = ms(cell.quantile(0.5, |took| took.wall));
            let (median, p99) = (busy(0.5), busy(0.99));
            print!(" {:.3}; {median:.2}, {p99:.2} ({wall:.2}) |", cell.recall());
        }
        let cost = contender.cost();
        println!(
            " {:.0} | {:.0} | {:.0} | {:.0} |",
            cost.insert.busy.as_secs_f64() * 1e6 / data.rows() as f64,
            ms(cost.open.busy),
            cost.memory as f64 / 1e6,
            cost.disk as f64 / 1e6
        );
    }
}

/// What the filter itself costs where the index does not evaluate it.
fn bitmaps(data: &Data, dir: &Path) -> Result<()> {
    let db = store::open(&dir.join("points.db"))?;
    println!("\nFilter to bitmap by an SQLite index, median of 50:");
    for (name, want) in [("10 %", Want::BucketBelow(10)), ("1 %", Want::BucketBelow(1))] {
        let mut times = Vec::new();
        for _ in 0..50 {
            let start = Clock::start();
            std::hint::black_box(store::bitmap(&db, want, data.rows())?);
            times.push(start.took().busy);
        }
        times.sort_unstable();
        println!("  {name}: {:.2} ms", ms(times[times.len() / 2]));
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
