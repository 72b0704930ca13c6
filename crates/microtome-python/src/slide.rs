//! Reading of slides.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use microtome_slide::{
    Background, Error, GAP_RANDOM_BYTES, IndexCache, Limits, Mode, PatchRequest, RangeCache, RegionRequest, Scale,
    SlideUrl, Stores, TileCache,
};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::error::{raise, said};
use crate::pixels::Pixels;

/// What all slides of the process share, in bytes: ranges, decoded tiles, indexes.
const CACHES: [u64; 3] = [64 << 20, 128 << 20, 64 << 20];

/// One runtime for all slides: reads wait on it, and decode on the caller's thread.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let made = Builder::new_multi_thread().worker_threads(2).thread_name("microtome-io").enable_all().build();
        made.unwrap_or_else(|error| unreachable!("threads of a runtime: {error}"))
    })
}

pub(crate) fn stores() -> Stores {
    static STORES: OnceLock<Stores> = OnceLock::new();
    let made = STORES.get_or_init(|| {
        let [ranges, tiles, indexes] = CACHES;
        let stores = Stores::from_env().caching(RangeCache::new(ranges)).caching_tiles(TileCache::new(tiles));
        stores.caching_indexes(IndexCache::new(indexes))
    });
    made.clone()
}

pub(crate) fn wait<T: Send>(python: Python<'_>, reading: impl Future<Output = Result<T, Error>> + Send) -> PyResult<T> {
    python.detach(|| runtime().block_on(reading)).map_err(|error| raise(error.category(), &error))
}

/// An open slide.
#[pyclass(module = "microtome._native", frozen)]
pub(crate) struct Slide {
    inner: Arc<microtome_slide::Slide>,
}

#[pymethods]
impl Slide {
    #[new]
    fn open(python: Python<'_>, url: &str) -> PyResult<Self> {
        let url = SlideUrl::parse(url).map_err(|error| raise("InvalidUrl", &error))?;
        let stores = stores();
        let slide = wait(python, async move { microtome_slide::Slide::open(&stores, &url, &Limits::default()).await })?;
        Ok(Self { inner: Arc::new(slide) })
    }

    /// Format, size, levels and properties, as JSON.
    fn info(&self) -> PyResult<String> {
        serde_json::to_string(self.inner.info()).map_err(|error| raise("Malformed", &error))
    }

    /// The version that is read.
    fn etag(&self) -> Option<&str> {
        self.inner.etag()
    }

    /// RGBA of a region as OpenSlide reads it.
    fn read_region(&self, python: Python<'_>, location: (i64, i64), level: u32, size: (u32, u32)) -> PyResult<Pixels> {
        let ((x, y), (width, height)) = (location, size);
        let (scale, background) = (Scale::Level(level), Background::Transparent);
        let request = RegionRequest { x, y, width, height, scale, mode: Mode::Exact, background };
        let pixels = wait(python, self.inner.read_region(&request))?;
        Ok(Pixels::new(pixels, vec![height as usize, width as usize, 4]))
    }

    /// RGB of patches, decoded straight into one array.
    fn read_patches(
        &self,
        python: Python<'_>,
        origins: Vec<(i64, i64)>,
        size: (u32, u32),
        level_or_mpp: (Option<u32>, Option<f64>),
    ) -> PyResult<Pixels> {
        let scale = match level_or_mpp {
            (None, Some(mpp)) => Scale::Mpp(mpp),
            (level, None) => Scale::Level(level.unwrap_or(0)),
            (Some(_), Some(_)) => return Err(said("Request", "give level or mpp, not both")),
        };
        let ((width, height), count) = (size, origins.len());
        let request = PatchRequest { scale, width, height, origins, gap_bytes: GAP_RANDOM_BYTES };
        let patches = wait(python, self.inner.read_patches(&request))?;
        if let Some((_, error)) = patches.errors.into_iter().next() {
            return Err(raise(error.category(), &error));
        }
        Ok(Pixels::new(patches.pixels, vec![count, height as usize, width as usize, 3]))
    }

    /// Names of the associated images.
    fn associated_names(&self) -> Vec<&'static str> {
        self.inner.associated_names().collect()
    }

    /// RGB of an associated image.
    fn read_associated(&self, python: Python<'_>, name: &str) -> PyResult<Pixels> {
        let image = wait(python, self.inner.read_associated(name))?;
        Ok(Pixels::new(image.pixels, vec![image.height as usize, image.width as usize, 3]))
    }

    /// OpenSlide's `quickhash-1`.
    fn quickhash(&self, python: Python<'_>) -> PyResult<Option<String>> {
        wait(python, self.inner.quickhash())
    }
}
