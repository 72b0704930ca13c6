//! Retries of requests to storage, beneath object_store's clients, where answers still have their headers.
//!
//! object_store's own retries are off: they ignore `Retry-After`, and they know no time for a request and all its tries
//! together. One request here is up to [`TRIES`] tries with jittered pauses until its deadline, bodies of ranges included:
//! a body that is cut or stalls is fetched again as a whole. Refusals (401, 403, 404, 412, 416) are answers, not failures.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
    },
};
use tokio::time::Instant;

/// Tries of one request. With pauses of 100 ms doubled to 2 s, six fit into [`DEADLINE`].
const TRIES: u32 = 6;

/// The pause before the second try, before jitter; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause of our own choosing; a server's `Retry-After` may ask for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// All tries of a request together, besides the time its bytes take: a patch that waits longer is better leased to another
/// worker.
const DEADLINE: Duration = Duration::from_secs(10);

/// The slowest transfer worth waiting for, in bytes a second: at this rate the longest merged range takes 8 s.
const SLOWEST_BYTES: u64 = 1 << 20;

/// What is kept of the text of a refusal: the start says why.
const REFUSAL_BYTES: usize = 4 << 10;

/// Connects clients whose requests are retried.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Retrying { inner }))
    }
}

/// A client, and its requests retried.
#[derive(Debug)]
struct Retrying {
    inner: HttpClient,
}

#[async_trait::async_trait]
impl HttpService for Retrying {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = range_length(&request);
        let carried = asked.unwrap_or(0) + request.body().content_length() as u64;
        let deadline = Instant::now() + DEADLINE + Duration::from_secs(carried / SLOWEST_BYTES);
        let mut tries = 1;
        loop {
            let outcome = tokio::time::timeout_at(deadline, attempt(&self.inner, request.clone(), asked)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(HttpError::new(HttpErrorKind::Timeout, Overdue { tries })));
            let Some(at_least) = failure(&outcome) else { return outcome };
            let pause = pause(tries).max(at_least);
            if tries >= TRIES || Instant::now() + pause >= deadline {
                return outcome;
            }
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }
}

/// The time for a request and all its tries is over.
#[derive(Debug, thiserror::Error)]
#[error("no answer in time after {tries} tries")]
struct Overdue {
    tries: u32,
}

/// The server sent more than was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than the {asked} bytes asked for")]
struct TooLong {
    asked: usize,
}

/// One try: the answer and, if it is a range, its whole body.
async fn attempt(client: &HttpClient, request: HttpRequest, asked: Option<u64>) -> Result<HttpResponse, HttpError> {
    let (parts, body) = client.execute(request).await?.into_parts();
    let body = match (parts.status.as_u16(), asked.and_then(|asked| usize::try_from(asked).ok())) {
        (206, Some(asked)) => read(body.bytes_stream(), asked).await?.into(),
        (400.., _) => start(body.bytes_stream()).await.into(),
        // A token, or a whole blob where a range was asked for: the caller decides whether to read it.
        _ => body,
    };
    Ok(HttpResponse::from_parts(parts, body))
}

/// A body of at most `longest` bytes.
async fn read(
    mut body: impl futures::Stream<Item = Result<Bytes, HttpError>> + Unpin,
    longest: usize,
) -> Result<Bytes, HttpError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.try_next().await? {
        if bytes.len() + piece.len() > longest {
            return Err(HttpError::new(HttpErrorKind::Unknown, TooLong { asked: longest }));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// The start of a refusal's text, as far as it can be had.
async fn start(mut body: impl futures::Stream<Item = Result<Bytes, HttpError>> + Unpin) -> Bytes {
    let mut bytes = BytesMut::new();
    while let (true, Ok(Some(piece))) = (bytes.len() < REFUSAL_BYTES, body.try_next().await) {
        bytes.extend_from_slice(&piece);
    }
    bytes.truncate(REFUSAL_BYTES);
    bytes.freeze()
}

/// Whether a try failed so that another one may succeed, and then the pause that the server asks for.
fn failure(outcome: &Result<HttpResponse, HttpError>) -> Option<Duration> {
    match outcome {
        // What the client itself refuses, it will refuse again.
        Err(error) => (error.kind() != HttpErrorKind::Unknown).then_some(Duration::ZERO),
        Ok(answer) if matches!(answer.status().as_u16(), 408 | 429 | 500..=599) => {
            let text = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
            Some(text.and_then(|text| retry_after(text, SystemTime::now())).unwrap_or_default())
        }
        Ok(_) => None,
    }
}

/// The pause that `Retry-After` asks for, in seconds or until a date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// The pause after the given number of tries: between half and all of the doubled pause, so that workers which failed
/// together do not come back together.
fn pause(tries: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
    // The keys of a hash map's hasher are random: enough for jitter, without a generator of our own.
    let random = RandomState::new().hash_one(tries) % 1000;
    longest / 2 + longest.mul_f64(random as f64 / 2000.0)
}

/// Bytes of the range that a request asks for; `None` if it asks for no range.
fn range_length(request: &HttpRequest) -> Option<u64> {
    let (start, end) = request.headers().get("range")?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let end: u64 = end.parse().ok()?;
    match start {
        "" => Some(end),
        start => end.checked_sub(start.parse().ok()?)?.checked_add(1),
    }
}

#[cfg(test)]
mod tests;
