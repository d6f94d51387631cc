//! LZ4's legacy frame, in which kernels are packed (LZ4 Frame Format 1.6.2, "Legacy frame"): a mark, then blocks, each
//! behind its packed length in four bytes, and each of 8 MiB when unpacked but the last.

use std::io::{self, BufRead, Read};

/// Stands at the start, and again where frames were put one behind the other.
const MARK: u32 = 0x184c_2102;
/// What a block unpacks to at most, in bytes.
const BLOCK: usize = 8 << 20;
/// What a block is packed into at most, in bytes: bytes that cannot be packed grow by one in 255.
const PACKED_BLOCK: u64 = BLOCK as u64 + BLOCK as u64 / 255 + 16;

/// Unpacks block by block.
pub(super) struct Reader<R> {
    packed: R,
    packed_block: Vec<u8>,
    block: Vec<u8>,
    /// What of `block` was not handed out yet.
    from: usize,
    to: usize,
}

impl<R: Read> Reader<R> {
    /// A reader at the frame's mark.
    pub fn new(packed: R) -> Self {
        Self { packed, packed_block: Vec::new(), block: Vec::new(), from: 0, to: 0 }
    }

    /// The next four bytes; `None` when there are none, or fewer.
    fn word(&mut self) -> io::Result<Option<u32>> {
        let mut word = [0; 4];
        match self.packed.read_exact(&mut word) {
            Ok(()) => Ok(Some(u32::from_le_bytes(word))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Unpacks the next block; leaves an empty one at the end.
    fn next(&mut self) -> io::Result<()> {
        (self.from, self.to) = (0, 0);
        let length = loop {
            match self.word()? {
                None => return Ok(()),
                Some(MARK) => {}
                Some(length) => break u64::from(length),
            }
        };
        self.packed_block.clear();
        (&mut self.packed).take(length.min(PACKED_BLOCK)).read_to_end(&mut self.packed_block)?;
        if self.packed_block.len() as u64 != length {
            // The kernel's build puts the unpacked length behind the last block, with no block behind that.
            return if self.packed_block.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if self.block.is_empty() {
            self.block = vec![0; BLOCK];
        }
        self.to = lz4_flex::block::decompress_into(&self.packed_block, &mut self.block)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(())
    }
}

impl<R: Read> BufRead for Reader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from >= self.to {
            self.next()?;
        }
        Ok(self.block.get(self.from..self.to).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.from = self.from.saturating_add(amount).min(self.to);
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}
