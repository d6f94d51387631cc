//! Writing packages: from disks, or a kernel and disks, to an OVA or to a descriptor with its files beside it (DSP0243 1.1).
//!
//! ```text
//! Recipe, Output --pack--> Packed
//! ```
//!
//! * [`recipe`]: what the package shall be. Plain data, and the images that go into it.
//! * [`os`]: the operating systems that a package can be marked with.
//! * [`descriptor`] and [`hardware`]: a recipe as XML ([`xml`]).
//! * [`output`]: where the package's files come to lie: one after the other in a tar ([`tar`]), or in a folder.
//! * [`member`]: a file of the package while it is written, and its digest.
//! * [`manifest`]: the digests of all files.
//!
//! A package begins with what is known last: the descriptor says how large the files are, the manifest what is in them. So
//! room is kept for both, as much as the largest numbers need, the files are written behind it, each once, and then the
//! front. A descriptor that needs less is made up with blanks behind its last element, where XML allows them.

mod descriptor;
mod error;
mod hardware;
mod manifest;
mod member;
pub mod os;
mod output;
pub mod recipe;
mod tar;
#[cfg(test)]
mod tests;
mod xml;

use std::io;
use std::num::NonZero;
use std::sync::Arc;

use ovum_disk::storage::{Storage, read_bytes};
use ovum_disk::write::{self, Target};
use ovum_disk::{Disk, Image, LayoutError, OpenError, copy};

use descriptor::Names;
pub use error::PackError;
use member::{Finished, Member};
pub use output::Output;
use output::Slot;
pub use recipe::{NewKernel, NewProperty, NewSigner, Recipe};

use crate::package::MAX_DESCRIPTOR;

/// How much of a file is copied at a time, in bytes.
const PIECE: usize = 1 << 20;
/// Room for what one signature may be longer than another one of the same key, in bytes of text.
const SIGNATURES_DIFFER: usize = 64;

/// How the work is done.
pub struct Work<'w> {
    /// How many threads read and compress.
    pub threads: NonZero<usize>,
    /// Is told, after each piece, how many bytes of [`Recipe::total`] are done.
    pub progress: &'w mut dyn FnMut(u64),
}

/// A package that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// All its files, in their order.
    pub files: Vec<PackedFile>,
    /// Bytes of all of them together, and of what is around them.
    pub size: u64,
}

/// A file of a package that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Makes the package that `recipe` describes. It has its name only when it is whole; after an error nothing is left of it.
///
/// # Errors
/// [`PackError`] when the recipe asks for what cannot be, and when something could not be read or written.
pub fn pack(recipe: &Recipe, mut output: Output, work: &mut Work<'_>) -> Result<Packed, PackError> {
    recipe.check()?;
    let names = output.names().clone();
    let front = Front::reserve(recipe, &names, &mut output)?;
    let mut done = 0;
    let mut files = Vec::new();
    for (image, name) in recipe.disks.iter().zip(&names.disks) {
        files.push(add(&mut output, name, |member| pack_disk(image, member, work, done))?);
        done += image.size();
    }
    for (source, name) in recipe.plain_files().zip(names.plain_files()) {
        files.push(add(&mut output, name, |member| copy_file(source.as_ref(), member))?);
        done += source.size();
        (work.progress)(done);
    }
    let mut all = front.fill(recipe, &names, &files)?;
    all.extend(files.into_iter().map(|file| PackedFile { name: file.name, size: file.size }));
    let size = output.finish()?;
    Ok(Packed { files: all, size })
}

/// What stands in front of a package's files, and is known last.
struct Front {
    descriptor: Room,
    manifest: Room,
    signature: Option<Room>,
}

/// A file that was given a place and a length, and will be written later.
struct Room {
    slot: Slot,
    len: usize,
}

impl Room {
    fn reserve(output: &mut Output, name: &str, len: usize) -> Result<Self, PackError> {
        let slot = output.open(name)?;
        output.close(&slot, len as u64)?;
        Ok(Self { slot, len })
    }

    /// Writes it; what is left of the room becomes blanks and a line's end.
    fn fill(&self, mut bytes: Vec<u8>) -> Result<Finished, PackError> {
        let missing = self.len.checked_sub(bytes.len());
        let missing = missing
            .ok_or_else(|| PackError::write(self.slot.storage().as_ref(), io::ErrorKind::FileTooLarge.into()))?;
        bytes.extend(std::iter::repeat_n(b' ', missing.saturating_sub(1)));
        bytes.extend((missing > 0).then_some(b'\n'));
        let member = Member::new(&self.slot);
        member.append(&bytes).map_err(|error| PackError::write(self.slot.storage().as_ref(), error))?;
        Ok(member.finish())
    }
}

