//! Decoded pixels, as an array that NumPy looks at without a copy.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Pixels, uint8. Lives as long as any array that looks at it.
#[pyclass(module = "microtome._native")]
pub(crate) struct Pixels {
    bytes: Vec<u8>,
    shape: Vec<usize>,
}

impl Pixels {
    /// Takes pixels of that shape.
    pub(crate) fn new(bytes: Vec<u8>, shape: Vec<usize>) -> Self {
        Self { bytes, shape }
    }
}

#[pymethods]
impl Pixels {
    /// See NumPy's "The array interface protocol", version 3.
    #[getter]
    fn __array_interface__<'py>(&mut self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(python);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", "|u1")?;
        interface.set_item("shape", pyo3::types::PyTuple::new(python, &self.shape)?)?;
        // Writable: nothing here reads it any more.
        interface.set_item("data", (self.bytes.as_mut_ptr() as usize, false))?;
        Ok(interface)
    }
}
