//! An image and those below it, as one disk.
//!
//! [`Layout`] says where each byte is; [`Image`] fetches it: straight into the caller's buffers where it is stored as it
//! is, through a cache of unpacked blocks where it is compressed, and from the image below where there is nothing.

pub mod layout;
pub mod recent;
pub mod tables;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vm_memory::VolatileSlice;

use crate::buffers::{Cursor, clear, fill, total};
use crate::plain::{self, PlainRun};
use crate::storage::{Storage, read_only};
use crate::{Disk, Format, SECTOR, Topology};
use layout::{Layout, Packed, Piece};
use recent::Recent;

/// The most that is kept of unpacked blocks, in bytes, for a chain of images.
pub const BLOCK_CACHE: usize = 16 << 20;

/// A layer that can be changed in place. What is below it is only read.
pub trait Changeable: Layout {
    /// Writes all of `from` from `offset` on; the range is on the disk. What a block that is begun by this write has beside
    /// it is read from `below`.
    ///
    /// # Errors
    /// As [`Disk::write_at`].
    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>], below: Below<'_>) -> io::Result<()>;

    /// As [`Disk::flush`].
    ///
    /// # Errors
    /// As [`Disk::flush`].
    fn flush(&self) -> io::Result<()>;

    /// As [`Disk::discard`]; the range is on the disk. What is discarded never shows `below` again.
    ///
    /// # Errors
    /// As [`Disk::discard`].
    fn discard(&self, range: Range<u64>, below: Below<'_>) -> io::Result<()>;

    /// As [`Disk::write_zeroes`]; the range is on the disk.
    ///
    /// # Errors
    /// As [`Disk::write_zeroes`].
    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool, below: Below<'_>) -> io::Result<()>;

    /// As [`Changeable::flush`], and leaves the image as one that nobody changes any more. Changes may follow nevertheless.
    ///
    /// # Errors
    /// As [`Disk::flush`].
    fn close(&self) -> io::Result<()> {
        self.flush()
    }

    /// Makes the disk `size` bytes long; what is new reads as zero.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] where the layer cannot, or when the disk is larger already; as [`Disk::write_at`].
    fn grow(&self, size: u64, below: Below<'_>) -> io::Result<()> {
        let _ = (size, below);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Calls `read`, until whose end nothing else comes to stand in the places that [`Layout::map`] tells it.
    ///
    /// # Errors
    /// Those of `read`.
    fn hold(&self, read: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        read()
    }

    /// As [`Disk::plain_read`]; the range is on the disk. `None` unless the disk's bytes never come to stand elsewhere.
    ///
    /// # Errors
    /// As [`Disk::plain_read`].
    fn plain_read(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let _ = range;
        Ok(None)
    }

    /// As [`Disk::plain_write`]; the range is on the disk. `None` unless a write there changes nothing but bytes in place.
    ///
    /// # Errors
    /// As [`Disk::plain_write`].
    fn plain_write(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let _ = range;
        Ok(None)
    }

    /// As [`Disk::plain_flush`].
    fn plain_flush(&self) -> Option<Arc<File>> {
        None
    }
}

/// The image below a layer, or nothing, which reads as zero.
#[derive(Debug, Clone, Copy)]
pub struct Below<'i>(Option<&'i Image>);

impl Below<'_> {
    /// Whether there is no image.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self.0.is_none()
    }

    /// How many bytes it has; none if there is no image.
    #[must_use]
    pub fn size(self) -> u64 {
        self.0.map_or(0, Disk::size)
    }

    /// Fills `into` from `offset` on; past the end of the image below, with zeroes.
    ///
    /// # Errors
    /// As [`Disk::read_at`].
    pub fn read(self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let buffer = [VolatileSlice::from(into)];
        match self.0 {
            Some(image) => image.read_runs(offset, &buffer),
            None => clear(&buffer),
        }
    }
}

#[derive(Debug, Clone)]
enum Top {
    Fixed(Arc<dyn Layout>),
    Changeable(Arc<dyn Changeable>),
}

/// An image, and the one below it.
#[derive(Debug)]
pub struct Image {
    top: Top,
    below: Option<Arc<Image>>,
    /// Tells its blocks from those of other images: several may stand above the same one.
    serial: u64,
    /// Unpacked blocks of all images of the chain, by image and place.
    blocks: Arc<Recent<(u64, u64)>>,
    format: Format,
    /// What the medium says that the image lies on.
    medium: Topology,
}

