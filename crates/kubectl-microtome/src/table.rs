//! Rows under each other: pure.

/// Lines up rows of as many cells as the header has. Nothing but a header is nothing.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = |(column, title): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = header.iter().enumerate().map(width).collect();
    let header = line(header, &widths);
    rows.iter().fold(header, |text, row| text + &line(row, &widths))
}

fn line<T: AsRef<str>>(row: &[T], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, &width)| format!("{:width$}", cell.as_ref()));
    let line = cells.collect::<Vec<_>>().join("   ");
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_lined_up_by_characters() {
        let rows = [vec!["é".to_owned(), "–".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A      B\né      –\nlong\n");
        assert_eq!(table(&["A", "B"], &[]), "");
    }
}
