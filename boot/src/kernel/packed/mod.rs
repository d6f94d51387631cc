//! The kernel inside of a bzImage, unpacked on this side instead of by the guest.
//!
//! What a bzImage unpacks is an ELF kernel with a table of relocations behind it. Here it goes piece by piece to its place
//! in guest memory; then the table is applied with the slide that the caller chose, as the kernel's own unpacker would have
//! done with one of its choice (Linux, arch/x86/boot/compressed). The kernel is then entered past its unpacker.
//!
//! Whatever does not look as expected is an error, after which the caller can still load the bzImage as it is: all that may
//! have been written lies in the range that the bzImage's unpacker writes itself.

pub(super) mod cache;
mod codec;
mod lz4;
mod place;
mod relocations;
#[cfg(test)]
mod tests;

use std::io::BufRead;
use std::ops::Range;

use cache::{Draft, Slot, Stored};
use vm_memory::GuestAddress;

use super::bzimage::{BzImage, SETUP_HEADER};
use super::error::KernelProblem;
use super::{Entry, LoadedKernel, Source};
use crate::memory::Memory;
use place::{Placed, Placer};

/// Where the kernel's virtual addresses begin, and how many bytes of them it may use (Linux, arch/x86, kernels that can
/// move: `__START_KERNEL_map` and `KERNEL_IMAGE_SIZE`).
const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
const KERNEL_MAP_SIZE: u64 = 1 << 30;
/// `loadflags`, offset 0x211: the kernel was moved by chance, and may move its other regions as well (boot.rst, "KASLR").
const LOADFLAGS: usize = 0x211 - SETUP_HEADER;
const KASLR_FLAG: u8 = 1 << 1;

/// Unpacks the kernel to where it was linked for. `chance` is a random number that decides how far its virtual addresses
/// are moved; without one they stay as they were linked.
pub(super) fn load(
    image: &BzImage,
    source: &mut impl Source,
    memory: &Memory,
    lowest: u64,
    chance: Option<u64>,
    slot: Option<Slot>,
) -> Result<LoadedKernel, KernelProblem> {
    let place = image.place(lowest).filter(|place| place.start == image.pref_address);
    let place = place.ok_or_else(|| unsuited("it is not loaded where it was linked for"))?;
    super::check_place(memory, lowest, place.start, place.end, || "the kernel".to_owned())?;
    let room = place.start..place.end;
    let placed = match slot.as_ref().and_then(Slot::open) {
        Some(stored) => {
            from_cache(&stored, memory, &room).inspect_err(|_| slot.as_ref().map(Slot::remove).unwrap_or_default())?
        }
        None => {
            let mut draft = slot.and_then(Slot::store);
            let placed = put_in_place(&mut codec::open(image.payload(source)?)?, memory, &room, draft.as_mut())?;
            // A cache that cannot be written to only costs the next boot.
            let _ = draft.map(Draft::keep);
            placed
        }
    };
    let room = room.end - room.start;

    let mut setup_header = image.setup_header(place.start);
    if let (Some(chance), false) = (chance, placed.table.is_empty()) {
        let slide = slide(chance, place.start, room, image.alignment);
        relocations::apply(&placed.table, slide, memory, place.start..placed.end)?;
        if let Some(flags) = setup_header.get_mut(LOADFLAGS) {
            *flags |= KASLR_FLAG;
        }
    }
    let entry = Entry::Linux64 { rip: placed.entry, setup_header: Some(setup_header) };
    Ok(LoadedKernel { entry, end: GuestAddress(place.end) })
}

/// Puts a kernel from the cache where it belongs.
fn from_cache(stored: &Stored, memory: &Memory, room: &Range<u64>) -> Result<Placed, KernelProblem> {
    if stored.length() > room.end - room.start {
        return Err(unsuited("its copy in the cache is not of this kernel"));
    }
    let mut placer = Placer::new(memory, room.clone());
    stored.for_each(|offset, piece| {
        placer.skip_to(offset)?;
        placer.take(piece)
    })?;
    placer.skip_to(stored.length())?;
    placer.finish()
}

/// Puts an unpacked kernel where it belongs, and keeps a copy in `draft`.
fn put_in_place(
    unpacked: &mut dyn BufRead,
    memory: &Memory,
    room: &Range<u64>,
    mut draft: Option<&mut Draft>,
) -> Result<Placed, KernelProblem> {
    let mut placer = Placer::new(memory, room.clone());
    let mut left = room.end - room.start;
    loop {
        let piece = unpacked.fill_buf().map_err(|error| unsuited(&format!("it does not unpack: {error}")))?;
        if piece.is_empty() {
            return placer.finish();
        }
        let length = piece.len();
        left = left
            .checked_sub(length as u64)
            .ok_or_else(|| unsuited("it unpacks to more than the memory that its header asks for"))?;
        placer.take(piece)?;
        if let Some(draft) = draft.as_deref_mut() {
            draft.add(piece).map_err(|error| unsuited(&format!("the cache cannot be written: {error}")))?;
        }
        unpacked.consume(length);
    }
}

/// How far to move a kernel that was linked for `start` and uses `room` bytes: any multiple of its alignment with which it
/// stays inside of what is mapped for kernels.
fn slide(chance: u64, start: u64, room: u64, alignment: u64) -> u64 {
    let free = KERNEL_MAP_SIZE.saturating_sub(start).saturating_sub(room);
    let places = free.checked_div(alignment).unwrap_or_default() + 1;
    chance.checked_rem(places).unwrap_or_default() * alignment
}

fn unsuited(reason: &str) -> KernelProblem {
    KernelProblem::Packed(reason.to_owned())
}
