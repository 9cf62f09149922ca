//! Subscriptions hear of what comes by topics, from the worker that leads.

use super::common::receiver::{ask, receiver};
use super::common::{PATIENCE, wait_for};
use super::{PREFIX, world};
use serde_json::json;

#[test]
fn a_subscription_hears_of_documents_of_topics() {
    let world = world();
    let api = world.worker.api().unwrap();
    let (url, came) = receiver(1);
    let draft = json!({ "url": url, "filter": { "source": [PREFIX] }, "events": ["finished", "needs_review", "failed"] });
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
    let path = format!("{api}/v1/subscriptions/{}", made["id"].as_str().unwrap());
    assert_eq!(ask("DELETE", &path, None, None).0, 204);
}
