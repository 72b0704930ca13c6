//! The slides that a worker has open: each opened once, however many leases ask at the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use microtome_slide::{Error, Limits, Slide, SlideUrl, Stores, Usage};
use tokio::sync::OnceCell;

/// An index is 12 bytes a tile, some 6 MB for the largest slides: 64 of them stay below 400 MB.
const OPEN_SLIDES: usize = 64;

type Key = (String, Option<String>);
type Opening = Arc<OnceCell<Slide>>;

/// The slides used last.
#[derive(Debug)]
pub(super) struct Slides {
    stores: Stores,
    /// The one used last at the end.
    open: Mutex<VecDeque<(Key, Opening)>>,
}

impl Slides {
    pub(super) fn new(stores: Stores) -> Self {
        Self { stores, open: Mutex::new(VecDeque::new()) }
    }

    /// Where slides are.
    pub(super) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The slide in the given version of its blob, and what opening it has cost this call: nothing if it was open or
    /// another call opened it.
    pub(super) async fn get(
        &self,
        url: &SlideUrl,
        limits: &Limits,
        etag: Option<&str>,
    ) -> Result<(Slide, Usage), Error> {
        let opening = self.opening((url.to_string(), etag.map(ToOwned::to_owned)));
        let mut spent = Usage::default();
        let slide = opening
            .get_or_try_init(|| async {
                let slide = Slide::open_pinned(&self.stores, url, limits, etag).await?;
                spent = slide.usage();
                Ok(slide)
            })
            .await?
            .clone();
        Ok((slide, spent))
    }

    /// Opens whatever version of the blob there is now, and keeps it for those who will ask for that version.
    pub(super) async fn open(&self, url: &SlideUrl, limits: &Limits) -> Result<Slide, Error> {
        let slide = Slide::open(&self.stores, url, limits).await?;
        // Without an ETag a later caller could not tell this version from the next.
        if let Some(etag) = slide.etag() {
            // An error means that somebody else has opened this version already.
            let _ = self.opening((url.to_string(), Some(etag.to_owned()))).set(slide.clone());
        }
        Ok(slide)
    }

    fn opening(&self, key: Key) -> Opening {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let found = open.iter().position(|(known, _)| *known == key).and_then(|index| open.remove(index));
        let entry = found.unwrap_or_else(|| (key, Opening::default()));
        let opening = Arc::clone(&entry.1);
        open.push_back(entry);
        if open.len() > OPEN_SLIDES {
            open.pop_front();
        }
        opening
    }
}
