//! The file of one slide's index: what it is, whole or not at all; pure.

use sha2::{Digest, Sha256};

use crate::formats::StoredSlide;

/// What a file begins with: its kind, and the version of its form. Other versions are other files' business.
const MAGIC: [u8; 8] = *b"MTindex\x01";

/// SHA-256 of a URL and an ETag.
pub(super) type KeyDigest = [u8; 32];

/// The bytes of a file: magic, SHA-256 of the rest, key, slide.
pub(super) fn write(key: &KeyDigest, slide: &StoredSlide) -> Option<Vec<u8>> {
    let body = postcard::to_stdvec(&(key, slide)).ok()?;
    Some([&MAGIC[..], &Sha256::digest(&body), &body].concat())
}

/// What a file holds; `None` if it is damaged, of another version, or of another key. Takes no more memory than some six
/// times the file's size: a tile has at least two bytes in it and twelve in memory.
pub(super) fn read(bytes: &[u8], key: &KeyDigest) -> Option<StoredSlide> {
    let (digest, body) = bytes.strip_prefix(&MAGIC)?.split_at_checked(32)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let (found, slide): (KeyDigest, StoredSlide) = postcard::from_bytes(body).ok()?;
    (found == *key).then_some(slide)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Limits,
        formats::{self, Found},
        tiff::{Step, Walker},
    };

    const KEY: KeyDigest = [9; 32];

    /// The index of a real slide, and its blob's size.
    fn index() -> (Found, u64) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");
        let file = bytes::Bytes::from(std::fs::read(path).unwrap());
        let (size, limits) = (file.len() as u64, Limits::default());
        let mut walker = Walker::start(file, size, &limits).unwrap();
        assert_eq!(walker.step().unwrap(), Step::Done);
        (formats::read(&walker.finish()).unwrap(), size)
    }

    fn file() -> Vec<u8> {
        let (found, size) = index();
        write(&KEY, &StoredSlide::of(&found, size)).unwrap()
    }

    #[test]
    fn an_index_comes_back() {
        let (found, size) = index();
        let stored = file();
        let back = read(&stored, &KEY).unwrap();
        assert_eq!(back.size, size);
        let back = back.into_found(&Limits::default()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{found:?}"));
        assert_eq!(back.info, found.info);
        // Properties and tables take most; a tile takes 3 to 4 bytes.
        let tiles = found.levels[0].tiles() as usize;
        assert!(stored.len() < 3500 + 4 * tiles, "{} bytes for {tiles} tiles", stored.len());
    }

    #[test]
    fn what_is_not_whole_or_not_ours_is_ignored() {
        let whole = file();
        assert!(read(&whole, &[8; 32]).is_none());
        for cut in [0, 7, 8, 39, 40, 41, whole.len() - 1] {
            assert!(read(&whole[..cut], &KEY).is_none(), "cut at {cut}");
        }
        for at in (0..whole.len()).step_by(97) {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert!(read(&bad, &KEY).is_none(), "changed at {at}");
        }
    }

    #[test]
    fn tighter_limits_hold() {
        for limits in [
            Limits { tiles: 100, ..Limits::default() },
            Limits { levels: 0, ..Limits::default() },
            Limits { tile_pixels: 1000, ..Limits::default() },
            Limits { table_bytes: 10, ..Limits::default() },
        ] {
            assert!(read(&file(), &KEY).unwrap().into_found(&limits).is_none(), "{limits:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        /// A checksum is no proof of good will.
        #[test]
        fn a_hostile_file_is_ignored_or_sound(changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut in any::<u16>()) {
            let mut body = file()[40..].to_vec();
            for (at, value) in changes {
                let at = usize::from(at) % body.len();
                body[at] = value;
            }
            body.truncate(if cut & 1 == 0 { body.len() } else { usize::from(cut) % body.len() });
            let hostile = [&MAGIC[..], &Sha256::digest(&body), &body].concat();
            let limits = Limits::default();
            let Some(found) = read(&hostile, &KEY).and_then(|slide| slide.into_found(&limits)) else { return Ok(()) };
            for level in &found.levels {
                for tile in [0, 1, level.tiles() - 1, level.tiles(), u64::MAX] {
                    let _ = (level.locate(tile, 1 << 20, &limits), level.layout_of(tile), level.shown(tile));
                }
            }
        }
    }
}
