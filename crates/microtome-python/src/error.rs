//! Errors as Python's: the class that `microtome.errors` has for the category.

use std::error::Error;

use pyo3::prelude::*;

/// One line of an error and its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

/// The Python exception of an error.
pub(crate) fn raise(category: &str, error: &dyn Error) -> PyErr {
    said(category, &chain(error))
}

/// The Python exception of a category.
pub(crate) fn said(category: &str, text: &str) -> PyErr {
    let made = Python::attach(|python| {
        let error = python.import("microtome.errors")?.call_method1("error_of", (category, text))?;
        Ok(PyErr::from_value(error))
    });
    made.unwrap_or_else(|error: PyErr| error)
}