/// Where bytes of a disk are, all images of a chain considered.
#[derive(Debug, Clone)]
pub struct Found<'i> {
    /// What is there.
    pub place: Place<'i>,
    /// For how many bytes.
    pub len: u64,
    /// How many images above this one were looked through.
    pub depth: usize,
}

/// Where bytes are.
#[derive(Debug, Clone)]
pub enum Place<'i> {
    /// Nowhere: no image has anything there, so it reads as zero.
    Nowhere,
    /// Nowhere: an image says that there are zeroes.
    Zero,
    /// In a storage, as they are.
    Stored(&'i Arc<dyn Storage>, u64),
    /// In a compressed block of an image.
    Packed(&'i Image, Packed),
}

impl Image {
    /// An image that is only read.
    #[must_use]
    pub fn fixed(layout: Arc<dyn Layout>, below: Option<Arc<Self>>) -> Self {
        Self::new(Top::Fixed(layout), below)
    }

    /// An image that is changed in place.
    #[must_use]
    pub fn changeable(layout: Arc<dyn Changeable>, below: Option<Arc<Self>>) -> Self {
        Self::new(Top::Changeable(layout), below)
    }

    fn new(top: Top, below: Option<Arc<Self>>) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let blocks =
            below.as_ref().map_or_else(|| Arc::new(Recent::new(BLOCK_CACHE)), |below| Arc::clone(&below.blocks));
        Self { top, below, serial, blocks, format: Format::Raw, medium: Topology::uniform(512) }
    }

    /// The same, on a medium that is used in the units of `medium`.
    #[must_use]
    pub fn on_medium(mut self, medium: Topology) -> Self {
        self.medium = medium;
        self
    }

    /// The units of the medium.
    #[must_use]
    pub fn medium(&self) -> Topology {
        self.medium
    }

    /// The same, whose uppermost layer is called `format`.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// The format of the uppermost layer.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The uppermost layer.
    #[must_use]
    pub fn layout(&self) -> &dyn Layout {
        match &self.top {
            Top::Fixed(layout) => layout.as_ref(),
            Top::Changeable(layout) => layout.as_ref(),
        }
    }

    /// The image below.
    #[must_use]
    pub fn below(&self) -> Option<&Arc<Self>> {
        self.below.as_ref()
    }

    /// How many images are below this one.
    #[must_use]
    pub fn depth(&self) -> usize {
        std::iter::successors(self.below.as_ref(), |image| image.below.as_ref()).count()
    }

    /// Puts everything on stable storage and leaves the image as one that nobody changes any more.
    ///
    /// # Errors
    /// As [`Disk::flush`].
    pub fn close(&self) -> io::Result<()> {
        match &self.top {
            Top::Changeable(layout) => layout.close(),
            Top::Fixed(_) => Ok(()),
        }
    }

    /// Makes the disk `size` bytes long; what is new reads as zero.
    ///
    /// # Errors
    /// As [`Changeable::grow`].
    pub fn grow(&self, size: u64) -> io::Result<()> {
        match &self.top {
            Top::Changeable(layout) => layout.grow(size, Below(self.below.as_deref())),
            Top::Fixed(_) => Err(read_only()),
        }
    }

    /// What stands at `offset`, and for how many bytes, up to `limit` of them.
    ///
    /// # Errors
    /// As [`Layout::map`].
    pub fn locate(&self, offset: u64, limit: u64) -> io::Result<Found<'_>> {
        let layout = self.layout();
        let left = layout.size().saturating_sub(offset);
        if left == 0 {
            return Ok(Found { place: Place::Nowhere, len: limit, depth: 0 });
        }
        let run = layout.map(offset, limit.min(left))?;
        // Whatever a layout says, nobody goes past the limit or stands still.
        let len = run.len.clamp(1, limit.min(left));
        let place = match run.piece {
            Piece::Absent => match &self.below {
                Some(below) => {
                    let found = below.locate(offset, len)?;
                    return Ok(Found { depth: found.depth + 1, ..found });
                }
                None => Place::Nowhere,
            },
            Piece::Zero => Place::Zero,
            Piece::Stored { storage, offset } => Place::Stored(storage_of(layout, storage)?, offset),
            Piece::Packed(packed) => Place::Packed(self, packed),
        };
        Ok(Found { place, len, depth: 0 })
    }

    /// An unpacked block of this image's own layer.
    ///
    /// # Errors
    /// As [`Layout::unpack`].
    pub fn block(&self, packed: &Packed) -> io::Result<Arc<[u8]>> {
        self.blocks.get((self.serial, packed.start), || {
            let block = self.layout().unpack(packed)?;
            if block.len() == packed.len as usize { Ok(block) } else { Err(io::ErrorKind::InvalidData.into()) }
        })
    }

    fn read_runs(&self, mut offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut left = total(into);
        let mut cursor = Cursor::new(into);
        while left > 0 {
            let found = self.locate(offset, left)?;
            let buffers = cursor.take(found.len);
            match found.place {
                Place::Nowhere | Place::Zero => clear(&buffers)?,
                Place::Stored(storage, at) => storage.read_at(at, &buffers)?,
                Place::Packed(image, packed) => {
                    let block = image.block(&packed)?;
                    let from = usize::try_from(offset - packed.start).map_err(io::Error::other)?;
                    fill(&buffers, block.get(from..).unwrap_or_default())?;
                }
            }
            offset += found.len;
            left -= found.len;
        }
        Ok(())
    }

    /// Checks that `offset..offset + len` is on the disk.
    fn check(&self, offset: u64, len: u64) -> io::Result<()> {
        match offset.checked_add(len) {
            Some(end) if end <= self.size() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "past the end of the disk")),
        }
    }

    /// The layer to change, and what is below it, once the range is checked.
    fn change(&self, offset: u64, len: u64) -> io::Result<(&dyn Changeable, Below<'_>)> {
        let Top::Changeable(layout) = &self.top else { return Err(read_only()) };
        self.check(offset, len)?;
        Ok((layout.as_ref(), Below(self.below.as_deref())))
    }
}

