//! Subscriptions hear of what comes by topics, from the worker that leads.

use super::common::receiver::{ask, receiver};
use super::common::{PATIENCE, wait_for};
use super::{PREFIX, World, world};
use serde_json::{Value, json};

#[test]
fn a_subscription_hears_of_documents_of_topics() {
    let world = world();
    let api = world.worker.api().unwrap();
    let (url, came) = receiver(1);
    let draft = json!({ "url": url, "filter": { "source": [PREFIX] }, "events": ["finished", "needs_review", "failed", "reviewed"] });
    let (status, made) = ask("POST", &format!("{api}/v1/subscriptions"), None, Some(&draft));
    assert_eq!(status, 201, "{made}");
    world.send("told-1", b"The letter about bread came on Monday.", &[("content-type", "text/plain")]);
    world.send("told-2", b"%PDF-1.7 no more than that", &[("content-type", "application/pdf")]);
    let about = |id: &str, kinds: &[&str]| {
        let came = came.lock().unwrap();
        came.iter()
            .any(|(_, body)| body["data"]["id"] == id && kinds.contains(&body["type"].as_str().unwrap()))
    };
    let understood = ["document.finished", "document.needs_review"];
    let told = || about("told-1", &understood) && about("told-2", &["document.failed"]);
    assert!(wait_for(PATIENCE, told), "{:?} {}", came.lock().unwrap(), world.worker.log());
    decide_and_take_back(world, &api);
    let heard = || {
        let came = came.lock().unwrap();
        let actions = came.iter().map(|(_, body)| body["data"]["reviewed"]["action"].clone());
        actions.filter(|action| !action.is_null()).collect::<Vec<_>>()
    };
    assert!(wait_for(PATIENCE, || heard() == ["correct", "reopen"]), "{:?}", heard());
    let path = format!("{api}/v1/subscriptions/{}", made["id"].as_str().unwrap());
    assert_eq!(ask("DELETE", &path, None, None).0, 204);
}

/// What a person decides comes to `documents.reviewed`, and so does that it is taken back.
fn decide_and_take_back(world: &World, api: &str) {
    let path = format!("{api}/v1/reviews/told-1");
    let version = ask("GET", &path, None, None).1["version"].clone();
    let corrections = json!({ "kind": "bread-letter" });
    let decision =
        json!({ "action": "correct", "version": version, "by": "ada", "corrections": corrections });
    let (status, decided) = ask("POST", &format!("{path}/decision"), None, Some(&decision));
    assert_eq!((status, &decided["state"]), (200, &json!("decided")), "{decided}");
    let (status, open) = ask("POST", &format!("{path}/reopen"), None, Some(&json!({ "by": "bob" })));
    assert_eq!((status, &open["state"]), (200, &json!("open")), "{open}");
    let told: Vec<Value> =
        world.records("reviewed", "told-1", 2).iter().map(|record| record.json()).collect();
    let said = |told: &Value| [&told["action"], &told["by"], &told["corrected"]].map(Clone::clone);
    assert_eq!(said(&told[0]), [json!("correct"), json!("ada"), json!(["kind"])]);
    assert_eq!(said(&told[1]), [json!("reopen"), json!("bob"), json!(["kind"])]);
    assert_eq!((&told[0]["corrections"], &told[1]["corrections"]), (&corrections, &Value::Null));
    assert!(told[1]["version"].as_u64() > told[0]["version"].as_u64(), "{told:?}");
    assert_eq!((&told[0]["sha256"], told.len()), (&told[1]["sha256"], 2));
}
