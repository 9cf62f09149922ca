#![cfg_attr(feature = "libfuzzer", no_main)]
//! What a sandboxed child and its parent say to each other.

quire_fuzz::target!(quire_fuzz::entries::frame);
