//! Reading a request's body: bounded in size, in time, and in all uploads together.

use super::admit::Held;
use super::problem::{BUSY, Problem, SLOW, TOO_LARGE};
use super::{JSON_LIMIT, Shared};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How many uploads of the largest size may be in memory at once; of smaller ones, accordingly
/// more.
const UPLOADS: usize = 4;
/// How long a sender may be silent, and how long a body that is no upload may take.
const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// The least that comes of an upload in a second, in the mean once [`SILENCE`] is over: who sends a byte now and then
/// holds memory and a place that others wait for.
const RATE: usize = 4 << 10;
/// A refused body is still read this long and this far: a sender that is cut off while it writes
/// often sees a broken connection instead of the reason.
const PATIENCE: Duration = Duration::from_secs(5);
const DISCARDED: usize = 64 << 20;

/// The request with its whole body, which is no upload, and its share of the memory for those: no place is held while it
/// comes.
pub async fn whole(shared: &Shared, request: Request) -> Result<(Request, Held<'_>), Problem> {
    let (head, mut body) = request.into_parts();
    let mut held = Held::of(&shared.buffered, shared.body_limit.saturating_mul(UPLOADS));
    let mut bytes = Vec::new();
    let said = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let collect = async {
        if said.is_some_and(|length: usize| length > JSON_LIMIT) {
            return Err(Problem::long_json());
        }
        while let Some(data) = frame(&mut body).await {
            let data = data?;
            if bytes.len() + data.len() > JSON_LIMIT {
                return Err(Problem::long_json());
            }
            if !held.grow(data.len()) {
                return Err(busy());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(())
    };
    let came = timeout(SILENCE, collect).await;
    let came = came.unwrap_or_else(|_| Err(slow(format!("the body took more than {} s", SILENCE.as_secs()))));
    if let Err(problem) = came {
        refuse(&head.headers, &mut body).await;
        return Err(problem);
    }
    Ok((Request::from_parts(head, Body::from(bytes)), held))
}

/// The body, with its share of the memory for uploads.
pub async fn read<'s>(
    shared: &'s Shared,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Vec<u8>, Held<'s>), Problem> {
    let read = collect(shared, headers, &mut body).await;
    if read.is_err() {
        refuse(headers, &mut body).await;
    }
    read
}

/// Lets a sender whose body is refused hear why.
async fn refuse(headers: &HeaderMap, body: &mut Body) {
    // Who asks before sending hears the answer first.
    if !headers.contains_key(header::EXPECT) {
        let _ = timeout(PATIENCE, discard(body)).await;
    }
}

fn busy() -> Problem {
    Problem::new(&BUSY, "too many uploads at once").with_remedy("send it again in a moment, or fewer at once")
}

fn slow(detail: String) -> Problem {
    Problem::new(&SLOW, detail).with_remedy("send it again, over a faster connection")
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
    let (mut bytes, began) = (Vec::new(), Instant::now());
    loop {
        let late = began.elapsed().saturating_sub(SILENCE).as_secs_f64();
        if late * RATE as f64 > bytes.len() as f64 {
            let came = bytes.len() >> 10;
            let passed = began.elapsed().as_secs();
            return Err(slow(format!(
                "{came} KiB came within {passed} s, less than {} KiB a second",
                RATE >> 10
            )));
        }
        let data = match timeout(SILENCE, frame(body)).await {
            Ok(Some(data)) => data?,
            // Where the connection was dropped with the whole server, a body just ends.
            Ok(None) if bytes.len() < length => {
                let came = bytes.len();
                return Err(Problem::bad(format!("the body ended after {came} of {length} bytes")));
            }
            Ok(None) => return Ok((bytes, held)),
            Err(_) => return Err(slow(format!("nothing came for {} s", SILENCE.as_secs()))),
        };
        if bytes.len().saturating_add(data.len()) > limit {
            return Err(too_large(shared));
        }
        if !held.grow(data.len()) {
            return Err(busy());
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
