//! What metrics say of a GPU, from the queue to the scrape; the kernels' source on the CPU stands in for one.

use crate::batch::Job;
use crate::document::Priority;
use crate::feed::{BatchQueue, Limits};
use crate::infer::{on_emulated_gpu, serve};
use crate::metrics::Metrics;
use crate::metrics::read::Exposition;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

#[test]
fn a_scrape_says_what_a_gpu_did_and_why_it_did_nothing() {
    /// Longer than any pause that a busy machine makes by chance.
    const PAUSE: Duration = Duration::from_millis(300);
    let began = Instant::now();
    let (device, engine) = on_emulated_gpu();
    let metrics = Arc::new(Metrics::new());
    metrics.device(&device.watches, false);
    let limits = Limits { tokens: 4096, wait: PAUSE, cost: 1 };
    let queue = BatchQueue::new(&[limits], 10_000, Arc::clone(&metrics));
    let ask = |priority| {
        let (sender, answers) = mpsc::channel();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        let tokens = vec![5; 40];
        let job = Job { model: 0, tokens, shapes: vec![], spans: vec![], vectors_only: false, reply };
        assert!(queue.push(job, priority).is_ok());
        answers.recv().unwrap().unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&mut [engine], || queue.pop(), 4096, &metrics));
        std::thread::sleep(PAUSE);
        // The first waits for company; of the others, which are due at once, one is measured.
        ask(Priority::Low);
        (0..20).for_each(|_| ask(Priority::High));
        queue.close();
    });
    let text = metrics.encode();
    let (seen, passed) = (Exposition::parse(&text), began.elapsed().as_secs_f64());
    let states = seen.gpu_seconds();
    let (pause, sum) = (PAUSE.as_secs_f64(), states.values().sum::<f64>());
    assert!(sum <= passed && passed - sum < 0.2, "{sum} of {passed}: {states:?}");
    assert!(states["no_work"] >= 0.9 * pause && states["gather"] >= 0.9 * pause, "{states:?}");
    assert!(states["compute"] > 0.0 && states["copy"] > 0.0 && states["prepare"] > 0.0, "{states:?}");
    assert!(states["elsewhere"] < pause && states["lost"] == 0.0, "{states:?}");
    let operators = seen.gpu_operators();
    for operator in ["embed", "product", "attend", "add_norm", "pool", "unit"] {
        assert!(operators[operator] > 0.0, "{operator}: {operators:?}");
    }
    assert!(operators.values().sum::<f64>() <= states["compute"], "{operators:?} {states:?}");
    // 21 batches of 40 tokens, where 4096 have room.
    assert!(text.contains("quire_batch_fill_count 21\n"), "{text}");
    assert!(text.contains("quire_batch_fill_sum 0.205078125\n"), "{text}");
    assert!(text.contains("quire_gpu_memory_size_bytes{gpu=\"0\"} 1073741824"), "{text}");
}
