//! Parquet: flat columns of texts and numbers.

use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::reader::ColumnReader;
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::{Column, Table, TableError, Texts, positions};

/// Values decoded at once.
const CHUNK: usize = 64 << 10;

pub(super) fn read(bytes: &Bytes, wanted: &[String]) -> Result<Table, TableError> {
    let file = SerializedFileReader::new(bytes.clone())?;
    let schema = file.metadata().file_metadata().schema_descr_ptr();
    let names: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
    let positions = positions(wanted, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut rows = 0;
    let mut columns: Vec<Cells> = Vec::new();
    for (name, index) in &positions {
        let column = schema.column(*index);
        let wrong = |holds: String| TableError::Type { name: name.clone(), holds };
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return Err(wrong("nested values".to_owned()));
        }
        columns.push(Cells::of(column.physical_type()).ok_or_else(|| wrong(column.physical_type().to_string()))?);
    }
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group)?;
        rows += usize::try_from(group.metadata().num_rows()).map_err(|_| TableError::Damaged)?;
        for ((_, index), cells) in positions.iter().zip(&mut columns) {
            cells.append(group.get_column_reader(*index)?)?;
        }
    }
    let columns: Vec<Column> = columns.into_iter().map(Cells::column).collect();
    if columns.iter().any(|column| length(column) != rows) {
        return Err(TableError::Damaged);
    }
    Ok(Table { rows, columns: positions.into_iter().map(|(name, _)| name).zip(columns).collect() })
}

fn length(column: &Column) -> usize {
    match column {
        Column::Integer(values) => values.len(),
        Column::Number(values) => values.len(),
        Column::Text { codes, .. } => codes.len(),
    }
}

/// A column as it grows, row group by row group.
enum Cells {
    Integer(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Text(Texts),
}

impl Cells {
    fn of(physical: Type) -> Option<Self> {
        match physical {
            Type::BOOLEAN | Type::INT32 | Type::INT64 => Some(Self::Integer(Vec::new())),
            Type::FLOAT | Type::DOUBLE => Some(Self::Number(Vec::new())),
            Type::BYTE_ARRAY => Some(Self::Text(Texts::default())),
            Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY => None,
        }
    }

    fn append(&mut self, reader: ColumnReader) -> Result<(), TableError> {
        match (self, reader) {
            (Self::Integer(cells), ColumnReader::BoolColumnReader(reader)) => {
                values(reader, |value| cells.push(value.map(|value| i64::from(*value))))
            }
            (Self::Integer(cells), ColumnReader::Int32ColumnReader(reader)) => {
                values(reader, |value| cells.push(value.map(|value| i64::from(*value))))
            }
            (Self::Integer(cells), ColumnReader::Int64ColumnReader(reader)) => {
                values(reader, |value| cells.push(value.copied()))
            }
            (Self::Number(cells), ColumnReader::FloatColumnReader(reader)) => {
                values(reader, |value| cells.push(value.map(|value| f64::from(*value))))
            }
            (Self::Number(cells), ColumnReader::DoubleColumnReader(reader)) => {
                values(reader, |value| cells.push(value.copied()))
            }
            (Self::Text(texts), ColumnReader::ByteArrayColumnReader(reader)) => {
                values(reader, |value| texts.push(&String::from_utf8_lossy(value.map_or(&[], |value| value.data()))))
            }
            _ => Err(TableError::Damaged),
        }
    }

    fn column(self) -> Column {
        match self {
            Self::Integer(cells) => Column::Integer(cells),
            Self::Number(cells) => Column::Number(cells),
            Self::Text(texts) => texts.column(),
        }
    }
}

/// Gives each cell of a row group in turn; `None` is an empty one.
fn values<T: DataType>(
    mut reader: parquet::column::reader::ColumnReaderImpl<T>,
    mut give: impl FnMut(Option<&T::T>),
) -> Result<(), TableError> {
    loop {
        let (mut present, mut levels) = (Vec::new(), Vec::new());
        let (records, _, _) = reader.read_records(CHUNK, Some(&mut levels), None, &mut present)?;
        if records == 0 {
            return Ok(());
        }
        if levels.is_empty() {
            present.iter().for_each(|value| give(Some(value)));
            continue;
        }
        // One level of optional: a cell is there where its level is the highest.
        let mut present = present.iter();
        for level in levels {
            give(if level > 0 { present.next() } else { None });
        }
    }
}
