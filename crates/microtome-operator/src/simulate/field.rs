//! Fields of a YAML document that know where they stand, so that what is wrong with one is said with its path.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use microtome_api::quantity::Quantity;
use microtome_queue::Amounts;
use serde_yaml::{Mapping, Value};

/// Amounts above this many thousandths are mistakes: 10^25 bytes.
const LARGEST: i128 = 10_000_000_000_000_000_000_000_000_000;

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub(crate) struct Error {
    pub(crate) path: String,
    pub(crate) problem: String,
}

/// A value and its path.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    path: String,
    value: &'a Value,
}

/// The fields of an object.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    path: String,
    map: &'a Mapping,
}

impl<'a> Field<'a> {
    /// The whole document.
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    pub(super) fn error<T>(&self, problem: impl Into<String>) -> Result<T, Error> {
        let path = if self.path.is_empty() { "scenario".to_owned() } else { self.path.clone() };
        Err(Error { path, problem: problem.into() })
    }

    /// An object with no other fields than these.
    pub(super) fn object(&self, known: &[&str]) -> Result<Fields<'a>, Error> {
        let fields = Fields { path: self.path.clone(), map: self.mapping(known)? };
        for (name, field) in self.entries()? {
            if !known.contains(&name.as_str()) {
                return field.error(format!("unknown field; known are {}", known.join(", ")));
            }
        }
        Ok(fields)
    }

    fn mapping(&self, known: &[&str]) -> Result<&'a Mapping, Error> {
        match self.value {
            Value::Mapping(map) => Ok(map),
            _ if known.is_empty() => self.error("is no object"),
            _ => self.error(format!("is no object with the fields {}", known.join(", "))),
        }
    }

    /// A field of an object whose fields were checked already.
    pub(super) fn object_field(&self, name: &str) -> Result<Field<'a>, Error> {
        Fields { path: self.path.clone(), map: self.mapping(&[])? }.required(name)
    }

    /// What an object holds, by name, in the order of the file.
    fn entries(&self) -> Result<Vec<(String, Field<'a>)>, Error> {
        let entry = |(name, value): (&'a Value, &'a Value)| match name {
            Value::String(name) => Ok((name.clone(), Field { path: joined(&self.path, name), value })),
            _ => self.error("has a name that is no text"),
        };
        self.mapping(&[])?.iter().map(entry).collect()
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Result<Vec<Field<'a>>, Error> {
        let Value::Sequence(values) = self.value else { return self.error("is no list") };
        let element = |(i, value)| Field { path: format!("{}[{i}]", self.path), value };
        Ok(values.iter().enumerate().map(element).collect())
    }

    pub(super) fn text(&self) -> Result<String, Error> {
        match self.value {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            _ => self.error("is no text"),
        }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, Error> {
        self.list()?.iter().map(Field::text).collect()
    }

    pub(super) fn truth(&self) -> Result<bool, Error> {
        match self.value {
            Value::Bool(truth) => Ok(*truth),
            _ => self.error("is neither true nor false"),
        }
    }

    /// An integer inside bounds.
    pub(super) fn integer(&self, bounds: RangeInclusive<i64>) -> Result<i64, Error> {
        let Value::Number(number) = self.value else { return self.error("is no integer") };
        match number.as_i64() {
            Some(integer) if bounds.contains(&integer) => Ok(integer),
            Some(integer) if integer < *bounds.start() => self.error(format!("{integer} is below {}", bounds.start())),
            Some(_) => self.error(format!("{number} is above {}", bounds.end())),
            None if number.is_u64() => self.error(format!("{number} is above {}", bounds.end())),
            None => self.error(format!("{number} is no integer")),
        }
    }

    /// An integer that counts something.
    pub(super) fn count(&self, bounds: RangeInclusive<i64>) -> Result<u64, Error> {
        Ok(self.integer(bounds)?.unsigned_abs())
    }

    /// Kubernetes quantities by resource, in thousandths.
    pub(super) fn amounts(&self) -> Result<Amounts, Error> {
        let mut amounts = BTreeMap::new();
        for (resource, field) in self.entries()? {
            let text = match field.value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return field.error("is no quantity such as 4, 500m or 64Gi"),
            };
            if resource.is_empty() {
                return field.error("has no name");
            }
            match Quantity(text.clone()).milli() {
                Ok(milli) if milli <= LARGEST => amounts.insert(resource, milli),
                Ok(_) => return field.error(format!("{text} is more than there is")),
                Err(error) => return field.error(error.to_string()),
            };
        }
        Ok(amounts)
    }
}

impl<'a> Fields<'a> {
    /// A field that may be left out; null is left out.
    pub(super) fn optional(&self, name: &str) -> Option<Field<'a>> {
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(Field { path: joined(&self.path, name), value })
    }

    pub(super) fn required(&self, name: &str) -> Result<Field<'a>, Error> {
        let missing = || Error { path: joined(&self.path, name), problem: "is missing".to_owned() };
        self.optional(name).ok_or_else(missing)
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
