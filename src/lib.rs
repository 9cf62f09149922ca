//! `quire`: streaming document inference. Documents in, understood documents out, found again.
//!
//! The folders are the stages, in the order of the data: `consume` → `decode` → `digitize` →
//! `feed` → `infer` → `interpret` → `publish`; only [`pipeline`](crate) knows that order.
//! ARCHITECTURE.md is the map.

pub mod config;
pub mod decode;
pub mod document;
pub mod error;
pub mod metrics;
pub mod publish;
pub mod receipt;
pub mod consume;
pub mod digitize;
pub mod sandbox;
pub mod batch;
pub mod feed;
pub mod infer;
pub mod interpret;
pub mod window;
