//! Compressed extents (`fs/btrfs/zlib.c`, `lzo.c`, `zstd.c`).

use std::io::{self, Read};

use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::lzo;

/// What an extent is compressed with, by `compression`: 0 is not at all.
pub const NAMES: [&str; 4] = ["none", "zlib", "lzo", "zstd"];

/// Unpacks `packed`, of which only the front may be used, to `len` bytes. What is missing at the end is zero.
pub fn unpack(compression: u8, packed: &[u8], len: usize, sector: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    match NAMES.get(usize::from(compression)) {
        Some(&"zlib") => {
            ZlibDecoder::new(packed).take(len as u64).read_to_end(&mut bytes)?;
        }
        Some(&"lzo") => lzo::extent(packed, len, sector, &mut bytes)?,
        Some(&"zstd") => {
            let window = super::spec::MAX_PACKED;
            let decoder = StreamingDecoder::new_with_max_window_size(packed, window);
            let decoder = decoder.map_err(|error| io::Error::other(error.to_string()))?;
            decoder.take(len as u64).read_to_end(&mut bytes)?;
        }
        _ => return Err(io::Error::other(format!("compression {compression} is not known"))),
    }
    bytes.resize(len, 0);
    Ok(bytes)
}
