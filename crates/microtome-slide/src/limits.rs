//! What a hostile slide may cost at most.
//!
//! Every decode and every allocation whose size comes from a file is checked against these. They bound one slide or one
//! request; the caller bounds how many of them run at once.

/// Upper bounds for one slide (opening) and one request (reading). All sizes are in bytes unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// TIFF directories in the chain. Real slides have fewer than 20; z-stacks some hundreds.
    pub directories: usize,
    /// Entries of one directory. Real ones have fewer than 60.
    pub entries: u64,
    /// One array of a directory (tile offsets, tile byte counts): 64 MiB hold 8 million tiles of a BigTIFF.
    pub array_bytes: u64,
    /// One text of a directory (`ImageDescription`); Aperio's are about 1 KiB.
    pub text_bytes: u64,
    /// Everything that opening may fetch, so that a chain of far-flung directories cannot pull a whole blob.
    pub open_bytes: u64,
    /// Requests that opening may send.
    pub open_requests: usize,
    /// Pyramid levels of a slide.
    pub levels: usize,
    /// Tiles of all levels together: 12 bytes each are kept in memory.
    pub tiles: u64,
    /// Pixels of one tile: its decoded size is three times that.
    pub tile_pixels: u64,
    /// One tile as it lies in the blob.
    pub compressed_tile_bytes: u64,
    /// `JPEGTables` of one directory; the largest legal set of tables is about 2.5 KiB.
    pub table_bytes: u64,
    /// Scans of one JPEG tile: each makes the decoder pass over the whole tile for a few bytes of input.
    pub scans: usize,
    /// All pixels of one request (`n · height · width · 3`).
    pub patch_bytes: u64,
    /// Pieces of tiles (tile × patch) in one request.
    pub placements: u64,
    /// All ranges of one request.
    pub fetch_bytes: u64,
    /// Pixels of all tiles that one request decodes: the bound on its time, at about 250 million a second and core.
    pub decode_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            directories: 4096,
            entries: 4096,
            array_bytes: 64 << 20,
            text_bytes: 1 << 20,
            open_bytes: 128 << 20,
            open_requests: 256,
            levels: 64,
            tiles: 8 << 20,
            tile_pixels: 64 << 20,
            compressed_tile_bytes: 64 << 20,
            table_bytes: 1 << 20,
            scans: 64,
            patch_bytes: 1 << 30,
            placements: 1 << 20,
            fetch_bytes: 1 << 30,
            decode_pixels: 4 << 30,
        }
    }
}
