//! libjpeg-turbo, as its users call it: handles are kept, buffers reused.
#![allow(unsafe_code, reason = "a C library")]

use turbojpeg_sys as tj;

/// Samplings by libjpeg-turbo's number.
pub(crate) const SAMPLINGS: [(&str, i32); 5] = [
    ("4:4:4", tj::TJSAMP_TJSAMP_444 as i32),
    ("4:2:2", tj::TJSAMP_TJSAMP_422 as i32),
    ("4:2:0", tj::TJSAMP_TJSAMP_420 as i32),
    ("4:4:0", tj::TJSAMP_TJSAMP_440 as i32),
    ("grey", tj::TJSAMP_TJSAMP_GRAY as i32),
];

/// How a tile is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding {
    pub(crate) sampling: i32,
    pub(crate) quality: i32,
    /// Huffman tables made for the tile.
    pub(crate) optimize: bool,
    /// MCUs between restart markers, or 0.
    pub(crate) restart: i32,
}

/// Encodes packed RGB.
pub(crate) fn encode(rgb: &[u8], width: usize, encoding: Encoding) -> Vec<u8> {
    let height = rgb.len() / (width * 3);
    unsafe {
        let handle = tj::tj3Init(tj::TJINIT_TJINIT_COMPRESS as i32);
        for (parameter, value) in [
            (tj::TJPARAM_TJPARAM_SUBSAMP, encoding.sampling),
            (tj::TJPARAM_TJPARAM_QUALITY, encoding.quality),
            (tj::TJPARAM_TJPARAM_OPTIMIZE, i32::from(encoding.optimize)),
            (tj::TJPARAM_TJPARAM_RESTARTBLOCKS, encoding.restart),
        ] {
            assert_eq!(tj::tj3Set(handle, parameter as i32, value), 0);
        }
        let (mut bytes, mut length) = (std::ptr::null_mut(), 0);
        let done = tj::tj3Compress8(
            handle,
            rgb.as_ptr(),
            width as i32,
            0,
            height as i32,
            tj::TJPF_TJPF_RGB as i32,
            &mut bytes,
            &mut length,
        );
        assert_eq!(done, 0);
        let jpeg = std::slice::from_raw_parts(bytes, length as usize).to_vec();
        tj::tj3Free(bytes.cast());
        tj::tj3Destroy(handle);
        jpeg
    }
}

/// A decompressor of islow and fancy upsampling, the defaults.
pub(crate) struct Decoder {
    handle: tj::tjhandle,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { handle: unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as i32) } }
    }

    /// Decodes a whole tile into packed RGB.
    pub(crate) fn whole(&mut self, jpeg: &[u8], out: &mut [u8]) {
        self.cut(jpeg, [0; 4], out, 0);
    }

    /// Decodes [x, y, width, height], x a multiple of the MCU's width; crops and skips. All zero: everything.
    pub(crate) fn cut(&mut self, jpeg: &[u8], [x, y, w, h]: [i32; 4], out: &mut [u8], pitch: usize) {
        unsafe {
            assert_eq!(tj::tj3DecompressHeader(self.handle, jpeg.as_ptr(), jpeg.len() as u64), 0);
            assert_eq!(tj::tj3SetCroppingRegion(self.handle, tj::tjregion { x, y, w, h }), 0);
            let format = tj::TJPF_TJPF_RGB as i32;
            let done = tj::tj3Decompress8(
                self.handle,
                jpeg.as_ptr(),
                jpeg.len() as u64,
                out.as_mut_ptr(),
                pitch as i32,
                format,
            );
            assert_eq!(done, 0);
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        unsafe { tj::tj3Destroy(self.handle) }
    }
}
