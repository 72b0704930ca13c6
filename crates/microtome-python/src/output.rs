//! Where a program writes: a prefix in a store, or a directory.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use microtome_slide::SlideUrl;
use pyo3::prelude::*;

use crate::error::raise;
use crate::slide::{stores, wait};

/// Bytes that are read from a file at once.
const CHUNK_BYTES: usize = 8 << 20;

/// Files under a prefix. Each appears whole, or not at all.
#[pyclass(module = "microtome._native", frozen)]
pub(crate) struct Output {
    prefix: SlideUrl,
}

#[pymethods]
impl Output {
    #[new]
    fn at(url: &str) -> PyResult<Self> {
        let prefix = SlideUrl::parse_prefix(url).map_err(|error| raise("InvalidUrl", &error))?;
        Ok(Self { prefix })
    }

    /// Names of the files that are there, below the prefix.
    fn names(&self, python: Python<'_>) -> PyResult<Vec<String>> {
        let (stores, prefix) = (stores(), self.prefix.to_string().trim_end_matches('/').to_owned() + "/");
        let found = wait(python, async { stores.list(&self.prefix).await })?;
        let name = |url: String| url.strip_prefix(&prefix).map(ToOwned::to_owned);
        Ok(found.iter().filter_map(|entry| name(entry.url.to_string())).collect())
    }

    /// Writes a file's bytes under a name.
    fn write(&self, python: Python<'_>, name: &str, path: PathBuf) -> PyResult<()> {
        let url = self.prefix.join(name).map_err(|error| raise("InvalidUrl", &error))?;
        let mut file = File::open(path)?;
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
