//! What a long life brings: a clock that is set, stores and brokers that are slow, disks that cannot be written,
//! data of earlier versions, and very many or very long documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod clock;
#[path = "../common/mod.rs"]
mod common;
mod read_only;
mod size;
mod slow;
mod upgrade;
