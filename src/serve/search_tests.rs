//! Searches by examples over HTTP.

use super::support::{Server, document};
use crate::publish::Store;
use crate::receipt::lock;
use serde_json::json;

fn filled() -> Server {
    let server = Server::start(&[]);
    for (name, component) in [("a", 1.0), ("b", -1.0), ("c", 1.0), ("d", 1.0)] {
        let mut document = document(name);
        document.vector = vec![component];
        server.store.put(&document).unwrap();
    }
    server
}

#[test]
fn examples_are_searched_by_left_out_and_shown() {
    let server = filled();
    let answer = server.get("/v1/search?like=a&like=a&facets=true").json();
    let ids: Vec<&str> =
        answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["b", "c", "d"]);
    assert_eq!(answer["examples"]["like"][0]["name"], "a.txt");
    assert_eq!(answer["examples"]["unlike"], json!([]));
    assert!(answer["facets"].is_object());
    // The words' vector is [2], that of what is liked [1], half of what is not [-0.5].
    let path = "/v1/search?q=xx&like=a,c&unlike=b&language=EN&limit=1&offset=0";
    let answer = server.get(path).json();
    assert_eq!(answer["hits"][0]["id"], "d");
    assert_eq!(answer["examples"]["unlike"][0]["id"], "b");
    let further = server.get("/v1/search?q=xx&unlike=b&limit=1&offset=2").json();
    assert_eq!((further["hits"].as_array().unwrap().len(), &further["hits"][0]["id"]), (1, &json!("d")));
    let asked = lock(&server.store.asked).clone();
    assert_eq!(
        asked,
        ["nearest document [1.0] [] 20", "nearest document [1.0] [\"en\"] 1", "nearest document [1.0] [] 3"]
    );
    assert!(server.get("/v1/search?q=xx").json()["examples"].is_null());
}

#[test]
fn examples_that_cancel_out_are_a_problem_with_a_way_out() {
    let server = filled();
    let answer = server.get("/v1/search?like=a&like=b");
    assert!(answer.problem(422, "/v1/search").contains("cancel each other out"));
    assert_eq!(answer.json()["type"], "urn:quire:problem:no-direction");
    assert!(answer.json()["remedy"].as_str().unwrap().contains("`q`"));
    let unknown = server.get("/v1/search?like=a&unlike=gone").problem(404, "/v1/search");
    assert!(unknown.contains("`gone`"), "{unknown}");
    assert_eq!(lock(&server.store.asked).len(), 0, "nothing is searched for");
}

#[test]
fn modes_say_what_counts_and_whether_a_model_is_asked() {
    let server = filled();
    for (path, asked) in [
        ("q=xx", "search xx [2.0] [] document 20"),
        ("q=xx&mode=hybrid&by=passage", "search xx [2.0] [] passage 20"),
        ("q=xx&mode=words&by=document", "search xx [] [] document 20"),
        ("q=xx&mode=Meaning&limit=3&offset=2", "search  [2.0] [] document 5"),
        ("q=xx&like=a&mode=meaning&by=passage", "nearest passage [1.0] [] 20"),
    ] {
        lock(&server.store.asked).clear();
        assert_eq!(server.get(&format!("/v1/search?{path}")).status, 200, "{path}");
        assert_eq!(*lock(&server.store.asked), [asked], "{path}");
    }
}
