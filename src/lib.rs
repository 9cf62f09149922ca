//! `quire`: streaming document inference. Documents in, understood documents out, found again.
//!
//! The folders are the stages, in the order of the data: `consume` → `decode` → `digitize` →
//! `feed` → `infer` → `interpret` → `publish`; only [`pipeline`](crate) knows that order.
//! ARCHITECTURE.md is the map.

pub mod batch;
pub mod cli;
pub mod config;
pub mod consume;
pub mod decode;
pub mod digitize;
pub mod document;
pub mod durable;
pub mod error;
pub mod failpoint;
pub mod feed;
pub mod infer;
pub mod interpret;
pub mod layout;
pub mod metrics;
pub mod notify;
pub mod pipeline;
pub mod progress;
pub mod publish;
pub mod receipt;
pub mod review;
pub mod sandbox;
pub mod serve;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod tend;
pub mod tensor;
pub mod trace;
pub mod window;
