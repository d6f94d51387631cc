//! VMDK, VMware's virtual disk, in all its kinds: read, and written in two.
//!
//! A disk is a row of extents, which a text, the descriptor, names; or one extent with the descriptor inside of it.
//!
//! * [`spec`]: the format's numbers. `descriptor`: the text. `header`: the headers of sparse extents.
//! * `sparse`: a sparse extent's tables. `grain`: its compressed grains. `layout`: the extents as one layer.
//! * `check`: what only VMDKs can have wrong.
//! * [`create_sparse`], [`create_stream`]: new images.

mod check;
mod create;
mod descriptor;
mod grain;
mod header;
mod layout;
mod sparse;
pub mod spec;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Damage, LayoutError};
use crate::format::HEAD;
use crate::image::layout::{Layer, Parent, Stamp};
use crate::storage::{Neighbours, Storage, read_bytes};
use crate::{Format, SECTOR};
use descriptor::{Descriptor, ExtentKind, ExtentLine};
use layout::{Backing, Extent, Vmdk};
use sparse::Sparse;

pub use create::{NewSparse, NewStream, create_sparse, create_stream};

/// Whether a file that begins with `head` says that it is one: a sparse extent of any family, or a descriptor.
#[must_use]
pub fn is_magic(head: &[u8]) -> bool {
    head.starts_with(&spec::SPARSE_MAGIC)
        || head.starts_with(&spec::COWD_MAGIC)
        || head.starts_with(&spec::SE_SPARSE_MAGIC)
        || is_descriptor(head)
}

/// Programs differ in the case and the blanks of the first line, and some put a byte order mark or blank lines before it.
fn is_descriptor(head: &[u8]) -> bool {
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let letters = head.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase);
    letters.take(spec::DESCRIPTOR_LINE.len()).eq(spec::DESCRIPTOR_LINE.iter().copied())
}

/// Reads the header, the descriptor and the headers of all extents. Other files are opened through `neighbours`, for
/// reading.
///
/// # Errors
/// [`LayoutError`].
pub fn read(storage: Arc<dyn Storage>, neighbours: &dyn Neighbours) -> Result<Layer, LayoutError> {
    let len = HEAD.min(usize::try_from(storage.size()).unwrap_or(HEAD));
    let mut head = vec![0; len];
    read_bytes(storage.as_ref(), 0, &mut head)?;
    if is_descriptor(&head) {
        let descriptor = descriptor::read(storage.as_ref(), 0, storage.size())?;
        return described(&storage, descriptor, neighbours);
    }
    if !head.starts_with(&spec::SPARSE_MAGIC) {
        return single(storage, Descriptor::default());
    }
    let headers = header::read_sparse(&storage)?;
    let (at, sectors) = (headers.front.descriptor_offset, headers.front.descriptor_size);
    let descriptor = if at == 0 || sectors == 0 {
        Descriptor::default()
    } else {
        // What does not fit into 64 bits is past the end of every file.
        descriptor::read(storage.as_ref(), at.saturating_mul(SECTOR), sectors.saturating_mul(SECTOR))?
    };
    // A header without a disk of its own only holds a descriptor.
    if headers.valid.capacity == 0 && !descriptor.extents.is_empty() {
        return described(&storage, descriptor, neighbours);
    }
    single(storage, descriptor)
}

/// A disk that is one sparse extent, with the descriptor inside of it or none at all.
fn single(storage: Arc<dyn Storage>, descriptor: Descriptor) -> Result<Layer, LayoutError> {
    let mut sparse = Sparse::open(Arc::clone(&storage), 0, false)?;
    if let [line] = descriptor.extents.as_slice()
        && let Some(len) = line.sectors.checked_mul(SECTOR)
    {
        // A line that says something else altogether is left to a check: other programs go by the header.
        let _ = trim(&mut sparse, len);
    }
    let parent = parent(storage.as_ref(), &descriptor)?;
    let extents = [Extent { start: 0, len: sparse.geometry.size, backing: Backing::Sparse(Box::new(sparse)) }];
    let extents = extents.into_iter().filter(|extent| extent.len > 0).collect();
    Ok(Layer { layout: Arc::new(Vmdk::new(storage.clone(), vec![storage], extents, descriptor)), parent })
}

/// Some programs make the capacity in the header up to whole grains: the disk is what the descriptor says then. Returns
/// whether the two agree.
fn trim(sparse: &mut Sparse, len: u64) -> bool {
    let size = sparse.geometry.size;
    let agrees = len > 0 && len <= size && size - len < sparse.geometry.grain;
    if agrees {
        sparse.geometry.size = len;
    }
    agrees
}

