//! Compressed clusters.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::error::Damage;
use crate::image::layout::Packed;
use crate::storage::{Storage, read_bytes};

/// The largest window of zstd, in bytes: what a decoder is asked to have at least (RFC 8878, 3.1.1.1.2).
const WINDOW: u64 = 8 << 20;

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Deflate, without a header.
    Zlib,
    /// Zstandard: one frame.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        })
    }
}

/// What unpacking needs, kept by each thread: to make it anew would take longer than to unpack a small cluster.
struct Unpacker {
    inflate: Decompress,
    zstd: FrameDecoder,
    /// Compressed bytes; never made shorter.
    input: Vec<u8>,
}

thread_local! {
    /// Taken out while it is used: a storage may be a file inside of another such disk.
    static UNPACKER: Cell<Option<Box<Unpacker>>> = const { Cell::new(None) };
}

/// Reads and unpacks a cluster: exactly `packed.len` bytes, whatever its bytes would unpack to.
pub fn unpack(storage: &dyn Storage, compression: Compression, packed: &Packed) -> io::Result<Vec<u8>> {
    let mut unpacker = UNPACKER.take().unwrap_or_else(|| Box::new(Unpacker::new()));
    let result = unpacker.unpack(storage, compression, packed);
    UNPACKER.set(Some(unpacker));
    result
}

impl Unpacker {
    fn new() -> Self {
        let mut zstd = FrameDecoder::new();
        zstd.set_max_window_size(WINDOW);
        Self { inflate: Decompress::new(false), zstd, input: Vec::new() }
    }

    fn unpack(&mut self, storage: &dyn Storage, compression: Compression, packed: &Packed) -> io::Result<Vec<u8>> {
        // The length is counted in sectors, and the file may end in the last one.
        let left = storage.size().saturating_sub(packed.offset);
        let len = u64::from(packed.packed_len).min(left);
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if self.input.len() < len {
            self.input.resize(len, 0);
        }
        let bytes = self.input.get_mut(..len).unwrap_or_default();
        read_bytes(storage, packed.offset, bytes)?;
        let mut block = vec![0; packed.len as usize];
        let result = match compression {
            Compression::Zlib => inflate(&mut self.inflate, bytes, &mut block),
            Compression::Zstd => unpack_zstd(&mut self.zstd, bytes, &mut block),
        };
        match result {
            Ok(()) => Ok(block),
            Err(problem) => Err(Damage::new(storage, packed.offset, "compressed cluster", problem).into()),
        }
    }
}

fn inflate(inflater: &mut Decompress, bytes: &[u8], block: &mut [u8]) -> Result<(), String> {
    inflater.reset(false);
    let status = inflater.decompress(bytes, block, FlushDecompress::Finish).map_err(|error| error.to_string())?;
    // What is behind the data of a cluster is not its own: whether the stream ends with it does not matter.
    match (status, inflater.total_out() == block.len() as u64) {
        (_, true) => Ok(()),
        (Status::StreamEnd, false) => Err(format!("it unpacks to {} bytes only", inflater.total_out())),
        _ => Err("it is cut off".into()),
    }
}

fn unpack_zstd(decoder: &mut FrameDecoder, bytes: &[u8], block: &mut [u8]) -> Result<(), String> {
    // It unpacks a block of at most 128 KiB at a time, and keeps no more than the window beside that.
    let mut frame = StreamingDecoder::new_with_decoder(bytes, decoder).map_err(|error| error.to_string())?;
    frame.read_exact(block).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it unpacks to less than a cluster".into(),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use super::*;
    use crate::storage::testing::Memory;

    fn packed(len: usize, packed_len: usize) -> Packed {
        let [len, packed_len] = [len, packed_len].map(|len| u32::try_from(len).unwrap());
        Packed { start: 0, len, storage: 0, offset: 0, packed_len }
    }

    fn unpacked(compression: Compression, bytes: &[u8], len: usize) -> io::Result<Vec<u8>> {
        let storage: Arc<dyn Storage> = Memory::new(bytes.to_vec());
        unpack(storage.as_ref(), compression, &packed(len, bytes.len() + 511))
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A frame of one window of 64 KiB with `blocks` blocks of 128 KiB of the same byte each.
    fn zstd_of_blocks(blocks: u32) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
        for block in 0..blocks {
            let header = u32::from(block + 1 == blocks) | 1 << 1 | (128 * 1024) << 3;
            frame.extend(&header.to_le_bytes()[..3]);
            frame.push(7);
        }
        frame
    }

    #[test]
    fn a_bomb_fills_its_cluster_and_no_more() {
        let bomb = deflated(&vec![7; 8 << 20]);
        let zstd = zstd_of_blocks(1000);
        for (compression, bytes) in [(Compression::Zlib, &bomb), (Compression::Zstd, &zstd)] {
            assert_eq!(unpacked(compression, bytes, 65536).unwrap(), vec![7; 65536], "{compression}");
        }
    }

    #[test]
    fn what_is_too_short_or_nonsense_is_damage() {
        let zlib = deflated(&vec![1; 4096]);
        let zstd = zstd_of_blocks(1);
        for (compression, bytes) in [(Compression::Zlib, zlib), (Compression::Zstd, zstd)] {
            for bytes in [bytes.as_slice(), &bytes[..bytes.len() - 3], &[0xff; 600], &[]] {
                let error = unpacked(compression, bytes, 1 << 20).unwrap_err();
                let damage = error.downcast::<Damage>().unwrap();
                assert_eq!(damage.field, "compressed cluster");
            }
        }
        // A window of two terabytes is not allocated.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 31 << 3, 1, 0, 0];
        assert!(unpacked(Compression::Zstd, &frame, 512).is_err());
    }
}
