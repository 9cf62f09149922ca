#![cfg_attr(feature = "libfuzzer", no_main)]
//! Documents of every format, as sandboxed children read them.

quire_fuzz::target!(|bytes| {
    if let Some(error) = quire_fuzz::entries::document(bytes, "") {
        panic!("{error}");
    }
});
