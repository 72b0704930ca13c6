//! Files that a program hands over to be stored at the job's output: the head has the keys, the program has none.
//!
//! The program connects to the path in `MICROTOME_OUTPUT` and writes a line of JSON; each is answered by one.
//!
//! | line | behind it | answer |
//! |---|---|---|
//! | `names`: true | – | `names`: the files that are there, below the output's URL |
//! | `store`: name, `bytes`: n | the file's n bytes | `stored`: true: it is there, whole |
//! | | | `error`: one line, `category`; the connection ends, and no file of that name was made or changed |

use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use microtome_slide::{Error as StoreError, SlideUrl, Stores};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// A name and a number fit well.
const LINE_BYTES: u64 = 64 << 10;
/// A file is taken over in pieces of this size.
const CHUNK_BYTES: u64 = 8 << 20;

/// The socket's end on the head's side.
#[derive(Debug)]
pub struct Results {
    listener: UnixListener,
    path: PathBuf,
}

/// What a program asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Request {
    Names { names: bool },
    Store { store: String, bytes: u64 },
}

/// Why it does not get it.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this is no request: {0}")]
    Request(serde_json::Error),
    #[error("{0}")]
    Name(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the program went away")]
    Gone(#[from] io::Error),
}

impl Refusal {
    fn category(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::Gone(_) => "Request",
            Self::Name(_) => "InvalidUrl",
            Self::Store(error) => error.category(),
        }
    }
}

impl Results {
    /// Listens in `directory`.
    pub fn listen(directory: &Path) -> io::Result<Self> {
        let path = directory.join("output");
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }

    /// Where the program connects.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores below `folder` what programs hand over, until it is dropped.
    pub async fn serve(self, stores: Stores, folder: SlideUrl) -> io::Result<()> {
        let mut programs = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted?;
                    programs.spawn(attend(BufStream::new(stream), stores.clone(), folder.clone()));
                }
                // How a connection ended is the program's to know.
                Some(_) = programs.join_next() => {}
            }
        }
    }
}

async fn attend(mut stream: BufStream<UnixStream>, stores: Stores, folder: SlideUrl) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        if (&mut stream).take(LINE_BYTES).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let answer = answer(&line, &mut stream, &stores, &folder).await;
        let told = answer.as_ref().map_or_else(told, Value::clone);
        stream.write_all(format!("{told}\n").as_bytes()).await?;
        stream.flush().await?;
        if answer.is_err() {
            // What is left of the file stands in the way of another line.
            return Ok(());
        }
    }
}

fn told(refusal: &Refusal) -> Value {
    let mut error = refusal.to_string();
    let mut cause = std::error::Error::source(refusal);
    while let Some(next) = cause {
        error = format!("{error}: {next}");
        cause = next.source();
    }
    json!({"error": error, "category": refusal.category()})
}

async fn answer(
    line: &[u8],
    stream: &mut BufStream<UnixStream>,
    stores: &Stores,
    folder: &SlideUrl,
) -> Result<Value, Refusal> {
    match serde_json::from_slice(line).map_err(Refusal::Request)? {
        Request::Names { names: false } => Ok(json!({"names": []})),
        Request::Names { names: true } => {
            let prefix = folder.to_string().trim_end_matches('/').to_owned() + "/";
            let found = stores.list(folder).await?;
            let name = |url: String| url.strip_prefix(&prefix).map(str::to_owned);
            let names: Vec<String> = found.iter().filter_map(|entry| name(entry.url.to_string())).collect();
            Ok(json!({"names": names}))
        }
        Request::Store { store, bytes } => {
            let url = folder.join(&store).map_err(|error| Refusal::Name(error.to_string()))?;
            take_over(stream, bytes, stores, &url).await?;
            Ok(json!({"stored": true}))
        }
    }
}

/// Stores a file as it comes. Where it does not come whole, there is none.
async fn take_over(
    stream: &mut BufStream<UnixStream>,
    bytes: u64,
    stores: &Stores,
    url: &SlideUrl,
) -> Result<(), Refusal> {
    let (mut writer, mut left) = (stores.create(url).await?, bytes);
    while left > 0 {
        match chunk(stream, left.min(CHUNK_BYTES)).await {
            Ok(chunk) => {
                left -= chunk.len() as u64;
                writer.write(chunk).await?;
            }
            Err(error) => {
                writer.abort().await?;
                return Err(error.into());
            }
        }
    }
    Ok(writer.finish().await?)
}

async fn chunk(stream: &mut BufStream<UnixStream>, bytes: u64) -> io::Result<Bytes> {
    let mut chunk = BytesMut::zeroed(usize::try_from(bytes).map_err(io::Error::other)?);
    stream.read_exact(&mut chunk).await?;
    Ok(chunk.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to lines, with the bytes behind them, and what the folder then holds.
    async fn said(lines: &[&str]) -> (Vec<Value>, Vec<(String, String)>) {
        let (sockets, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = SlideUrl::parse_prefix(results.path().to_str().unwrap()).unwrap();
        let server = Results::listen(sockets.path()).unwrap();
        let mut stream = BufStream::new(UnixStream::connect(server.path()).await.unwrap());
        let serving = tokio::spawn(server.serve(Stores::from_env(), folder));
        let mut answers = Vec::new();
        for line in lines {
            stream.write_all(line.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = String::new();
            stream.read_line(&mut answer).await.unwrap();
            answers.push(serde_json::from_str(&answer).unwrap());
        }
        serving.abort();
        let read = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        };
        (answers, std::fs::read_dir(results.path()).unwrap().map(|entry| read(entry.unwrap())).collect())
    }

    #[tokio::test]
    async fn a_file_that_is_handed_over_is_there_and_named() {
        let lines = ["{\"store\": \"a.npz\", \"bytes\": 5}\nabcde", "{\"names\": true}\n"];
        let (answers, files) = said(&lines).await;
        assert_eq!(answers, [json!({"stored": true}), json!({"names": ["a.npz"]})]);
        assert_eq!(files, [("a.npz".to_owned(), "abcde".to_owned())]);
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_refused() {
        let (answers, files) = said(&["{\"store\": \"../a\", \"bytes\": 1}\nx"]).await;
        assert!(answers[0]["category"] == "InvalidUrl" && files.is_empty(), "{answers:?}");
        let (answers, _) = said(&["{\"delete\": \"a\"}\n"]).await;
        assert_eq!(answers[0]["category"], "Request");
    }

    #[tokio::test]
    async fn half_a_file_is_none() {
        let (sockets, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = SlideUrl::parse_prefix(results.path().to_str().unwrap()).unwrap();
        let server = Results::listen(sockets.path()).unwrap();
        let mut stream = UnixStream::connect(server.path()).await.unwrap();
        let serving = tokio::spawn(server.serve(Stores::from_env(), folder));
        stream.write_all(b"{\"store\": \"a\", \"bytes\": 9}\nabc").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("error") && std::fs::read_dir(results.path()).unwrap().next().is_none(), "{answer}");
        serving.abort();
    }
}
