//! What a worker may send: any frames after a proper Ready. The head must not panic, hang, nor hold on to the worker.
//!
//! The first byte says how the rest is framed: 0, each message by a length of two bytes, so that a mutation hits messages and
//! not lengths; else as it is, prefixes of gRPC included.

#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use microtome_feed::head::{self, Head, Mode, Order, Origin};
use microtome_plan::dataset::Dataset;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

const BUDGET_BYTES: u64 = 1 << 20;
/// Far more than any input takes.
const PATIENCE: Duration = Duration::from_secs(8);
/// Protocol 2, sixteen slots.
const READY: &[u8] = &[0x0a, 4, 0x08, 2, 0x10, 16];

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(attach(input)));
});

async fn attach(input: &[u8]) {
    let dataset: Dataset = serde_json::from_value(serde_json::json!({
        "name": "fuzz", "slides": {"list": [{"url": "az://slides/a.svs"}, {"url": "az://slides/b.svs"}]},
        "views": [{"name": "image", "size": 2, "level": 0}], "sampling": {"random": {"perSlide": 8}}, "batchSize": 4,
    }))
    .expect("a dataset");
    let recipe = dataset.recipe().expect("a recipe");
    let mode = Mode::Stream { selection: None, resume: None };
    let order = Order { origin: Origin::of(&dataset, &recipe), mode };
    let (head, mut feeds) = head::start(vec![order], BUDGET_BYTES).expect("a head");
    let mut feed = feeds.remove(0);
    // The program reads whatever becomes of it, and then is told that the stream has failed, or waits.
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = feed.next().await {} });
    let spoken = tokio::time::timeout(PATIENCE, speak(&head, body(input))).await;
    assert!(spoken.is_ok(), "the head holds on to a worker that has gone");
    reading.abort();
}

/// Sends a body, and reads the answer to its end.
async fn speak(head: &Head, body: Bytes) {
    let request = http::Request::post("/microtome.feed.v1.Feed/Attach").header("content-type", "application/grpc");
    let request = request.body(Full::new(body)).expect("a request");
    let response = head.service().oneshot(request).await.expect("services answer with a status");
    // What is wrong with the stream is in the trailers, or ends it.
    let _ = response.into_body().collect().await;
}

fn body(input: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    frame(&mut body, READY);
    match input.split_first() {
        Some((0, mut rest)) => {
            while let Some((length, behind)) = rest.split_first_chunk() {
                let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)).min(behind.len()));
                frame(&mut body, message);
                rest = behind;
            }
        }
        Some((_, rest)) => body.put_slice(rest),
        None => {}
    }
    body.freeze()
}

/// gRPC's prefix: not compressed, length.
fn frame(body: &mut BytesMut, message: &[u8]) {
    body.put_u8(0);
    body.put_u32(message.len() as u32);
    body.put_slice(message);
}
