//! Where a program writes: a prefix in a store, or a directory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use microtome_slide::SlideUrl;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{raise, said};
use crate::slide::{stores, wait};

/// Bytes that are read from a file at once.
const CHUNK_BYTES: usize = 8 << 20;

/// Files under a prefix. Each appears whole, or not at all.
#[pyclass(module = "microtome._native", frozen)]
pub(crate) struct Output {
    prefix: SlideUrl,
    /// Where a head takes files over: it has the keys, this program has none.
    head: Option<PathBuf>,
}

/// What a head answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Error { error: String, category: String },
    Names { names: Vec<String> },
    Stored { stored: bool },
}

#[pymethods]
impl Output {
    #[new]
    #[pyo3(signature = (url, head=None))]
    fn at(url: &str, head: Option<PathBuf>) -> PyResult<Self> {
        let prefix = SlideUrl::parse_prefix(url).map_err(|error| raise("InvalidUrl", &error))?;
        Ok(Self { prefix, head })
    }

    /// Names of the files that are there, below the prefix.
    fn names(&self, python: Python<'_>) -> PyResult<Vec<String>> {
        if let Some(head) = &self.head {
            return match python.detach(|| ask(head, &json!({"names": true}), None))? {
                Answer::Names { names } => Ok(names),
                other => Err(refused(other)),
            };
        }
        let (stores, prefix) = (stores(), self.prefix.to_string().trim_end_matches('/').to_owned() + "/");
        let found = wait(python, async { stores.list(&self.prefix).await })?;
        let name = |url: String| url.strip_prefix(&prefix).map(ToOwned::to_owned);
        Ok(found.iter().filter_map(|entry| name(entry.url.to_string())).collect())
    }

    /// Writes a file's bytes under a name.
    fn write(&self, python: Python<'_>, name: &str, path: PathBuf) -> PyResult<()> {
        let url = self.prefix.join(name).map_err(|error| raise("InvalidUrl", &error))?;
        let mut file = File::open(path)?;
        if let Some(head) = &self.head {
            let bytes = file.metadata()?.len();
            let request = json!({"store": name, "bytes": bytes});
            return match python.detach(|| ask(head, &request, Some(file.take(bytes))))? {
                Answer::Stored { stored: true } => Ok(()),
                other => Err(refused(other)),
            };
        }
        let stores = stores();
        let mut writer = wait(python, async { stores.create(&url).await })?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = python.detach(|| (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk));
            match read {
                Ok(0) => return wait(python, writer.finish()),
                Ok(_) => wait(python, writer.write(chunk.into()))?,
                Err(error) => {
                    wait(python, writer.abort())?;
                    return Err(error.into());
                }
            }
        }
    }
}

/// Asks a head; behind a request may be a file.
fn ask(head: &Path, request: &Value, file: Option<Take<File>>) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(head)?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    // A head that refuses the file reads no more of it; why stands in its answer.
    let sent = file.map_or(Ok(0), |mut file| io::copy(&mut file, &mut stream));
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        sent?;
        return Err(io::Error::other("the head went away"));
    }
    serde_json::from_str(&answer).map_err(io::Error::other)
}

fn refused(answer: Answer) -> PyErr {
    match answer {
        Answer::Error { error, category } => said(&category, &error),
        Answer::Names { .. } | Answer::Stored { .. } => said("Internal", "the head answered something else"),
    }
}
