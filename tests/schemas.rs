//! docs/schema holds what the types say. After a change of the types: `make schemas`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;

#[test]
fn the_published_schemas_are_those_of_the_types() {
    let data = tempfile::tempdir().unwrap();
    let names = ["command", "envelope", "notification", "progress", "result", "reviewed"];
    for name in names {
        let out = output(quire(data.path()).args(["schema", name]));
        assert!(out.status.success(), "{}", stderr(&out));
        let published = std::fs::read_to_string(root().join(format!("docs/schema/{name}.json"))).unwrap();
        assert_eq!(stdout(&out), published, "docs/schema/{name}.json is old: run `make schemas`");
    }
    let out = output(quire(data.path()).args(["schema", "openapi"]));
    let published = std::fs::read_to_string(root().join("docs/openapi.json")).unwrap();
    assert_eq!(stdout(&out), published, "docs/openapi.json is old: run `make schemas`");
    let page = output(quire(data.path()).args(["schema", "metrics"]));
    let published = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    assert_eq!(stdout(&page), published, "docs/metrics.md is old: run `make schemas`");
    let files = common::names(&root().join("docs/schema"));
    assert_eq!(files, names.map(|name| format!("{name}.json")), "a schema that nothing makes");
}
