//! Retries against a client that plays a script, in paused time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use object_store::client::{HttpRequestBody, HttpResponseBody};

use super::*;

/// One answer of a script.
#[derive(Debug, Clone)]
enum Answer {
    Status(u16, Option<&'static str>),
    Body(&'static [u8]),
    Fails(HttpErrorKind),
    Hangs,
}

#[derive(Debug, Clone)]
struct Script(Arc<Mutex<VecDeque<Answer>>>);

#[async_trait::async_trait]
impl HttpService for Script {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.lock().unwrap().pop_front().expect("the script has an answer");
        let mut response = HttpResponse::new(HttpResponseBody::from(Bytes::new()));
        match answer {
            Answer::Status(status, retry_after) => {
                *response.status_mut() = status.try_into().unwrap();
                if let Some(value) = retry_after {
                    response.headers_mut().insert("retry-after", value.parse().unwrap());
                }
            }
            Answer::Body(body) => {
                *response.status_mut() = 206.try_into().unwrap();
                *response.body_mut() = Bytes::from_static(body).into();
            }
            Answer::Fails(kind) => return Err(HttpError::new(kind, std::io::Error::other("scripted"))),
            Answer::Hangs => std::future::pending().await,
        }
        Ok(response)
    }
}

fn request(range: &str) -> HttpRequest {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    request.headers_mut().insert("range", range.parse().unwrap());
    request
}

/// Plays a script; returns the last status, the error's text or the body, the answers used, and the milliseconds it took.
async fn play(answers: &[Answer]) -> (String, usize, u64) {
    let script = Script(Arc::new(Mutex::new(answers.iter().cloned().collect())));
    let client = Retrying { inner: HttpClient::new(script.clone()) };
    let began = Instant::now();
    let outcome = match client.call(request("bytes=10-13")).await {
        Err(error) => std::error::Error::source(&error).unwrap().to_string(),
        Ok(answer) if answer.status() != 206 => answer.status().as_u16().to_string(),
        Ok(answer) => {
            let body: Vec<Bytes> = answer.into_body().bytes_stream().try_collect().await.unwrap();
            String::from_utf8(body.concat()).unwrap()
        }
    };
    let used = answers.len() - script.0.lock().unwrap().len();
    (outcome, used, began.elapsed().as_millis() as u64)
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_and_refusals_are_not() {
    let body = Answer::Body(b"abcd");
    for (first, expected, used) in [
        (Answer::Status(503, None), "abcd", 2),
        (Answer::Status(500, None), "abcd", 2),
        (Answer::Status(429, None), "abcd", 2),
        (Answer::Status(408, None), "abcd", 2),
        (Answer::Fails(HttpErrorKind::Connect), "abcd", 2),
        (Answer::Fails(HttpErrorKind::Timeout), "abcd", 2),
        (Answer::Fails(HttpErrorKind::Decode), "abcd", 2),
        (Answer::Fails(HttpErrorKind::Unknown), "scripted", 1),
        (Answer::Status(401, None), "401", 1),
        (Answer::Status(403, None), "403", 1),
        (Answer::Status(404, None), "404", 1),
        (Answer::Status(412, None), "412", 1),
        (Answer::Status(416, None), "416", 1),
        (Answer::Body(b"abcde"), "the answer is longer than the 4 bytes asked for", 1),
    ] {
        let (outcome, tries, elapsed_ms) = play(&[first.clone(), body.clone()]).await;
        assert_eq!((outcome.as_str(), tries), (expected, used), "{first:?}");
        assert!(elapsed_ms <= 100, "{first:?}: {elapsed_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_s_pause_is_kept_if_there_is_time_for_it() {
    let body = Answer::Body(b"abcd");
    let (outcome, _, elapsed_ms) = play(&[Answer::Status(503, Some("3")), body.clone()]).await;
    assert_eq!((outcome.as_str(), elapsed_ms), ("abcd", 3000));
    let (outcome, used, elapsed_ms) = play(&[Answer::Status(429, Some("60")), body]).await;
    assert_eq!((outcome.as_str(), used, elapsed_ms), ("429", 1, 0));
}

#[tokio::test(start_paused = true)]
async fn tries_and_time_are_bounded() {
    let (outcome, used, elapsed_ms) = play(&vec![Answer::Status(503, None); 9]).await;
    assert_eq!((outcome.as_str(), used), ("503", 6));
    assert!((1550..=3110).contains(&elapsed_ms), "{elapsed_ms} ms");
    let (outcome, used, elapsed_ms) = play(&[Answer::Hangs]).await;
    assert_eq!((outcome.as_str(), used, elapsed_ms), ("no answer in time after 1 tries", 1, 10_000));
}

#[test]
fn dates_are_pauses_too() {
    let now = httpdate::parse_http_date("Mon, 02 Nov 2026 10:00:00 GMT").unwrap();
    for (text, seconds) in [
        ("7", Some(7)),
        ("Mon, 02 Nov 2026 10:00:05 GMT", Some(5)),
        ("Mon, 02 Nov 2026 09:00:00 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
    ] {
        assert_eq!(retry_after(text, now).map(|pause| pause.as_secs()), seconds, "{text}");
    }
}

#[test]
fn ranges_have_lengths() {
    for (range, length) in
        [("bytes=0-0", Some(1)), ("bytes=10-19", Some(10)), ("bytes=-7", Some(7)), ("bytes=5-", None)]
    {
        assert_eq!(range_length(&request(range)), length, "{range}");
    }
}
