//! Carries out a block request.

use std::io;

use ovum_disk::Disk;

use crate::virtio::chain::{Buffers, Slice};
use crate::virtio::device::Stop;

use super::request::Operation;
use super::spec;

/// How much data is moved between two looks at the stop, in bytes.
const PIECE: usize = 4 << 20;

/// Does `operation` on `disk` and returns how many bytes of its buffers were filled.
///
/// With `write_through`, each change is on stable storage before this returns: so a disk behaves to a driver that did
/// not accept the flush request (5.2.6.2).
///
/// # Errors
/// As the disk says, a change of a read-only disk among others; or a long operation was cut off by `stop`.
pub fn execute(
    operation: &Operation<'_>,
    disk: &dyn Disk,
    serial: &[u8; spec::ID_LEN],
    write_through: bool,
    stop: &Stop,
) -> io::Result<u64> {
    match operation {
        Operation::Read { offset, into } => {
            in_pieces(*offset, into, stop, |offset, piece| disk.read_at(offset, piece))?;
            return Ok(into.len());
        }
        Operation::GetId { into } => return Ok(into.write(serial) as u64),
        Operation::Flush => disk.flush()?,
        Operation::Write { offset, from } => {
            in_pieces(*offset, from, stop, |offset, piece| disk.write_at(offset, piece))?;
        }
        Operation::Discard(ranges) => {
            for range in ranges {
                go_on(stop)?;
                disk.discard(range.clone())?;
            }
        }
        Operation::WriteZeroes(ranges) => {
            for (range, may_unmap) in ranges {
                go_on(stop)?;
                disk.write_zeroes(range.clone(), *may_unmap)?;
            }
        }
    }
    if write_through {
        disk.flush()?;
    }
    Ok(0)
}

/// An error once a stop is asked for.
fn go_on(stop: &Stop) -> io::Result<()> {
    if stop.is_requested() { Err(io::Error::other("the device was stopped")) } else { Ok(()) }
}

/// Moves `data` by `transfer`, which takes an offset on the disk and buffers of [`PIECE`] bytes at most. Nearly every
/// request is one piece.
fn in_pieces(
    mut offset: u64,
    data: &Buffers<'_>,
    stop: &Stop,
    mut transfer: impl FnMut(u64, &[Slice<'_>]) -> io::Result<()>,
) -> io::Result<()> {
    if data.len() <= PIECE as u64 {
        return transfer(offset, data.as_slices());
    }
    let mut piece = Vec::new();
    let mut room = PIECE;
    for slice in data.as_slices() {
        let mut rest = *slice;
        while !rest.is_empty() {
            // Fails only past the end.
            let (front, back) = rest.split_at(rest.len().min(room)).map_err(io::Error::other)?;
            piece.push(front);
            rest = back;
            room -= front.len();
            if room == 0 {
                go_on(stop)?;
                transfer(offset, &piece)?;
                offset += PIECE as u64;
                room = PIECE;
                piece.clear();
            }
        }
    }
    go_on(stop)?;
    transfer(offset, &piece)
}
