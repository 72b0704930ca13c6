//! Slides below a URL.

use microtome_plan::dataset::SlideEntry;
use microtome_slide::{SlideUrl, Stores};

use super::SourceError;

const FIELD: &str = "slides.prefix";

/// Endings of whole-slide images, of this reader's formats and of others, which it refuses by name: a slide that cannot be
/// read is to be seen, a note beside it is not.
const ENDINGS: [&str; 12] =
    [".svs", ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".ndpi", ".scn", ".bif", ".mrxs", ".vms", ".svslide"];

/// The slides below a prefix, sorted by name.
pub(super) async fn slides(prefix: &str, stores: &Stores) -> Result<Vec<SlideEntry>, SourceError> {
    let url = SlideUrl::parse(prefix).map_err(|source| SourceError::Url { field: FIELD, source })?;
    let objects = stores.list(&url).await.map_err(|source| SourceError::Storage { field: FIELD, source })?;
    let found = objects.len();
    let entry = |url: SlideUrl| SlideEntry { url: url.to_string(), ..SlideEntry::default() };
    let slides: Vec<SlideEntry> =
        objects.into_iter().map(|object| entry(object.url)).filter(|entry| is_slide(&entry.url)).collect();
    if slides.is_empty() {
        let problem = match found {
            0 => format!("nothing lies below {prefix}"),
            found => format!("none of the {found} files below {prefix} is named like a slide ({})", ENDINGS.join(", ")),
        };
        return Err(SourceError::Empty { field: FIELD, problem });
    }
    Ok(slides)
}

fn is_slide(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| lower.ends_with(ending))
}
