//! What was sent is sent once more, and nothing that is newer is replaced by it.

use super::*;

#[test]
fn a_replay_understands_again_and_never_goes_back() {
    let world = world();
    let before = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1)).to_string();
    let (partition, first) = world.send("replay-1", b"The first version of this note.", &[]);
    world.records("results", "replay-1", 1);
    world.send("replay-1", b"The second version of this note.", &[]);
    world.records("results", "replay-1", 2);
    world.send("replay-2", b"Another note.", &[]);
    world.records("results", "replay-2", 1);

    let brokers = format!("kafka.brokers={}", world.kafka.brokers());
    let prefix = format!("kafka.prefix={PREFIX}");
    let folder = tempfile::tempdir().unwrap();
    let replay = |more: &[&str]| {
        let mut command = quire(folder.path());
        command.args(["replay", "--json", "--set", &brokers, "--set", &prefix]).args(more);
        json(&output(&mut command))
    };
    let counted = replay(&["--since", &before, "--prefix", "replay-", "--dry-run"]);
    assert_eq!(counted["sent"], 3, "{counted}");
    assert_eq!(world.records("results", "replay-2", 1).len(), 1, "counting sends nothing");

    let sent = replay(&["--since", &before, "--prefix", "replay-", "--force"]);
    assert_eq!(sent["sent"], 3, "{sent}");
    let again = world.records("results", "replay-2", 2).pop().unwrap().json();
    let once = world.records("results", "replay-2", 1)[0].json();
    assert_eq!((&again["origin"], &again["version"]), (&once["origin"], &once["version"]));
    assert_ne!(again["ingested_at"], once["ingested_at"], "it was understood anew");
    // The old version is left out, the later one is there.
    let third = world.records("results", "replay-1", 3).pop().unwrap().json();
    assert_eq!(third["text"], "The second version of this note.");

    // From an offset on, one partition only.
    let from = format!("{partition}:{first}");
    let one = replay(&["--from", &from, "--prefix", "replay-1", "--dry-run"]);
    assert!(one["sent"].as_u64().unwrap() >= 4, "both and their replays: {one}");
    let none = replay(&["--since", "2100-01-01T00:00:00Z"]);
    assert_eq!((&none["met"], &none["sent"]), (&json!(0), &json!(0)));
}

#[test]
fn the_only_worker_of_a_group_is_its_leader() {
    let api = world().worker.api().unwrap();
    let leads = || {
        let mut answer = ureq::get(format!("{api}/metrics")).call().unwrap();
        answer.body_mut().read_to_string().unwrap().contains("\nquire_leader 1\n")
    };
    assert!(wait_for(PATIENCE, leads));
}

#[test]
fn what_a_document_cost_is_measured_by_kind() {
    let world = world();
    world.send("cost-1", b"A note whose cost is measured.", &[]);
    world.result("cost-1");
    let api = world.worker.api().unwrap();
    let measured = || {
        let mut answer = ureq::get(format!("{api}/metrics")).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let cost =
            text.lines().find_map(|l| l.strip_prefix("quire_document_cost_seconds{work=\"text/plain\"} "));
        cost.is_some_and(|seconds| (1e-6..60.0).contains(&seconds.parse::<f64>().unwrap()))
    };
    assert!(wait_for(PATIENCE, measured));
}
