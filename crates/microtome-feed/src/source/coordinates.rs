//! Places of a table: one row a patch.

use std::collections::HashMap;

use microtome_plan::dataset::{CoordinateTable, SlideEntry};
use microtome_plan::select::Coordinate;
use microtome_slide::Stores;

use super::table::{Column, Table};
use super::{SourceError, Wanted, beside};

const FIELD: &str = "sampling.coordinates";

/// The places of each slide, in the order of the table's rows.
pub(super) async fn places(
    table: &CoordinateTable,
    slides: &[SlideEntry],
    stores: &Stores,
) -> Result<Vec<Vec<Coordinate>>, SourceError> {
    let names = &table.columns;
    let wanted = Wanted { field: FIELD, url: &table.url, columns: vec![&names.url, &names.left, &names.top] };
    let read = wanted.read(stores).await?;
    let (x, y) = (pixels(&wanted, &read, &names.left)?, pixels(&wanted, &read, &names.top)?);
    let Column::Text { dictionary, codes } = read.column(&names.url) else {
        return Err(wanted.wrong_row(0, format!("{:?} must name slides, it holds numbers", names.url)));
    };
    let known = Names::of(slides);
    // Each name is looked up once, however many rows have it.
    let slide_of: Vec<Option<usize>> = dictionary.iter().map(|name| known.find(&table.url, name)).collect();
    let mut places = vec![Vec::new(); slides.len()];
    for (row, code) in codes.iter().enumerate() {
        let name = || dictionary[*code as usize].clone();
        let slide = slide_of[*code as usize].ok_or_else(|| {
            wanted.wrong_row(row, format!("{:?} is none, or not one alone, of the dataset's slides", name()))
        })?;
        places[slide].push(Coordinate { x: x[row], y: y[row] });
    }
    Ok(places)
}

/// Level-0 pixels; whole numbers, though a table may write them as 512.0.
fn pixels(wanted: &Wanted<'_>, table: &Table, name: &str) -> Result<Vec<i32>, SourceError> {
    let column = table.column(name);
    let pixel = |row: usize| {
        let whole = match column {
            Column::Integer(values) => values[row],
            Column::Number(values) => values[row].filter(|value| value.fract() == 0.0).map(|value| value as i64),
            Column::Text { .. } => None,
        };
        let wrong = || {
            let is = column.text(row).unwrap_or_default();
            wanted.wrong_row(row, format!("{name:?} is {is:?}, which is no pixel of level 0"))
        };
        whole.and_then(|value| i32::try_from(value).ok()).ok_or_else(wrong)
    };
    (0..table.rows).map(pixel).collect()
}

/// The names by which a table may call a slide.
struct Names<'a>(HashMap<&'a str, Option<usize>>);

impl<'a> Names<'a> {
    fn of(slides: &'a [SlideEntry]) -> Self {
        let mut names: HashMap<&str, Option<usize>> = HashMap::new();
        // Whole URLs first: they are never ambiguous. A short name of two slides is nobody's.
        for (index, slide) in slides.iter().enumerate() {
            names.insert(&slide.url, Some(index));
        }
        for (index, slide) in slides.iter().enumerate() {
            let file = slide.url.rsplit('/').next().unwrap_or(&slide.url);
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            for name in [file, stem] {
                names
                    .entry(name)
                    .and_modify(|known| *known = known.filter(|known| *known == index))
                    .or_insert(Some(index));
            }
        }
        Self(names)
    }

    fn find(&self, table: &str, name: &str) -> Option<usize> {
        let by = |name: &str| self.0.get(name).copied().flatten();
        by(name).or_else(|| by(&beside(table, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_has_its_url_its_file_and_its_stem_for_names() {
        let slide = |url: &str| SlideEntry { url: url.to_owned(), ..SlideEntry::default() };
        let slides = [slide("az://s/a/one.svs"), slide("az://s/b/two.svs"), slide("az://s/c/two.svs")];
        let names = Names::of(&slides);
        let find = |name| names.find("az://s/coords.csv", name);
        assert_eq!([find("az://s/b/two.svs"), find("one.svs"), find("one"), find("c/two.svs")], [1, 0, 0, 2].map(Some));
        assert_eq!([find("two"), find("two.svs"), find("three")], [None; 3]);
    }
}
