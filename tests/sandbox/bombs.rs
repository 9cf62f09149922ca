//! Bombs that only a process of its own survives, and a process that dies in the middle of a run.

use super::*;

/// A PNG whose colour profile is some hundred megabytes once unpacked.
fn profile_bomb(megabytes: usize) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(b"x\0\0".to_vec(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..megabytes).for_each(|_| packed.write_all(&zeros).unwrap());
    let packed = packed.finish().unwrap();
    let mut chunk = (packed.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"iCCP");
    chunk.extend(packed);
    let mut sum = flate2::Crc::new();
    sum.update(&chunk[4..]);
    chunk.extend(sum.sum().to_be_bytes());
    let mut png = large_png(20, 20);
    // Behind the header.
    png.splice(33..33, chunk);
    png
}

/// A PDF whose page draws a form that draws the next one ten times, and so on.
fn drawing_bomb(levels: usize) -> Vec<u8> {
    let page =
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>";
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Count 1/Kids[3 0 R]>>".to_owned(),
        page.to_owned(),
        "<</Length 5>>stream\n/X Do\nendstream".to_owned(),
    ];
    for level in 0..levels {
        let (next, draw) = (objects.len() + 2, "/X Do ".repeat(10));
        let resources =
            if level + 1 < levels { format!("<</XObject<</X {next} 0 R>>>>") } else { "<<>>".to_owned() };
        let draw = if level + 1 < levels { draw } else { "0 0 9 9 re f".to_owned() };
        objects.push(format!(
            "<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Resources{resources}/Length {}>>stream\n{draw}\nendstream",
            draw.len()
        ));
    }
    let (mut out, mut table) = (String::from("%PDF-1.4\n"), String::new());
    for (number, body) in (1..).zip(objects) {
        table += &format!("{number} 1\n{:010} 00000 n \n", out.len());
        out += &format!("{number} 0 obj\n{body}\nendobj\n");
    }
    let start = out.len();
    out += &format!(
        "xref\n0 1\n0000000000 65535 f \n{table}trailer<</Size 99/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
    );
    out.into_bytes()
}

#[test]
fn bombs_in_pictures_and_drawings_cost_neither_memory_nor_time() {
    let _alone = alone();
    let (mut worker, metrics) = super::worker(Settings { memory_mb: 512, ..settings(Stage::Decode) });
    let bomb = profile_bomb(600);
    println!("{} bytes", bomb.len());
    let few = Limits { max_pixels: 1_000_000, ..limits() };
    let request = Request::Decode { name: "a.png".to_owned(), declared: None, limits: few };
    let read = worker.call(&request, &quire::document::sha256_hex(&bomb), &bomb);
    // Read without its profile or refused: either way the process lives on.
    if let Err(error) = &read {
        assert_eq!(error.failure().class, Class::TooLarge, "{error}");
    }
    assert!(
        metrics.encode().contains("quire_sandbox_restarts_total{reason=\"crash\"} 0"),
        "{}",
        metrics.encode()
    );
    drop(worker);

    let settings = Settings { deadline: Duration::from_secs(3), ..settings(Stage::Decode) };
    let (mut worker, _) = super::worker(settings);
    let started = Instant::now();
    let error = decode(&mut worker, "a.pdf", &drawing_bomb(20)).err().expect("10^20 drawings");
    assert!(matches!(error.failure().class, Class::Timeout | Class::TooLarge), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_answers(&mut worker);
}

/// Whoever reads a page may die over it, once: the page is read again by another, and nothing else notices.
#[test]
fn a_child_that_dies_in_the_middle_of_a_run_costs_one_attempt_at_one_page() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let scans = ["lease-three-pages.tif", "letter-complaint-clean-scan.png"];
    let mut daemon = Daemon::start(data, &["--set", "digitize.workers=1", "--set", "decode.workers=1"]);
    let parent = daemon.pid();
    for name in scans {
        drop_file(data, name, &document(name));
    }
    drop_file(data, "note.txt", b"The meeting in Vienna is on Tuesday.");
    // Whichever child works: the one that uses the processor, which the reader of pages does for long.
    let ticks = |pid: i32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.get(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
    };
    let mut begun = std::collections::HashMap::new();
    let mut killed = None;
    let found = wait_for(PATIENCE, || {
        for child in sandboxed().into_iter().filter(|child| child.parent == parent) {
            let first = *begun.entry(child.pid).or_insert_with(|| ticks(child.pid));
            if ticks(child.pid) > first + 20 {
                signal(child.pid, libc::SIGKILL);
                killed = Some(child.pid);
                return true;
            }
        }
        false
    });
    assert!(found, "nobody worked: {}", daemon.log());
    let done =
        || scans.iter().all(|name| data.join(format!("results/{}.json", id_of(&document(name)))).exists());
    assert!(wait_for(PATIENCE, || done() || daemon.child.try_wait().unwrap().is_some()), "{}", daemon.log());
    let pages = |name: &str| result(data, &id_of(&document(name)))["pages"].as_array().unwrap().len();
    assert_eq!((pages(scans[0]), pages(scans[1])), (3, 1));
    assert!(names(&data.join("dead")).is_empty(), "{:?}", names(&data.join("dead")));
    let api = daemon.api().unwrap();
    let metrics = ureq::get(format!("{api}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(metrics.contains("quire_sandbox_restarts_total{reason=\"crash\"} 1"), "{killed:?}: {metrics}");
    assert!(daemon.terminate().0.success());
}
