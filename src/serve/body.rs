//! Reading a request's body: bounded in size, in time, and in all uploads together.

use super::Shared;
use super::admit::Held;
use super::problem::{BUSY, Problem, SLOW, TOO_LARGE};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;

/// How many uploads of the largest size may be in memory at once; of smaller ones, accordingly
/// more.
const UPLOADS: usize = 4;
/// How long a sender may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// A refused body is still read this long and this far: a sender that is cut off while it writes
/// often sees a broken connection instead of the reason.
const PATIENCE: Duration = Duration::from_secs(5);
const DISCARDED: usize = 64 << 20;

/// The body, with its share of the memory for uploads.
pub async fn read<'s>(
    shared: &'s Shared,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Vec<u8>, Held<'s>), Problem> {
    let read = collect(shared, headers, &mut body).await;
    // Who asks before sending hears the answer first.
    if read.is_err() && !headers.contains_key(header::EXPECT) {
        let _ = timeout(PATIENCE, discard(&mut body)).await;
    }
    read
}

async fn collect<'s>(
    shared: &'s Shared,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<(Vec<u8>, Held<'s>), Problem> {
    let limit = shared.body_limit;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length: usize = length.unwrap_or(0);
    if length > limit {
        return Err(too_large(shared));
    }
    let mut held = Held::of(&shared.buffered, limit.saturating_mul(UPLOADS));
    let mut bytes = Vec::new();
    loop {
        let data = match timeout(SILENCE, frame(body)).await {
            Ok(Some(data)) => data?,
            // Where the connection was dropped with the whole server, a body just ends.
            Ok(None) if bytes.len() < length => {
                let came = bytes.len();
                return Err(Problem::bad(format!("the body ended after {came} of {length} bytes")));
            }
            Ok(None) => return Ok((bytes, held)),
            Err(_) => return Err(Problem::new(&SLOW, format!("nothing came for {} s", SILENCE.as_secs()))),
        };
        if bytes.len().saturating_add(data.len()) > limit {
            return Err(too_large(shared));
        }
        if !held.grow(data.len()) {
            return Err(Problem::new(&BUSY, "too many uploads at once")
                .with_remedy("send it again in a moment, or fewer at once"));
        }
        if bytes.is_empty() {
            // Once, so that a large body is not copied as it grows; pages are only used when written.
            bytes.reserve_exact(length.max(data.len()));
        }
        bytes.extend_from_slice(&data);
    }
}

async fn discard(body: &mut Body) {
    let mut seen = 0usize;
    while let Some(Ok(data)) = frame(body).await {
        seen = seen.saturating_add(data.len());
        if seen > DISCARDED {
            return;
        }
    }
}

/// The next bytes; none of a trailer; `None` at the end.
async fn frame(body: &mut Body) -> Option<Result<Bytes, Problem>> {
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    Some(match frame {
        Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
        Err(e) => Err(Problem::bad(format!("the body ended before it was complete: {e}"))),
    })
}

fn too_large(shared: &Shared) -> Problem {
    let limit = shared.api.config.max_body_mb;
    Problem::new(&TOO_LARGE, format!("the body is larger than serve.max_body_mb = {limit} MiB"))
        .with_remedy("split the document, put the file into the inbox folder, or raise serve.max_body_mb")
}
