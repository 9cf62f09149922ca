#![cfg_attr(feature = "libfuzzer", no_main)]
//! Records of topics: keys, headers, envelopes, commands.

use quire_fuzz::entries::{record, topics};
use std::sync::LazyLock;

quire_fuzz::target!(|bytes| {
    static TOPICS: LazyLock<quire::consume::kafka::topics::Topics> = LazyLock::new(topics);
    record(bytes, &TOPICS);
});
