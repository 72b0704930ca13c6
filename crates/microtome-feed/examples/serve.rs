//! A store that costs next to nothing: one file by HTTP, held in memory: `serve FILE`. For `make bench`, where the store must
//! not take the cores from the decoders that are measured.
//!
//! Answers GET and HEAD of any path, whole or one range of bytes, with an ETag. Listens on loopback; prints the port. Knows no
//! more of HTTP than slides need, and must not be used for anything else.

use std::net::Ipv4Addr;
use std::ops::Range;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: serve FILE")?;
    let file = Bytes::from(std::fs::read(path)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, Router::new().fallback(get(answer)).with_state(file)).await?;
    Ok(())
}

async fn answer(State(file): State<Bytes>, headers: HeaderMap) -> Response {
    let always = [(ETAG, "\"1\"".to_owned()), (ACCEPT_RANGES, "bytes".to_owned())];
    let Some(asked) = headers.get(RANGE) else { return (always, file).into_response() };
    let Some(range) = asked.to_str().ok().and_then(|asked| range(asked, file.len())) else {
        return (StatusCode::RANGE_NOT_SATISFIABLE, always).into_response();
    };
    let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.len());
    (StatusCode::PARTIAL_CONTENT, always, [(CONTENT_RANGE, content_range)], file.slice(range)).into_response()
}

/// `bytes=FIRST-LAST` or `bytes=-LENGTH`, as far as there is a file.
fn range(asked: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let range = match first {
        "" => length.saturating_sub(last.parse().ok()?)..length,
        first => first.parse().ok()?..last.parse::<usize>().ok()?.saturating_add(1).min(length),
    };
    (range.start < range.end).then_some(range)
}
