use super::read::Exposition;
use super::watch::Watch;
use super::*;
use std::sync::Arc;

#[test]
fn the_exposition_names_what_happened() {
    let metrics = Metrics::new();
    metrics.stage_done(Stage::Decode, Duration::from_millis(3));
    metrics.failed(Stage::Decode, Class::Corrupt);
    metrics.covered(10, 10);
    let text = metrics.encode();
    for line in [
        "quire_stage_documents_total{stage=\"decode\"} 1",
        "quire_failures_total{stage=\"decode\",class=\"corrupt\"} 1",
        "quire_coverage 1.0",
        "quire_stage_seconds_bucket{le=\"0.005\",stage=\"decode\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

/// Prometheus sees no growth in a counter that is born at 1: an alert on the first failure would stay silent.
#[test]
fn what_alerts_watch_is_there_at_zero() {
    let metrics = Metrics::new();
    metrics.task_known("backup", true);
    let text = metrics.encode();
    for line in [
        "quire_documents_total{outcome=\"dead\"} 0",
        "quire_documents_total{outcome=\"done\"} 0",
        "quire_sandbox_restarts_total{reason=\"crash\"} 0",
        "quire_spans_total{outcome=\"unsent\"} 0",
        "quire_task_runs_total{task=\"backup\",outcome=\"failed\"} 0",
        "quire_task_scheduled{task=\"backup\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("quire_task_last_success_timestamp_seconds{"), "{text}");
}

#[test]
fn why_a_gpu_does_nothing_follows_the_queue_and_the_threads() {
    let metrics = Metrics::new();
    let watch: Arc<Watch> = Arc::default();
    metrics.device(&[Arc::clone(&watch)], false);
    let seconds = || Exposition::parse(&metrics.encode()).gpu_seconds();
    let pause = || std::thread::sleep(Duration::from_millis(20));
    let mut before = seconds();
    let mut grown = |state: &str| {
        let now = seconds();
        let most = now.iter().max_by(|a, b| (a.1 - before[a.0]).total_cmp(&(b.1 - before[b.0])));
        assert_eq!(most.unwrap().0, state, "{before:?} {now:?}");
        before = now;
    };
    metrics.free_thread(pause);
    grown("no_work");
    metrics.queue_depth(Stage::Infer, 5);
    metrics.free_thread(pause);
    grown("gather");
    pause();
    grown("elsewhere");
    // Other models after a reload: what the GPU did before stays, and its reason is known at once.
    let next: Arc<Watch> = Arc::default();
    metrics.device(&[next], false);
    pause();
    grown("elsewhere");
    metrics.queue_depth(Stage::Infer, 0);
    pause();
    grown("no_work");
}
