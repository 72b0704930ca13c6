//! A web server of a few blobs: ranges, ETags, preconditions, and faults by script. It looks enough like the blob services
//! for their clients; it checks no signatures.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What happens to one request instead of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// A status, and a `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// Half the body, then the connection is closed.
    Cut,
    /// Half the body, then silence.
    Stall,
    /// None: this request is answered.
    Pass,
    /// The blobs are replaced by others that are a byte longer, and then the request is answered.
    Replace,
}

#[derive(Debug, Default)]
struct State {
    /// Version and bytes by key.
    blobs: HashMap<String, (u32, Vec<u8>)>,
    faults: VecDeque<Fault>,
    requests: u32,
}

/// A server, until it is dropped.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { url, state, task }
    }

    /// Writes a blob, whatever bucket it is asked for in; each version has an ETag of its own.
    pub fn put(&self, key: &str, bytes: Vec<u8>) {
        self.state.lock().unwrap().put(key, bytes);
    }

    /// What happens to the next requests.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults = faults.into_iter().collect();
    }

    pub fn requests(&self) -> u32 {
        self.state.lock().unwrap().requests
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the requests of one connection.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        received.extend_from_slice(&buffer[..length]);
        let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let body = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        if received.len() < end + 4 + body {
            continue;
        }
        let body = received.drain(..end + 4 + body).skip(end + 4).collect();
        let (answer, fault) = {
            let mut state = state.lock().unwrap();
            state.requests += 1;
            let fault = state.faults.pop_front();
            (state.answer(&head, body, fault), fault)
        };
        // A client that gave up has closed the connection.
        let half = answer.len() / 2;
        let outcome = match fault {
            Some(Fault::Cut) => return drop(stream.write_all(&answer[..half]).await),
            Some(Fault::Stall) => {
                let _ = stream.write_all(&answer[..half]).await;
                return std::future::pending().await;
            }
            _ => stream.write_all(&answer).await,
        };
        if outcome.is_err() {
            return;
        }
    }
}

impl State {
    fn put(&mut self, key: &str, bytes: Vec<u8>) {
        let version = self.blobs.get(key).map_or(1, |(version, _)| version + 1);
        self.blobs.insert(key.to_owned(), (version, bytes));
    }

    fn answer(&mut self, request: &str, sent: Vec<u8>, fault: Option<Fault>) -> Vec<u8> {
        if let Some(Fault::Status(status, retry_after)) = fault {
            let wait = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
            return format!("HTTP/1.1 {status} Fault\r\n{wait}Content-Length: 0\r\n\r\n").into_bytes();
        }
        if let Some(Fault::Replace) = fault {
            for (version, bytes) in self.blobs.values_mut() {
                *version += 1;
                bytes.push(0);
            }
        }
        let mut line = request.split(' ');
        let (method, path) = (line.next().unwrap(), line.next().unwrap());
        let path = percent_encoding::percent_decode_str(path).decode_utf8().unwrap();
        if method == "PUT" {
            let key = path.split_once("/slides/").unwrap().1.split('?').next().unwrap();
            self.put(key, sent);
            return b"HTTP/1.1 201 Created\r\nETag: \"new\"\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        let found = self.blobs.iter().find(|(key, _)| path.ends_with(&format!("/{key}")));
        let Some((_, (version, blob))) = found else { return refusal("404 Not Found") };
        let etag = format!("\"version-{version}\"");
        if header(request, "if-match").is_some_and(|wanted| wanted != etag) {
            return refusal("412 Precondition Failed");
        }
        let size = blob.len();
        let (status, body, range) = match header(request, "range").or(header(request, "x-ms-range")) {
            None => ("200 OK", &blob[..], String::new()),
            Some(range) => match parse(&range, size) {
                None => return refusal("416 Range Not Satisfiable"),
                Some((from, to)) => {
                    let range = format!("Content-Range: bytes {from}-{}/{size}\r\n", to - 1);
                    ("206 Partial Content", &blob[from..to], range)
                }
            },
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nETag: {etag}\r\nLast-Modified: Mon, 02 Nov 2026 00:00:00 GMT\r\n{range}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        if method == "HEAD" { head.into_bytes() } else { [head.as_bytes(), body].concat() }
    }
}

fn refusal(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn header(request: &str, name: &str) -> Option<String> {
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// The bytes of a blob that a range names; `None` if there are none.
fn parse(range: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, to) = match from.parse::<usize>() {
        Ok(from) => (from, to.parse::<usize>().map_or(size, |last| size.min(last + 1))),
        Err(_) => (size - size.min(to.parse().unwrap()), size),
    };
    (from < to).then_some((from, to))
}