fn storage_of(layout: &dyn Layout, index: usize) -> io::Result<&Arc<dyn Storage>> {
    layout.storages().get(index).ok_or_else(|| io::Error::other("a layout names a storage that it does not have"))
}

impl Disk for Image {
    /// The size of the uppermost layer, made up to whole sectors: what is past its end reads as zero.
    fn size(&self) -> u64 {
        self.layout().size().checked_next_multiple_of(SECTOR).unwrap_or(u64::MAX - u64::MAX % SECTOR)
    }

    /// What the medium says, and the uppermost layer's unit of allocation.
    fn topology(&self) -> Topology {
        match self.layout().block_size() {
            Some(block) => self.medium.with_blocks(block),
            None => self.medium,
        }
    }

    fn is_read_only(&self) -> bool {
        matches!(self.top, Top::Fixed(_))
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.check(offset, total(into))?;
        match &self.top {
            Top::Changeable(layout) => layout.hold(&mut || self.read_runs(offset, into)),
            Top::Fixed(_) => self.read_runs(offset, into),
        }
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let (layout, below) = self.change(offset, total(from))?;
        layout.write_at(offset, from, below)
    }

    fn flush(&self) -> io::Result<()> {
        match &self.top {
            Top::Changeable(layout) => layout.flush(),
            Top::Fixed(_) => Ok(()),
        }
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        let (layout, below) = self.change(range.start, range.end.saturating_sub(range.start))?;
        if range.is_empty() { Ok(()) } else { layout.discard(range, below) }
    }

    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool) -> io::Result<()> {
        let (layout, below) = self.change(range.start, range.end.saturating_sub(range.start))?;
        if range.is_empty() { Ok(()) } else { layout.write_zeroes(range, may_unmap, below) }
    }

    fn plain_read(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        self.check(range.start, range.end.saturating_sub(range.start))?;
        match &self.top {
            // What stands in a place may change while a read is in flight, unless the layer knows better.
            Top::Changeable(layout) => layout.plain_read(range),
            Top::Fixed(_) => plain::read_runs(self, range),
        }
    }

    fn plain_write(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let (layout, _) = self.change(range.start, range.end.saturating_sub(range.start))?;
        layout.plain_write(range)
    }

    fn plain_flush(&self) -> Option<Arc<File>> {
        match &self.top {
            Top::Changeable(layout) => layout.plain_flush(),
            Top::Fixed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
