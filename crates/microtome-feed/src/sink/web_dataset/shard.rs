//! One tar file: patches encoded, laid out, and sent off as they come.

use bytes::Bytes;
use microtome_slide::ObjectWriter;
use tar::{Builder, EntryType, Header};

use super::{Record, WebDatasetError, picture};
use crate::sink::output::Encoding;

/// Patches that one thread encodes at a time: some 20 ms of JPEG, so that all threads have work until the batch's end.
const CHUNK: usize = 8;

/// A shard that is being written.
#[derive(Debug)]
pub(super) struct Shard {
    object: ObjectWriter,
    bytes: u64,
}

impl Shard {
    pub(super) fn new(object: ObjectWriter) -> Self {
        Self { object, bytes: 0 }
    }

    /// So far, without the end marks.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds patches in their order.
    pub(super) async fn add(&mut self, records: Vec<Record>, encoding: Encoding) -> Result<(), WebDatasetError> {
        let mut records = records.into_iter().peekable();
        let mut encoding_now = Vec::new();
        while records.peek().is_some() {
            let chunk: Vec<Record> = records.by_ref().take(CHUNK).collect();
            encoding_now.push(tokio::task::spawn_blocking(move || entries(&chunk, encoding)));
        }
        for chunk in encoding_now {
            let bytes =
                chunk.await.unwrap_or_else(|error| Err(WebDatasetError::Encode { reason: error.to_string() }))?;
            self.bytes += bytes.len() as u64;
            self.object.write(bytes.into()).await?;
        }
        Ok(())
    }

    /// Makes the file appear. Returns its size.
    pub(super) async fn finish(mut self) -> Result<u64, WebDatasetError> {
        // Two empty blocks end a tar file.
        self.object.write(Bytes::from_static(&[0; 1024])).await?;
        self.object.finish().await?;
        Ok(self.bytes + 1024)
    }

    /// Gives the file up.
    pub(super) async fn abort(self) -> Result<(), WebDatasetError> {
        Ok(self.object.abort().await?)
    }
}

/// Some patches as entries of a tar file.
fn entries(records: &[Record], encoding: Encoding) -> Result<Vec<u8>, WebDatasetError> {
    let mut tar = Builder::new(Vec::new());
    for record in records {
        let key = format!("{:010}", record.index);
        for shown in &record.pictures {
            let file = picture::encode(&shown.pixels, shown.size, encoding)?;
            let view = if record.pictures.len() > 1 { format!(".{}", shown.view) } else { String::new() };
            entry(&mut tar, &format!("{key}{view}.{}", encoding.ending()), &file)?;
        }
        let description = serde_json::to_vec(&record.facts).expect("a map of plain data");
        entry(&mut tar, &format!("{key}.json"), &description)?;
    }
    Ok(std::mem::take(tar.get_mut()))
}

fn entry(tar: &mut Builder<Vec<u8>>, name: &str, file: &[u8]) -> Result<(), WebDatasetError> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(file.len() as u64);
    // No time: the same patches make the same file.
    header.set_mtime(0);
    tar.append_data(&mut header, name, file).map_err(|error| WebDatasetError::Encode { reason: error.to_string() })
}
