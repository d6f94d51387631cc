//! The ways in which kernels are packed, told apart by their first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bzip2::read::BzDecoder;
use flate2::read::GzDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;

use super::super::error::KernelProblem;
use super::{lz4, unsuited};

/// Pieces of this many bytes are unpacked at a time, where the format does not say.
const PIECE: usize = 64 << 10;
/// A dictionary or window may take this much memory. Kernels are packed with up to 128 MiB (`zstd -22 --ultra`), of which
/// only as much is touched as there is kernel.
const WINDOW: u64 = 128 << 20;
const WINDOW_KIB: u32 = 129 << 10;
/// The longest mark.
const MARK: u64 = 6;

/// Opens what is packed; the first piece is not unpacked yet. Behind it, most formats have four bytes that say how long the
/// unpacked kernel is; nothing here believes them.
pub(super) fn open<'a>(mut packed: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>, KernelProblem> {
    let failed = |error: io::Error| unsuited(&format!("it does not unpack: {error}"));
    let mut mark = Vec::new();
    packed.by_ref().take(MARK).read_to_end(&mut mark).map_err(failed)?;
    let whole = Cursor::new(mark.clone()).chain(packed);
    Ok(match mark.as_slice() {
        [0x1f, 0x8b, ..] => pieces(GzDecoder::new(BufReader::with_capacity(PIECE, whole))),
        [b'B', b'Z', b'h', ..] => pieces(BzDecoder::new(BufReader::with_capacity(PIECE, whole))),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            pieces(XzReader::new_mem_limit(BufReader::with_capacity(PIECE, whole), false, WINDOW_KIB))
        }
        [0x5d, 0, 0, ..] => {
            let reader = BufReader::with_capacity(PIECE, whole);
            pieces(LzmaReader::new_mem_limit(reader, WINDOW_KIB, None).map_err(failed)?)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let reader = BufReader::with_capacity(PIECE, whole);
            let decoder = StreamingDecoder::new_with_max_window_size(reader, WINDOW);
            pieces(decoder.map_err(|error| failed(io::Error::other(error.to_string())))?)
        }
        [0x02, 0x21, 0x4c, 0x18, ..] => Box::new(lz4::Reader::new(whole)),
        [0x89, b'L', b'Z', b'O', ..] => return Err(unsuited("LZO is left to the kernel's own unpacker")),
        _ => return Err(unsuited("its packing is not known here")),
    })
}

fn pieces<'a>(reader: impl Read + 'a) -> Box<dyn BufRead + 'a> {
    Box::new(BufReader::with_capacity(PIECE, reader))
}
