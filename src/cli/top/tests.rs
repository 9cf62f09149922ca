//! The screen at the sizes that people have.

use super::{Look, View, draw};
use crate::metrics::read::Exposition;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

fn screen(width: u16, height: u16, metrics: &str) -> Vec<String> {
    screen_after(width, height, "", metrics)
}

/// The screen ten seconds after the metrics were something else.
fn screen_after(width: u16, height: u16, before: &str, metrics: &str) -> Vec<String> {
    let since = jiff::Timestamp::now().to_string();
    let in_flight: Vec<_> = (0..30)
        .map(|n| {
            json!({"name": format!("{n}-a-name-that-is-longer-than-a-narrow-screen.pdf"), "stage": "digitize",
                        "pages_done": 1, "pages_total": 3, "since": since})
        })
        .collect();
    let status = json!({"version": "0.1.0", "counts": {"documents": 5, "passages": 124, "dead": 6},
                        "in_flight": in_flight});
    let tasks = json!({"tasks": [{"name": "backup", "next": "2026-11-27T02:30:00Z"}, {"name": "export"}]});
    let at = Instant::now();
    let earlier = at.checked_sub(Duration::from_secs(10)).unwrap();
    let first = Look { at: earlier, metrics: Exposition::parse(before), status: json!({}), tasks: json!({}) };
    let now = Look { at, metrics: Exposition::parse(metrics), status, tasks };
    let view = View {
        base: "http://127.0.0.1:8737".to_owned(),
        before: VecDeque::from([first]),
        now: Some(now),
        rates: vec![1; 200],
        trouble: None,
        paused: false,
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, &view)).unwrap();
    terminal.backend().to_string().lines().map(|line| line.trim_matches('"').to_owned()).collect()
}

#[test]
fn a_small_screen_shows_the_flow_and_what_is_in_flight() {
    for (width, height) in [(75, 24), (60, 20), (44, 16)] {
        let lines = screen(width, height, "quire_failures_total{class=\"corrupt\"} 4\n");
        let whole = lines.join("\n");
        for word in
            ["q quit", "stage     queue", "docs/s", "publish", "digitize", "in flight", "0-a-name", "1/3"]
        {
            assert!(whole.contains(word), "{width}: {word} is missing\n{whole}");
        }
        let tall = height >= 22;
        assert_eq!(whole.contains("corrupt") && whole.contains("failures, by class"), tall, "{whole}");
        assert_eq!(whole.contains("blocked documents"), width > 50, "no column is cut\n{whole}");
    }
}

#[test]
fn every_panel_is_whole_on_narrow_and_wide_screens() {
    for (width, height) in [(80, 24), (110, 32), (160, 50)] {
        for metrics in
            ["", "quire_lag_documents{lane=\"normal\"} 12\nquire_failures_total{class=\"corrupt\"} 4\n"]
        {
            let lines = screen(width, height, metrics);
            for line in lines.iter().skip(2) {
                let edges = (line.chars().next().unwrap(), line.chars().last().unwrap());
                assert!("┌│└".contains(edges.0) && "┐│┘".contains(edges.1), "{width}: {line}");
                // Where two panels meet, both have their border.
                for pair in line.split("││").skip(1) {
                    assert!(!pair.starts_with('│'), "{width}: {line}");
                }
            }
            let meet = |line: &&String| line.contains("││");
            let middle: Vec<&String> = lines.iter().skip(13).take(3).filter(meet).collect();
            assert!(middle.iter().all(|line| line.matches("││").count() == 2), "{width}: {middle:?}");
            let whole = lines.join("\n");
            for word in ["digitize", "publish", "in flight", "2026-11-27 02:30", "by hand only", "1/3"] {
                assert!(whole.contains(word), "{width}: {word} is missing\n{whole}");
            }
        }
    }
    let folder = screen(80, 24, "").join("\n");
    assert!(folder.contains("none") && !folder.contains("normal"), "{folder}");
    let topics = screen(80, 24, "quire_lag_documents{lane=\"normal\"} 12\n").join("\n");
    assert!(topics.contains("normal") && topics.contains("12"), "{topics}");
}

#[test]
fn of_gpus_it_shows_how_busy_they_are_and_what_they_wait_for() {
    let seconds = |compute: u32, gather: u32, idle: u32| {
        format!(
            "quire_gpus 2\nquire_gpu_seconds_total{{gpu=\"0\",state=\"compute\"}} {compute}\n\
             quire_gpu_seconds_total{{gpu=\"1\",state=\"gather\"}} {gather}\n\
             quire_gpu_seconds_total{{gpu=\"0\",state=\"no_work\"}} {idle}\n"
        )
    };
    let whole = screen_after(110, 32, &seconds(100, 10, 900), &seconds(115, 14, 901)).join("\n");
    assert!(whole.contains("2 GPUs 75 % busy, else gather "), "{whole}");
}