/// A disk whose extents a descriptor in `storage` names.
fn described(
    storage: &Arc<dyn Storage>,
    descriptor: Descriptor,
    neighbours: &dyn Neighbours,
) -> Result<Layer, LayoutError> {
    if descriptor.extents.is_empty() {
        return Err(Damage::new(storage.as_ref(), 0, "descriptor", "it names no extents").into());
    }
    let parent = parent(storage.as_ref(), &descriptor)?;
    let mut files = Files { neighbours, storages: Vec::new(), by_name: HashMap::new() };
    let mut extents = Vec::new();
    let mut start = 0_u64;
    for line in descriptor.extents.iter().filter(|line| line.sectors > 0) {
        let damage = |problem: String| LayoutError::from(Damage::new(storage.as_ref(), line.at, "extent", problem));
        let len = line.sectors.checked_mul(SECTOR).filter(|len| start.checked_add(*len).is_some());
        let len = len.ok_or_else(|| damage(format!("{} sectors are too many", line.sectors)))?;
        let backing = files.backing(line, len, &damage)?;
        extents.push(Extent { start, len, backing });
        start += len;
    }
    let layout = Vmdk::new(Arc::clone(storage), files.storages, extents, descriptor);
    Ok(Layer { layout: Arc::new(layout), parent })
}

/// The files of a disk, each opened once.
struct Files<'n> {
    neighbours: &'n dyn Neighbours,
    storages: Vec<Arc<dyn Storage>>,
    by_name: HashMap<String, usize>,
}

impl Files<'_> {
    fn open(&mut self, name: &str) -> Result<(usize, Arc<dyn Storage>), LayoutError> {
        if let Some(index) = self.by_name.get(name)
            && let Some(storage) = self.storages.get(*index)
        {
            return Ok((*index, Arc::clone(storage)));
        }
        let storage = self.neighbours.open(name)?.storage;
        let index = self.storages.len();
        self.by_name.insert(name.to_owned(), index);
        self.storages.push(Arc::clone(&storage));
        Ok((index, storage))
    }

    /// What is behind a line of the descriptor, `len` bytes long.
    fn backing(
        &mut self,
        line: &ExtentLine,
        len: u64,
        damage: &impl Fn(String) -> LayoutError,
    ) -> Result<Backing, LayoutError> {
        if line.kind == ExtentKind::Zero {
            return Ok(Backing::Zero);
        }
        let (index, storage) = self.open(&line.name)?;
        if line.kind == ExtentKind::Sparse {
            let mut sparse = Sparse::open(storage, index, true)?;
            let size = sparse.geometry.size;
            return if trim(&mut sparse, len) {
                Ok(Backing::Sparse(Box::new(sparse)))
            } else {
                Err(damage(format!("it has {len} bytes here, and {size} by the header of {}", line.name)))
            };
        }
        let offset = line.offset.checked_mul(SECTOR);
        match offset.filter(|offset| offset.checked_add(len).is_some_and(|end| end <= storage.size())) {
            Some(offset) => Ok(Backing::Flat { storage: index, offset }),
            None => Err(damage(format!(
                "its {} sectors from sector {} on end past the end of {} ({} bytes)",
                line.sectors,
                line.offset,
                line.name,
                storage.size()
            ))),
        }
    }
}

/// The image below, if there is one.
fn parent(storage: &dyn Storage, descriptor: &Descriptor) -> Result<Option<Parent>, LayoutError> {
    let Some(cid) = descriptor.parent_cid else { return Ok(None) };
    let hint = descriptor.parent_hint.as_ref();
    let hint = hint.ok_or_else(|| {
        Damage::new(storage, 0, "parentFileNameHint", "it is not there, and parentCID says that there is a parent")
    })?;
    let mut names = vec![hint.clone()];
    // The path is one of the host where the image was made; the file is beside its child as a rule.
    if let Some((_, name)) = hint.rsplit_once(['/', '\\']) {
        names.push(name.to_owned());
    }
    Ok(Some(Parent { names, format: Some(Format::Vmdk), stamp: Some(Stamp::ContentId(cid)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_may_be_written_in_many_ways() {
        for text in [
            "# Disk DescriptorFile",
            "#disk Descriptor File\n",
            "\n\r\n  # DISK DESCRIPTORFILE",
            "\u{feff}# Disk DescriptorFile",
            "KDMV",
            "COWD",
        ] {
            assert!(is_magic(text.as_bytes()), "{text:?}");
        }
        assert!(is_magic(b"\xbe\xba\xfe\xca\0\0\0\0"));
        for text in ["", "#", "# Disk Descripto", "version=1", "KDM", "\u{feff}"] {
            assert!(!is_magic(text.as_bytes()), "{text:?}");
        }
    }
}
