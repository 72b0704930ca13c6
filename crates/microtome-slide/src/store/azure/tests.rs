//! The Azure client against a blob endpoint of a few lines: ranges, ETags, refusals, retries.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{Error, PatchRequest, Slide, SlideUrl, Stores};

const ETAG: &str = "\"0x8DC\"";

/// A server of one blob at any path, except those whose name says what they answer.
struct Endpoint {
    url: String,
    requests: Arc<AtomicU32>,
}

impl Endpoint {
    async fn start(blob: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/account", listener.local_addr().unwrap());
        let (requests, blob) = (Arc::new(AtomicU32::new(0)), Arc::new(blob));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, blob.clone(), counter.clone()));
            }
        });
        Self { url, requests }
    }

    async fn open(&self, url: &str) -> Result<Slide, Error> {
        let builder = MicrosoftAzureBuilder::new().with_account("account").with_access_key("a2V5");
        let client = build(builder.with_endpoint(self.url.clone()).with_container_name("slides")).unwrap();
        Slide::open(&Stores::single(client), &SlideUrl::parse(url).unwrap(), &crate::Limits::default()).await
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Answers the requests of one connection.
async fn serve(mut stream: TcpStream, blob: Arc<Vec<u8>>, requests: Arc<AtomicU32>) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        if let Some(end) = text.find("\r\n\r\n") {
            let number = requests.fetch_add(1, Ordering::Relaxed);
            stream.write_all(&answer(&text[..end], &blob, number)).await.unwrap();
            text.drain(..end + 4);
        }
    }
}

fn answer(request: &str, blob: &[u8], number: u32) -> Vec<u8> {
    let path = request.split(' ').nth(1).unwrap();
    assert!(path.starts_with("/account/slides/"), "{path}");
    let refused = ["404 Not Found", "403 Forbidden", "503 Server Busy"].into_iter().find(|status| {
        let asked = path.contains(&status[..3]);
        asked && (!status.starts_with("503") || number == 0)
    });
    if let Some(status) = refused {
        return format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    }
    let header = |name: &str| {
        let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    };
    assert!(header("if-match").is_none_or(|etag| etag == ETAG));
    let range = header("range").or(header("x-ms-range")).unwrap();
    let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (start, end) = (start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap().min(blob.len() - 1));
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nETag: {ETAG}\r\nLast-Modified: Mon, 02 Nov 2026 00:00:00 GMT\r\n\
         Content-Length: {}\r\nContent-Range: bytes {start}-{end}/{}\r\n\r\n",
        end + 1 - start,
        blob.len()
    );
    [head.as_bytes(), &blob[start..=end]].concat()
}

fn slide() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs")).unwrap()
}

#[tokio::test]
async fn a_slide_is_read_from_azure() {
    let endpoint = Endpoint::start(slide()).await;
    let slide = endpoint.open("az://slides/case 1/CMU.svs").await.unwrap();
    assert_eq!((slide.info().width, slide.etag()), (2220, Some(ETAG)));
    let request = PatchRequest { level: 0, width: 64, height: 64, origins: vec![(1000, 1400)], gap_bytes: 0 };
    assert_eq!(slide.read_patches(&request).await.unwrap().errors, []);
    assert_eq!(u64::from(endpoint.requests()), slide.usage().requests);
}

#[tokio::test]
async fn refusals_are_not_retried_and_failures_are() {
    let endpoint = Endpoint::start(slide()).await;
    for (url, category, sent) in [("az://slides/404.svs", "NotFound", 1), ("az://slides/403.svs", "Denied", 2)] {
        assert_eq!(endpoint.open(url).await.unwrap_err().category(), category);
        assert_eq!(endpoint.requests(), sent);
    }
    let endpoint = Endpoint::start(slide()).await;
    assert!(endpoint.open("az://slides/503.svs").await.is_ok());
}

#[test]
fn http_is_allowed_only_where_the_endpoint_asks_for_it() {
    let builder = || MicrosoftAzureBuilder::new().with_account("a");
    assert!(!endpoint_is_plain(&builder()));
    assert!(!endpoint_is_plain(&builder().with_endpoint("https://a.example".into())));
    assert!(endpoint_is_plain(&builder().with_endpoint("http://blob.test:10000/a".into())));
    assert!(endpoint_is_plain(&builder().with_use_emulator(true)));
}
