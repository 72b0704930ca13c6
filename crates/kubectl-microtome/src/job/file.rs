//! A job's file: YAML or JSON, one PatchJob.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

/// A job with a thousand slides in a list has a tenth of this; the apiserver takes no more.
const LIMIT_BYTES: u64 = 3 << 20;

/// Reads it.
pub(crate) fn read(path: &Path) -> anyhow::Result<Value> {
    let mut text = String::new();
    let read = |from: &mut dyn Read, text: &mut String| from.take(LIMIT_BYTES + 1).read_to_string(text);
    let read = match path.to_str() {
        Some("-") => read(&mut io::stdin().lock(), &mut text),
        _ => File::open(path).and_then(|mut file| read(&mut file, &mut text)),
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > LIMIT_BYTES {
        bail!("{} is larger than a job can be: name its slides by a prefix or a manifest", path.display());
    }
    one_job(&text).with_context(|| path.display().to_string())
}

/// The one PatchJob of a file.
fn one_job(text: &str) -> anyhow::Result<Value> {
    let mut jobs = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let object = Value::deserialize(document).context("is no YAML")?;
        if object.is_null() {
            continue;
        }
        match object["kind"].as_str() {
            Some("PatchJob") => jobs.push(object),
            Some(kind) => bail!("holds a {kind}, and only a PatchJob is submitted: kubectl apply -f takes everything"),
            None => bail!("holds an object without a kind, and only a PatchJob is submitted"),
        }
    }
    match jobs.len() {
        1 => Ok(jobs.remove(0)),
        0 => bail!("holds no PatchJob; `kubectl microtome init URL` writes one"),
        count => bail!("holds {count} PatchJobs: give each a file of its own, or use kubectl apply -f"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_job() {
        let read =
            |text: &str| one_job(text).map(|job| job["metadata"]["name"].clone()).map_err(|error| error.to_string());
        let job = "kind: PatchJob\nmetadata: {name: a}\n";
        assert_eq!(read(&format!("---\n# nothing\n---\n{job}")), Ok("a".into()));
        assert_eq!(read(r#"{"kind": "PatchJob", "metadata": {"name": "b"}}"#), Ok("b".into()));
        assert_eq!(read("# a\n").unwrap_err(), "holds no PatchJob; `kubectl microtome init URL` writes one");
        assert!(read(&format!("{job}---\n{job}")).unwrap_err().starts_with("holds 2 PatchJobs"));
        assert!(read("kind: Team\n").unwrap_err().starts_with("holds a Team"));
        assert!(read("a: [").is_err());
    }
}
