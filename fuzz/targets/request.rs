#![cfg_attr(feature = "libfuzzer", no_main)]
//! Requests over HTTP, as bytes of a connection.

use quire_fuzz::entries::Edge;
use std::sync::LazyLock;

quire_fuzz::target!(|bytes| {
    static EDGE: LazyLock<Edge> = LazyLock::new(Edge::start);
    if let Some(said) = EDGE.failed(bytes) {
        panic!("{said}");
    }
});
