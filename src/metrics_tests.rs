use super::*;

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
