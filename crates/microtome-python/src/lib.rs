//! The native half of the Python package: what must be fast or needs the engine. Arguments are checked, and results made
//! pleasant, in Python (`python/microtome`), which is all that users see.
//!
//! Nothing here holds the GIL while it reads or waits. Pixels leave as an object with `__array_interface__`, so that NumPy
//! and torch look at the memory that they were decoded into.

mod engine;
mod error;
mod output;
mod pixels;
mod slide;

use pyo3::prelude::*;

/// As the programs have it: with the system's, the engine takes a quarter more processor time, for pages that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Native half of microtome.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<output::Output>()?;
    module.add_class::<pixels::Pixels>()?;
    module.add_class::<slide::Slide>()?;
    Ok(())
}
