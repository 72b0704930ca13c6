//! Tables of a few columns, from CSV or Parquet, typed by what they hold.

mod csv;
mod parquet;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// The columns that were wanted of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Rows, without a header.
    pub rows: usize,
    columns: BTreeMap<String, Column>,
}

/// A column's cells by row.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Whole numbers; an empty cell is `None`.
    Integer(Vec<Option<i64>>),
    /// Numbers; an empty cell is `None`.
    Number(Vec<Option<f64>>),
    /// Texts, each kept once; an empty cell is the empty text.
    Text {
        /// The texts.
        dictionary: Vec<String>,
        /// By row, which text it is.
        codes: Vec<u32>,
    },
}

/// A file is no such table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Its name says neither.
    #[error("a table's name ends in .csv or .parquet")]
    Format,
    /// A column is missing.
    #[error("there is no column {name:?}; there are {known}")]
    NoColumn {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A column holds what no label or number is made of.
    #[error("column {name:?} holds {holds}, and not texts or numbers")]
    Type {
        /// The column.
        name: String,
        /// The type as the file names it.
        holds: String,
    },
    /// The text is no CSV.
    #[error("{0}")]
    Csv(#[from] ::csv::Error),
    /// The bytes are no Parquet.
    #[error("{0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// Reading went wrong in a way that the reader does not name.
    #[error("cannot be read: the file is damaged")]
    Damaged,
}

impl Table {
    /// A column that was wanted.
    pub fn column(&self, name: &str) -> &Column {
        self.columns.get(name).expect("reading a table without a wanted column is an error")
    }
}

impl Column {
    /// A cell as text; `None` where a number is missing.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Integer(values) => values[row].map(|value| value.to_string()),
            Self::Number(values) => values[row].map(|value| value.to_string()),
            Self::Text { dictionary, codes } => Some(dictionary[codes[row] as usize].clone()),
        }
    }
}

/// Reads the wanted columns of a table, by the ending of its name. Beside the runtime: large tables take seconds.
pub async fn read(name: &str, bytes: Bytes, wanted: &[&str]) -> Result<Table, TableError> {
    let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let lower = name.to_ascii_lowercase();
    let reader = match lower.rsplit_once('.') {
        Some((_, "csv")) => csv::read,
        Some((_, "parquet")) => parquet::read,
        _ => return Err(TableError::Format),
    };
    // A reader that panics on a damaged file must not end the head.
    tokio::task::spawn_blocking(move || reader(&bytes, &wanted)).await.unwrap_or(Err(TableError::Damaged))
}

/// Where the wanted columns stand among those of a file.
fn positions(wanted: &[String], header: &[&str]) -> Result<Vec<(String, usize)>, TableError> {
    let position = |name: &String| {
        let found = header.iter().position(|column| column == name);
        let missing = || TableError::NoColumn { name: name.clone(), known: format!("{header:?}") };
        found.map(|index| (name.clone(), index)).ok_or_else(missing)
    };
    wanted.iter().map(position).collect()
}

/// Texts as they come, each kept once.
#[derive(Debug, Default)]
struct Texts {
    dictionary: Vec<String>,
    codes: Vec<u32>,
    known: HashMap<String, u32>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        let code = match self.known.get(text) {
            Some(code) => *code,
            None => {
                let code = self.dictionary.len() as u32;
                self.dictionary.push(text.to_owned());
                self.known.insert(text.to_owned(), code);
                code
            }
        };
        self.codes.push(code);
    }

    fn column(self) -> Column {
        Column::Text { dictionary: self.dictionary, codes: self.codes }
    }

    /// What all cells are: whole numbers, numbers, or texts.
    fn typed(self) -> Column {
        let cells =
            |parsed: &[Option<Option<i64>>]| self.codes.iter().map(|code| parsed[*code as usize].flatten()).collect();
        let integers: Vec<Option<Option<i64>>> = self.dictionary.iter().map(|text| parse(text)).collect();
        if integers.iter().all(Option::is_some) && self.dictionary.iter().any(|text| !text.is_empty()) {
            return Column::Integer(cells(&integers));
        }
        let numbers: Vec<Option<Option<f64>>> = self.dictionary.iter().map(|text| parse(text)).collect();
        if numbers.iter().all(Option::is_some) && self.dictionary.iter().any(|text| !text.is_empty()) {
            return Column::Number(self.codes.iter().map(|code| numbers[*code as usize].flatten()).collect());
        }
        self.column()
    }
}

/// `Some(None)`: an empty cell. A number with leading zeros is a text: 007 is a name.
fn parse<N: std::str::FromStr>(text: &str) -> Option<Option<N>> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Some(None);
    }
    let digits = trimmed.trim_start_matches(['-', '+']);
    let named = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let spelled = digits.starts_with(|first: char| first.is_ascii_alphabetic());
    if named || spelled { None } else { trimmed.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn csv(text: &str, wanted: &[&str]) -> Result<Table, String> {
        read("t.csv", Bytes::from(text.to_owned()), wanted).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn columns_are_typed_by_all_their_cells() {
        let text = "path,grade,mpp,patient,code\na.svs,2,0.5,x,007\n\"b, c.svs\",3,,y,008\n";
        let table = csv(text, &["path", "grade", "mpp", "patient", "code"]).await.unwrap();
        assert_eq!(table.rows, 2);
        assert_eq!(table.column("path").text(1).unwrap(), "b, c.svs");
        assert_eq!(*table.column("grade"), Column::Integer(vec![Some(2), Some(3)]));
        assert_eq!(*table.column("mpp"), Column::Number(vec![Some(0.5), None]));
        assert_eq!(table.column("code").text(0).unwrap(), "007", "leading zeros are kept");
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_with_its_place() {
        let wrong = [
            ("a,b\n1,2\n", "there is no column \"url\"; there are [\"a\", \"b\"]"),
            (
                "url,b\nx\n",
                "CSV error: record 1 (line: 2, byte: 6): found record with 1 fields, but the previous record has 2 fields",
            ),
            ("", "there is no column \"url\"; there are []"),
        ];
        for (text, message) in wrong {
            assert_eq!(csv(text, &["url"]).await.unwrap_err(), message);
        }
        assert!(matches!(read("t.xlsx", Bytes::new(), &[]).await, Err(TableError::Format)));
        let none = read("t.parquet", Bytes::from_static(b"PAR1 but no more PAR1"), &["url"]).await;
        assert!(matches!(none, Err(TableError::Parquet(_) | TableError::Damaged)), "{none:?}");
    }
}
