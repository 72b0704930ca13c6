//! A job's output, checked.

use microtome_api::kinds::output::{self, Encoding as Written, Format};
use microtome_slide::{SlideUrl, UrlError};

/// Without a quality of its own: no difference that a pathologist or a network would see, at an eighth of PNG's bytes.
const QUALITY: u8 = 90;

/// A shard of less is no better than single files; one of more does not fit the 10,000 parts of an upload.
const SHARD_BYTES: (u64, u64) = (1 << 20, 32 << 30);

/// Where and how patches are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The folder.
    pub folder: SlideUrl,
    /// A shard is closed once it has this many bytes.
    pub shard_bytes: u64,
    /// How a picture is stored.
    pub encoding: Encoding,
}

/// How a picture is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// With a quality from 1 to 100.
    Jpeg(u8),
    /// Without loss.
    Png,
}

/// A field of an output is wrong; the text names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// The folder.
    #[error("spec.output.url: {0}")]
    Url(#[source] UrlError),
    /// Another field.
    #[error("spec.output.{field}: {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl OutputError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "InvalidOutput"
    }
}

impl Output {
    /// Checks every field. The CRD's rules say the same; a laptop's file meets only this.
    pub fn parse(written: &output::Output) -> Result<Self, OutputError> {
        let wrong = |field, problem: String| OutputError::Field { field, problem };
        let Format::WebDataset = written.format;
        let shard = written.shard_size.milli().map_err(|error| wrong("shardSize", error.to_string()))? / 1000;
        let shard_bytes = u64::try_from(shard).unwrap_or(u64::MAX);
        if !(SHARD_BYTES.0..=SHARD_BYTES.1).contains(&shard_bytes) {
            return Err(wrong("shardSize", format!("{} is not from 1Mi to 32Gi", written.shard_size)));
        }
        let encoding = match (written.encoding, written.quality) {
            (Written::JPEG, quality) => Encoding::Jpeg(quality.unwrap_or(QUALITY)),
            (Written::PNG, None) => Encoding::Png,
            (Written::PNG, Some(_)) => return Err(wrong("quality", "is of JPEG; PNG loses nothing".to_owned())),
        };
        if let Encoding::Jpeg(0 | 101..) = encoding {
            return Err(wrong("quality", "from 1 to 100".to_owned()));
        }
        let folder = SlideUrl::parse_prefix(&written.url).map_err(OutputError::Url)?;
        Ok(Self { folder, shard_bytes, encoding })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(change: &serde_json::Value) -> Result<Output, String> {
        let mut value = json!({"url": "az://results/tiles/", "format": "WebDataset"});
        for (field, new) in change.as_object().into_iter().flatten() {
            value[field] = new.clone();
        }
        Output::parse(&serde_json::from_value(value).map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_a_gibibyte_of_jpeg() {
        let output = parse(&json!({})).unwrap();
        assert_eq!((output.shard_bytes, output.encoding), (1 << 30, Encoding::Jpeg(90)));
        assert_eq!(output.folder.to_string(), "az://results/tiles");
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (change, message) in [
            (json!({"shardSize": "1Ki"}), "spec.output.shardSize: 1Ki is not from 1Mi to 32Gi"),
            (json!({"shardSize": "64Gi"}), "spec.output.shardSize: 64Gi is not from 1Mi to 32Gi"),
            (json!({"quality": 0}), "spec.output.quality: from 1 to 100"),
            (json!({"quality": 90, "encoding": "PNG"}), "spec.output.quality: is of JPEG; PNG loses nothing"),
            (
                json!({"url": "az://results/x?sig=SECRET"}),
                "spec.output.url: the slide's URL holds a query or a password (not shown); give keys through the environment",
            ),
        ] {
            assert_eq!(parse(&change).unwrap_err(), message);
        }
    }
}
