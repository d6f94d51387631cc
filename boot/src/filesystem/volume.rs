//! A volume's bytes, as readers of file systems want them: small blocks of metadata, kept for a while, with fields that know
//! where they stand.

use std::ops::Range;
use std::sync::Arc;

use ovum_disk::image::recent::Recent;
use ovum_disk::storage::{Storage, read_bytes};

use super::FsError;

/// How much is read at a time for something smaller, in bytes.
const PAGE: u64 = 4096;
/// The most that is kept of a volume's metadata, in bytes.
const LIMIT: usize = 4 << 20;
/// The largest block of any file system here, in bytes: what is asked for in one piece is never longer.
pub const MAX_BLOCK: usize = 64 << 10;

/// A volume and what was read of it lately. Metadata is read again and again (each path begins at the root), and below may
/// be an image that has to be unpacked.
#[derive(Debug)]
pub struct Volume {
    storage: Arc<dyn Storage>,
    name: Arc<str>,
    blocks: Recent<(u64, usize)>,
}

impl Volume {
    /// The bytes of `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { name: storage.name().into(), storage, blocks: Recent::new(LIMIT) }
    }

    /// What files' bytes are read from.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.storage.size()
    }

    /// `len` bytes of metadata at `offset`, at most [`MAX_BLOCK`].
    pub fn read(&self, offset: u64, len: usize) -> Result<Block, FsError> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.size() && len <= MAX_BLOCK);
        let end =
            end.ok_or_else(|| self.damaged(offset, format!("{len} bytes of metadata would not be on the volume")))?;
        let whole = offset / PAGE * PAGE;
        if end - whole > PAGE {
            return Ok(self.block(offset, self.kept(offset, len)?));
        }
        let page = self.kept(whole, usize::try_from(PAGE.min(self.size() - whole)).unwrap_or_default())?;
        let start = usize::try_from(offset - whole).unwrap_or_default();
        Ok(self.block(offset, page.get(start..start + len).unwrap_or_default().into()))
    }

    /// `len` bytes at `offset` that need not be kept; the caller has a limit for `len`.
    pub fn fetch(&self, offset: u64, len: usize) -> Result<Vec<u8>, FsError> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.size()) {
            return Err(self.damaged(offset, format!("{len} bytes would not be on the volume")));
        }
        let mut bytes = vec![0; len];
        read_bytes(self.storage.as_ref(), offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Bytes that were put together from the place at `offset`: unpacked, or not all read from there.
    pub fn block(&self, offset: u64, bytes: Arc<[u8]>) -> Block {
        Block { bytes, at: offset, volume: Arc::clone(&self.name) }
    }

    /// An error at `offset`.
    pub fn damaged(&self, offset: u64, what: impl Into<String>) -> FsError {
        FsError::Damaged { volume: self.name.to_string(), offset, what: what.into() }
    }

    fn kept(&self, offset: u64, len: usize) -> Result<Arc<[u8]>, FsError> {
        self.blocks.get((offset, len), || {
            let mut bytes = vec![0; len];
            read_bytes(self.storage.as_ref(), offset, &mut bytes)?;
            Ok(bytes)
        })
    }
}

/// Some bytes of a volume. A field that is not all in them is damage at its place.
#[derive(Debug, Clone)]
pub struct Block {
    bytes: Arc<[u8]>,
    at: u64,
    volume: Arc<str>,
}

impl Block {
    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// An error `offset` bytes into the block.
    pub fn damaged(&self, offset: usize, what: impl Into<String>) -> FsError {
        let offset = self.at.saturating_add(offset as u64);
        FsError::Damaged { volume: self.volume.to_string(), offset, what: what.into() }
    }

    /// The bytes in `range`.
    pub fn slice(&self, range: Range<usize>) -> Result<&[u8], FsError> {
        let start = range.start;
        self.bytes.get(range).ok_or_else(|| self.damaged(start, "something ends before it should"))
    }

    /// The bytes in `range`, as a block of their own.
    pub fn part(&self, range: Range<usize>) -> Result<Self, FsError> {
        let at = self.at.saturating_add(range.start as u64);
        Ok(Self { bytes: self.slice(range)?.into(), at, volume: Arc::clone(&self.volume) })
    }

    /// `N` bytes at `offset`.
    pub fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N], FsError> {
        let bytes = self.bytes.get(offset..).and_then(|rest| rest.first_chunk::<N>());
        bytes.copied().ok_or_else(|| self.damaged(offset, "something ends before it should"))
    }

    /// The byte at `offset`.
    pub fn u8(&self, offset: usize) -> Result<u8, FsError> {
        self.array::<1>(offset).map(|[byte]| byte)
    }

    /// The little-endian number of two bytes at `offset`.
    pub fn le16(&self, offset: usize) -> Result<u16, FsError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// The little-endian number of four bytes at `offset`.
    pub fn le32(&self, offset: usize) -> Result<u32, FsError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// The little-endian number of eight bytes at `offset`.
    pub fn le64(&self, offset: usize) -> Result<u64, FsError> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// The big-endian number of two bytes at `offset`.
    pub fn be16(&self, offset: usize) -> Result<u16, FsError> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// The big-endian number of four bytes at `offset`.
    pub fn be32(&self, offset: usize) -> Result<u32, FsError> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// The big-endian number of eight bytes at `offset`.
    pub fn be64(&self, offset: usize) -> Result<u64, FsError> {
        self.array(offset).map(u64::from_be_bytes)
    }
}
