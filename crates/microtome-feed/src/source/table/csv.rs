//! CSV (RFC 4180) with a header, as UTF-8; a byte order mark is passed over.

use bytes::Bytes;

use super::{Table, TableError, Texts, positions};

/// What some spreadsheets begin UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn read(bytes: &Bytes, wanted: &[String]) -> Result<Table, TableError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers()?.clone();
    let positions = positions(wanted, &header.iter().map(str::trim).collect::<Vec<_>>())?;
    let mut columns: Vec<Texts> = positions.iter().map(|_| Texts::default()).collect();
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record)? {
        for ((_, index), column) in positions.iter().zip(&mut columns) {
            column.push(record.get(*index).unwrap_or_default());
        }
        rows += 1;
    }
    let columns = positions.into_iter().zip(columns).map(|((name, _), texts)| (name, texts.typed())).collect();
    Ok(Table { rows, columns })
}
