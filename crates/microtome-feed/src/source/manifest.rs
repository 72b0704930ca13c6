//! Slides of a manifest: a table with one row a slide.

use std::collections::{BTreeMap, HashMap};

use microtome_plan::dataset::{Columns, Label, Manifest, SlideEntry};
use microtome_slide::Stores;

use super::table::{Column, Table};
use super::{SourceError, Wanted, beside};

const FIELD: &str = "slides.manifest";

/// The manifest's slides in the order of its rows.
pub(super) async fn slides(manifest: &Manifest, stores: &Stores) -> Result<Vec<SlideEntry>, SourceError> {
    let wanted = Wanted { field: FIELD, url: &manifest.url, columns: columns(&manifest.columns) };
    let table = wanted.read(stores).await?;
    if table.rows == 0 {
        return Err(SourceError::Empty { field: FIELD, problem: format!("{} has no rows", manifest.url) });
    }
    let mut seen = HashMap::new();
    let mut slides = Vec::with_capacity(table.rows);
    for row in 0..table.rows {
        let slide = entry(&wanted, &manifest.columns, &table, row)?;
        if let Some(before) = seen.insert(slide.url.clone(), row) {
            return Err(wanted.wrong_row(row, format!("{:?} is in row {} already", slide.url, before + 1)));
        }
        slides.push(slide);
    }
    Ok(slides)
}

fn columns(columns: &Columns) -> Vec<&str> {
    let optional = [&columns.group, &columns.mpp, &columns.weight].into_iter().flatten();
    std::iter::once(&columns.url).chain(&columns.labels).chain(optional).map(String::as_str).collect()
}

fn entry(wanted: &Wanted<'_>, columns: &Columns, table: &Table, row: usize) -> Result<SlideEntry, SourceError> {
    let written = table.column(&columns.url).text(row).filter(|url| !url.is_empty());
    let written = written.ok_or_else(|| wanted.wrong_row(row, format!("{:?} is empty", columns.url)))?;
    if written.contains('?') {
        return Err(wanted.wrong_row(row, "a slide's URL must not hold a query or a key"));
    }
    let label = |name: &String| label(table.column(name), row).map(|label| (name.clone(), label));
    let labels: BTreeMap<String, Label> = columns.labels.iter().filter_map(label).collect();
    let number = |name: &Option<String>, least: f64| number(wanted, table, name.as_deref(), (row, least));
    Ok(SlideEntry {
        url: beside(wanted.url, &written),
        labels,
        group: columns.group.as_ref().and_then(|name| table.column(name).text(row)),
        mpp: number(&columns.mpp, f64::MIN_POSITIVE)?,
        weight: number(&columns.weight, 0.0)?,
    })
}

/// An empty cell is no label.
fn label(column: &Column, row: usize) -> Option<Label> {
    match column {
        Column::Integer(values) => values[row].map(Label::Integer),
        Column::Number(values) => values[row].map(Label::Number),
        Column::Text { .. } => column.text(row).filter(|text| !text.is_empty()).map(Label::Text),
    }
}

fn number(
    wanted: &Wanted<'_>,
    table: &Table,
    name: Option<&str>,
    (row, least): (usize, f64),
) -> Result<Option<f64>, SourceError> {
    let Some(name) = name else { return Ok(None) };
    let column = table.column(name);
    let number = match column {
        Column::Integer(values) => values[row].map(|value| value as f64),
        Column::Number(values) => values[row],
        Column::Text { .. } => match column.text(row).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => return Err(wanted.wrong_row(row, format!("{name:?} is {text:?}, which is no number"))),
        },
    };
    match number {
        Some(number) if !(number.is_finite() && number >= least) => {
            let bound = if least > 0.0 { "must be above 0" } else { "must not be below 0" };
            Err(wanted.wrong_row(row, format!("{name:?} is {number}, which {bound}")))
        }
        number => Ok(number),
    }
}