impl Front {
    fn reserve(recipe: &Recipe, names: &Names, output: &mut Output) -> Result<Self, PackError> {
        let sizes = vec![u64::MAX; recipe.disks.len() + recipe.plain_files().count()];
        let longest = descriptor::write(recipe, names, &sizes);
        if longest.len() as u64 > MAX_DESCRIPTOR {
            let cause = format!("a descriptor of {} bytes is more than anybody reads", longest.len());
            return Err(PackError::recipe(cause, "give shorter texts, or fewer"));
        }
        let unknown = |name: &String| Finished { name: name.clone(), size: 0, digest: [0; 32] };
        let files: Vec<Finished> = std::iter::once(&names.descriptor).chain(names.files()).map(unknown).collect();
        let manifest = manifest::write(&files);
        // Before anything long begins, a key that cannot sign is found.
        let signature = recipe.signer.as_ref().map(|signer| signer.sign(&names.manifest, &manifest)).transpose()?;
        let descriptor = Room::reserve(output, &names.descriptor, longest.len())?;
        let manifest = Room::reserve(output, &names.manifest, manifest.len())?;
        let room = |signature: Vec<u8>| Room::reserve(output, &names.signature, signature.len() + SIGNATURES_DIFFER);
        Ok(Self { descriptor, manifest, signature: signature.map(room).transpose()? })
    }

    /// Writes it all, now that `files` are known; returns what it consists of.
    fn fill(&self, recipe: &Recipe, names: &Names, files: &[Finished]) -> Result<Vec<PackedFile>, PackError> {
        let sizes: Vec<u64> = files.iter().map(|file| file.size).collect();
        let descriptor = self.descriptor.fill(descriptor::write(recipe, names, &sizes).into_bytes())?;
        let mut listed = vec![descriptor];
        listed.extend(files.iter().cloned());
        let text = manifest::write(&listed);
        let signature = recipe.signer.as_ref().map(|signer| signer.sign(&names.manifest, &text)).transpose()?;
        let manifest = self.manifest.fill(text)?;
        let mut all: Vec<Finished> = listed.into_iter().take(1).chain([manifest]).collect();
        if let Some((room, signature)) = self.signature.as_ref().zip(signature) {
            all.push(room.fill(signature)?);
        }
        Ok(all.into_iter().map(|file| PackedFile { name: file.name, size: file.size }).collect())
    }
}

/// Adds a file that `write` writes.
fn add(
    output: &mut Output,
    name: &str,
    write: impl FnOnce(&Arc<Member>) -> Result<(), PackError>,
) -> Result<Finished, PackError> {
    let slot = output.open(name)?;
    let member = Arc::new(Member::new(&slot));
    write(&member)?;
    let finished = member.finish();
    output.close(&slot, finished.size)?;
    Ok(finished)
}

/// Writes a disk as streamOptimized VMDK. `before` bytes of the recipe are done already.
fn pack_disk(image: &Image, member: &Arc<Member>, work: &mut Work<'_>, before: u64) -> Result<(), PackError> {
    let storage: Arc<dyn Storage> = Arc::<Member>::clone(member);
    // A number that tells the image from others, and is the same each time that it is made.
    let seed = crc32fast::hash(member.name().as_bytes());
    let cannot = |error| match error {
        LayoutError::Io(error) => PackError::write(member.below(), error),
        error => PackError::Disk(OpenError::from_layout(image_name(image).as_ref(), error)),
    };
    let mut writer = write::create(Target::VmdkStream, storage, image.size(), seed).map_err(cannot)?;
    let progress = &mut |done| (work.progress)(before + done);
    copy::copy(image, writer.as_mut(), work.threads, progress).map_err(|error| match error {
        copy::CopyError::Read(error) => PackError::Read { what: image_name(image), error },
        copy::CopyError::Write(error) => PackError::write(member.below(), error),
    })
}

/// What an image is called in messages.
fn image_name(image: &Image) -> String {
    image.layout().storages().first().map_or_else(|| "the disk".into(), |storage| storage.name())
}

/// Copies a file as it is.
fn copy_file(source: &dyn Storage, member: &Arc<Member>) -> Result<(), PackError> {
    let mut bytes = Vec::new();
    let mut offset = 0;
    while offset < source.size() {
        let len = usize::try_from(source.size() - offset).unwrap_or(PIECE).min(PIECE);
        bytes.resize(len, 0);
        let failed = |error| PackError::Read { what: source.name(), error };
        read_bytes(source, offset, &mut bytes).map_err(failed)?;
        member.append(&bytes).map_err(|error| PackError::write(member.below(), error))?;
        offset += len as u64;
    }
    Ok(())
}
