//! The TIFF tags that are read; all others are skipped while parsing.

/// `NewSubfileType`: bit 0 is set on reduced-resolution images.
pub(crate) const NEW_SUBFILE_TYPE: u16 = 254;
pub(crate) const IMAGE_WIDTH: u16 = 256;
pub(crate) const IMAGE_LENGTH: u16 = 257;
pub(crate) const BITS_PER_SAMPLE: u16 = 258;
pub(crate) const COMPRESSION: u16 = 259;
pub(crate) const PHOTOMETRIC: u16 = 262;
pub(crate) const DOCUMENT_NAME: u16 = 269;
pub(crate) const IMAGE_DESCRIPTION: u16 = 270;
pub(crate) const MAKE: u16 = 271;
pub(crate) const MODEL: u16 = 272;
pub(crate) const STRIP_OFFSETS: u16 = 273;
pub(crate) const SAMPLES_PER_PIXEL: u16 = 277;
pub(crate) const ROWS_PER_STRIP: u16 = 278;
pub(crate) const STRIP_BYTE_COUNTS: u16 = 279;
pub(crate) const X_RESOLUTION: u16 = 282;
pub(crate) const Y_RESOLUTION: u16 = 283;
pub(crate) const PLANAR_CONFIGURATION: u16 = 284;
pub(crate) const RESOLUTION_UNIT: u16 = 296;
pub(crate) const SOFTWARE: u16 = 305;
pub(crate) const DATE_TIME: u16 = 306;
pub(crate) const ARTIST: u16 = 315;
pub(crate) const HOST_COMPUTER: u16 = 316;
/// 2: samples are differences to their left neighbours.
pub(crate) const PREDICTOR: u16 = 317;
pub(crate) const TILE_WIDTH: u16 = 322;
pub(crate) const TILE_LENGTH: u16 = 323;
pub(crate) const TILE_OFFSETS: u16 = 324;
pub(crate) const TILE_BYTE_COUNTS: u16 = 325;
/// Offsets of directories that belong to this one.
pub(crate) const SUB_IFDS: u16 = 330;
/// What samples beyond the colours are: 1 premultiplied alpha, 2 straight alpha.
pub(crate) const EXTRA_SAMPLES: u16 = 338;
pub(crate) const SAMPLE_FORMAT: u16 = 339;
/// Tables shared by all JPEG tiles of a directory (TIFF Technical Note 2).
pub(crate) const JPEG_TABLES: u16 = 347;
/// XMP, in which Ventana describes its slides.
pub(crate) const XMP: u16 = 700;
pub(crate) const COPYRIGHT: u16 = 33432;
/// Colour profile; only its size is looked at.
pub(crate) const ICC_PROFILE: u16 = 34675;
/// Private tag of Argos, an XML text.
pub(crate) const ARGOS_XML: u16 = 65000;
/// Private tag that marks Hamamatsu NDPI.
pub(crate) const NDPI_FORMAT: u16 = 65420;

/// All of the above.
const KNOWN: [u16; 36] = [
    NEW_SUBFILE_TYPE,
    IMAGE_WIDTH,
    IMAGE_LENGTH,
    BITS_PER_SAMPLE,
    COMPRESSION,
    PHOTOMETRIC,
    DOCUMENT_NAME,
    IMAGE_DESCRIPTION,
    MAKE,
    MODEL,
    STRIP_OFFSETS,
    SAMPLES_PER_PIXEL,
    ROWS_PER_STRIP,
    STRIP_BYTE_COUNTS,
    X_RESOLUTION,
    Y_RESOLUTION,
    PLANAR_CONFIGURATION,
    RESOLUTION_UNIT,
    SOFTWARE,
    DATE_TIME,
    ARTIST,
    HOST_COMPUTER,
    PREDICTOR,
    TILE_WIDTH,
    TILE_LENGTH,
    TILE_OFFSETS,
    TILE_BYTE_COUNTS,
    SUB_IFDS,
    EXTRA_SAMPLES,
    SAMPLE_FORMAT,
    JPEG_TABLES,
    XMP,
    COPYRIGHT,
    ICC_PROFILE,
    ARGOS_XML,
    NDPI_FORMAT,
];

pub(crate) fn is_known(tag: u16) -> bool {
    KNOWN.contains(&tag)
}

/// Whether a tag's values grow with the image.
pub(crate) fn is_array(tag: u16) -> bool {
    matches!(tag, TILE_OFFSETS | TILE_BYTE_COUNTS | STRIP_OFFSETS | STRIP_BYTE_COUNTS)
}
