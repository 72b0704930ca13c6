//! What goes to stdout: text, or objects for programs as kubectl writes them, without what only the apiserver reads.

use std::io::{self, Write};

use clap::ValueEnum;
use kube::{Resource, ResourceExt};
use serde::Serialize;

/// The form in which objects are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For people with room
    Wide,
    Json,
    Yaml,
    /// KIND/NAME, for xargs
    Name,
}

/// The form in which rows are shown that are no objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rows {
    /// For people
    #[default]
    Table,
    Json,
    Yaml,
}

/// Writes to stdout.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Whether it is an error only because nobody reads on.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Rows as text by `table`, or as they are.
pub(crate) fn rows<T: Serialize>(
    rows: &[T],
    format: Rows,
    table: impl FnOnce(&[T]) -> String,
) -> anyhow::Result<String> {
    match format {
        Rows::Table => Ok(table(rows)),
        Rows::Json => json(&rows),
        Rows::Yaml => yaml(&rows),
    }
}

/// An object without its managed fields.
pub(crate) fn bare<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

/// `patchjob.microtome.dev/NAME`.
pub(crate) fn name<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let (kind, group) = (K::kind(&()).to_lowercase(), K::group(&()));
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group}/{}\n", object.name_any())
}

/// As JSON, with a line break at the end.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// As YAML.
pub(crate) fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_yaml::to_string(value)?)
}

/// Writes a list object by object, so that no more than one of them is held as text.
pub(crate) struct ListWriter<W> {
    out: W,
    is_json: bool,
    has_items: bool,
}

impl<W: Write> ListWriter<W> {
    /// A list in this form.
    pub(crate) fn new(out: W, is_json: bool) -> Self {
        Self { out, is_json, has_items: false }
    }

    /// The next object.
    pub(crate) fn item<K: Resource + Serialize>(&mut self, object: K) -> anyhow::Result<()> {
        let object = bare(object);
        if self.is_json {
            let before = if self.has_items {
                ",\n"
            } else {
                "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [\n"
            };
            let text = serde_json::to_string_pretty(&object)?;
            write!(self.out, "{before}{}", indented(&text, "    ", "    "))?;
        } else {
            let before = if self.has_items { "" } else { "apiVersion: v1\nkind: List\nitems:\n" };
            let text = serde_yaml::to_string(&object)?;
            writeln!(self.out, "{before}{}", indented(text.trim_end(), "- ", "  "))?;
        }
        self.has_items = true;
        Ok(())
    }

    /// The end.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let end = match (self.is_json, self.has_items) {
            (true, true) => "\n  ]\n}\n",
            (true, false) => "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": []\n}\n",
            (false, true) => "",
            (false, false) => "apiVersion: v1\nkind: List\nitems: []\n",
        };
        self.out.write_all(end.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

fn indented(text: &str, first: &str, others: &str) -> String {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(index, line)| format!("{}{line}", if index == 0 { first } else { others }));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::screen::fixtures::{queued, running};

    fn listed(is_json: bool, count: usize) -> Value {
        let mut out = Vec::new();
        let mut writer = ListWriter::new(&mut out, is_json);
        for mut job in [running(), queued()].into_iter().take(count) {
            job.metadata.managed_fields = Some(Vec::new());
            job.metadata.annotations = Some([("note".to_owned(), "two\nlines: - x\n".to_owned())].into());
            writer.item(job).unwrap();
        }
        writer.end().unwrap();
        if is_json { serde_json::from_slice(&out).unwrap() } else { serde_yaml::from_slice(&out).unwrap() }
    }

    #[test]
    fn a_list_is_what_it_would_be_at_once() {
        for count in 0..=2 {
            let list = listed(true, count);
            assert_eq!((list["kind"].as_str(), list["items"].as_array().unwrap().len()), (Some("List"), count));
            assert_eq!(list, listed(false, count));
        }
        let list = listed(true, 2);
        assert_eq!(list["items"][1]["metadata"]["name"], "ablation-512");
        assert_eq!(list["items"][0]["metadata"]["annotations"]["note"], "two\nlines: - x\n");
        assert_eq!(list["items"][0]["metadata"]["managedFields"], Value::Null);
    }

    #[test]
    fn a_name_can_be_given_to_kubectl() {
        assert_eq!(name(&running()), "patchjob.microtome.dev/tumour-detector\n");
    }
}
