//! A selection as a Parquet file: one row a patch, to be looked at with any reader of tables; what else it holds is in the
//! file's metadata, so that it can be read back whole.
//!
//! | column | type | |
//! |---|---|---|
//! | `slide` | int32 | the slide's place in the dataset |
//! | `url` | string | its URL |
//! | `x`, `y` | int32 | the first view's upper left corner in level-0 pixels |

use std::sync::Arc;

use bytes::Bytes;
use microtome_plan::dataset::SlideEntry;
use microtome_plan::random::VERSION;
use microtome_plan::select::Coordinate;
use microtome_plan::selection::{Quarantined, SelectedSlide, Selection};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::source::table::{self, Column, TableError};

const SCHEMA: &str = "message selection {
    required int32 slide; required binary url (UTF8); required int32 x; required int32 y;
}";
/// The metadata's key.
const FACTS: &str = "microtome.selection";
/// Rows a row group: some 8 MB of memory while it is written.
const GROUP: usize = 1 << 20;

/// What is not in the rows.
#[derive(Serialize, Deserialize)]
struct Facts {
    version: u32,
    digest: String,
    slides: Vec<SlideFacts>,
    quarantined: Vec<Quarantined>,
}

#[derive(Serialize, Deserialize)]
struct SlideFacts {
    index: u32,
    entry: SlideEntry,
    etag: Option<String>,
    size_bytes: u64,
    patches: usize,
}

/// A file is no selection.
#[derive(Debug, thiserror::Error)]
pub enum SelectionFileError {
    /// It is no such table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its metadata are not those of a selection of this version.
    #[error("holds no selection that this version wrote")]
    Facts,
    /// Its rows are not those that its digest is of.
    #[error("is damaged: its rows do not have the digest that it says")]
    Digest,
}

impl SelectionFileError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "InvalidTable"
    }
}

/// The file's bytes.
pub fn write(selection: &Selection) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let facts = KeyValue::new(FACTS.to_owned(), facts(selection));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![facts]))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let rows = selection.slides.iter().flat_map(|slide| slide.coordinates.iter().map(move |at| (slide, *at)));
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let rows: Vec<(&SelectedSlide, Coordinate)> = rows.by_ref().take(GROUP).collect();
        let mut group = writer.next_row_group()?;
        integers(&mut group, rows.iter().map(|(slide, _)| slide.index as i32))?;
        texts(&mut group, &rows)?;
        integers(&mut group, rows.iter().map(|(_, at)| at.x))?;
        integers(&mut group, rows.iter().map(|(_, at)| at.y))?;
        group.close()?;
    }
    writer.into_inner()
}

fn facts(selection: &Selection) -> String {
    let slide = |slide: &SelectedSlide| SlideFacts {
        index: slide.index,
        entry: SlideEntry::clone(&slide.entry),
        etag: slide.etag.clone(),
        size_bytes: slide.size_bytes,
        patches: slide.coordinates.len(),
    };
    let facts = Facts {
        version: VERSION,
        digest: hex(&selection.digest()),
        slides: selection.slides.iter().map(slide).collect(),
        quarantined: selection.quarantined.clone(),
    };
    serde_json::to_string(&facts).expect("facts are plain data")
}

fn integers(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: impl Iterator<Item = i32>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let values: Vec<i32> = values.collect();
    column.typed::<Int32Type>().write_batch(&values, None, None)?;
    column.close()
}

fn texts(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    rows: &[(&SelectedSlide, Coordinate)],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    // A slide's URL is one allocation, however many patches it has.
    let mut urls: Vec<ByteArray> = Vec::with_capacity(rows.len());
    for slide in rows.chunk_by(|left, right| left.0.index == right.0.index) {
        let url = ByteArray::from(slide[0].0.entry.url.as_str());
        urls.extend(std::iter::repeat_n(url, slide.len()));
    }
    column.typed::<ByteArrayType>().write_batch(&urls, None, None)?;
    column.close()
}

/// Reads a file that [`write()`] wrote.
pub async fn read(bytes: Bytes) -> Result<Selection, SelectionFileError> {
    let file = SerializedFileReader::new(bytes.clone()).map_err(TableError::from)?;
    let metadata = file.metadata().file_metadata().key_value_metadata();
    let json = metadata.into_iter().flatten().find(|pair| pair.key == FACTS).and_then(|pair| pair.value.clone());
    let facts: Facts = json.and_then(|json| serde_json::from_str(&json).ok()).ok_or(SelectionFileError::Facts)?;
    if facts.version != VERSION {
        return Err(SelectionFileError::Facts);
    }
    let rows = table::read("selection.parquet", bytes, &["x", "y"]).await?;
    let (Column::Integer(x), Column::Integer(y)) = (rows.column("x"), rows.column("y")) else {
        return Err(SelectionFileError::Digest);
    };
    let pixel = |cell: &Option<i64>| cell.and_then(|cell| i32::try_from(cell).ok()).unwrap_or_default();
    let mut places = x.iter().zip(y).map(|(x, y)| Coordinate { x: pixel(x), y: pixel(y) });
    let slides = facts.slides.into_iter().map(|slide| SelectedSlide {
        index: slide.index,
        entry: Arc::new(slide.entry),
        etag: slide.etag,
        size_bytes: slide.size_bytes,
        coordinates: places.by_ref().take(slide.patches).collect(),
    });
    let selection = Selection { slides: slides.collect(), quarantined: facts.quarantined };
    if places.next().is_some() || hex(&selection.digest()) != facts.digest {
        return Err(SelectionFileError::Digest);
    }
    Ok(selection)
}

#[cfg(test)]
mod tests {
    use microtome_plan::dataset::Label;

    use super::*;

    fn selection() -> Selection {
        let slide = |index: u32, patches: i32| SelectedSlide {
            index,
            entry: Arc::new(SlideEntry {
                url: format!("az://s/{index}.svs"),
                labels: [("grade".to_owned(), Label::Integer(i64::from(index)))].into(),
                mpp: Some(0.5),
                ..SlideEntry::default()
            }),
            etag: (index > 0).then(|| format!("\"{index}\"")),
            size_bytes: 12,
            coordinates: (0..patches).map(|x| Coordinate { x: x * 7, y: -x }).collect(),
        };
        let bad = Quarantined { index: 1, category: "Malformed".to_owned(), reason: "b.svs: at 12".to_owned() };
        Selection { slides: vec![slide(0, 3), slide(2, 0), slide(3, 40)], quarantined: vec![bad] }
    }

    #[tokio::test]
    async fn a_selection_comes_back_as_it_was() {
        let bytes = Bytes::from(write(&selection()).unwrap());
        assert_eq!(read(bytes.clone()).await.unwrap(), selection());
        let rows = table::read("s.parquet", bytes, &["slide", "url", "x", "y"]).await.unwrap();
        assert_eq!((rows.rows, rows.column("url").text(42).unwrap()), (43, "az://s/3.svs".to_owned()));
    }

    #[tokio::test]
    async fn another_file_is_no_selection() {
        let bytes = write(&selection()).unwrap();
        let forged = String::from_utf8_lossy(&bytes).contains("\"patches\":40");
        assert!(forged, "the facts are JSON");
        let at = bytes.windows(12).position(|window| window == b"\"patches\":40").unwrap();
        let mut fewer = bytes.clone();
        fewer[at + 10..at + 12].copy_from_slice(b"39");
        assert!(matches!(read(Bytes::from(fewer)).await, Err(SelectionFileError::Digest)));
        assert!(matches!(read(Bytes::from(bytes[..90].to_vec())).await, Err(SelectionFileError::Table(_))));
    }
}
