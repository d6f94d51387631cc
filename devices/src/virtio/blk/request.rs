//! From a descriptor chain to a block request: the guest's bytes become an enum here and nowhere else.

use std::ops::Range;

use ovum_disk::engine::address_of;
use virtio_queue::DescriptorChain;
use vm_memory::{Bytes, GuestAddress};

use crate::Memory;
use crate::virtio::chain::{Buffers, ChainBuffers};
use crate::virtio::device::NeedsReset;

use super::{QUEUE_SIZE, spec};

/// The most data segments of a request: what a queue's worth of descriptors leaves beside header and status.
pub const MAX_DATA_SEGMENTS: u16 = QUEUE_SIZE - 2;
/// The most bytes of a data segment. FreeBSD refuses a device that takes less than this, its largest transfer.
pub const MAX_SEGMENT: u32 = 1 << 20;
/// The most bytes that a driver which keeps to both limits can ask for at once (254 MiB); more is refused.
pub const MAX_DATA: u64 = MAX_DATA_SEGMENTS as u64 * MAX_SEGMENT as u64;
/// The most segments of a discard request.
pub const MAX_DISCARD_SEGMENTS: u16 = 16;
/// The most sectors of a discard segment (2 GiB).
pub const MAX_DISCARD_SECTORS: u32 = 1 << 22;
/// The most segments of a write-zeroes request.
pub const MAX_WRITE_ZEROES_SEGMENTS: u16 = 1;
/// The most sectors of a write-zeroes segment (16 MiB): it may have to be written by hand, and a reset waits for it.
pub const MAX_WRITE_ZEROES_SECTORS: u32 = 1 << 15;

/// How a request ended; its value is the status byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Ok = spec::S_OK,
    /// Failed, or not allowed.
    IoError = spec::S_IOERR,
    /// Not known to this device.
    Unsupported = spec::S_UNSUPP,
}

/// What the driver asks for. Ranges are in bytes, and on the disk.
#[derive(Debug)]
pub enum Operation<'m> {
    /// Read from the disk.
    Read {
        /// First byte.
        offset: u64,
        /// Where to.
        into: Buffers<'m>,
    },
    /// Write to the disk.
    Write {
        /// First byte.
        offset: u64,
        /// What.
        from: Buffers<'m>,
    },
    /// Bring all writes to stable storage.
    Flush,
    /// Tell the serial number.
    GetId {
        /// Where to.
        into: Buffers<'m>,
    },
    /// The bytes are of no use any more.
    Discard(Vec<Range<u64>>),
    /// The bytes shall read as zero; the flag allows to deallocate them.
    WriteZeroes(Vec<(Range<u64>, bool)>),
}

impl Operation<'_> {
    /// What it is called in a log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Flush => "flush",
            Self::GetId { .. } => "get-id",
            Self::Discard(_) => "discard",
            Self::WriteZeroes(_) => "write-zeroes",
        }
    }
}

/// A request, and where to answer it.
#[derive(Debug)]
pub struct Request<'m> {
    /// What to do, or what to answer instead.
    pub operation: Result<Operation<'m>, Status>,
    /// Where to answer it.
    pub answer: Answer,
}

/// Where a request is answered, which is known for as long as it takes.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Bytes that the driver left for data, before the status.
    room: u64,
    /// GPA of the status byte.
    status: GuestAddress,
}

/// What a request is measured against.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The disk's size in bytes.
    pub size: u64,
    /// The most descriptors of a chain.
    pub descriptors: u16,
    /// The negotiated features.
    pub features: u64,
}

impl<'m> Request<'m> {
    /// Reads the request in `chain`. Where the pieces of a chain begin and end has no meaning, apart from the status,
    /// which is the last writable byte (5.2.6, 2.7.4).
    ///
    /// # Errors
    /// [`NeedsReset`] when the chain is broken, or has no room for a header and a status.
    pub fn parse(memory: &'m Memory, chain: DescriptorChain<&'m Memory>, limits: Limits) -> Result<Self, NeedsReset> {
        let ChainBuffers { readable: mut data_out, writable: mut data_in } =
            ChainBuffers::collect(memory, chain, limits.descriptors)?;
        let header: [u8; spec::HEADER_LEN] = data_out.take_front().ok_or(NeedsReset)?;
        let status = data_in.take_last_byte().and_then(|byte| address_of(memory, &byte)).ok_or(NeedsReset)?;
        let answer = Answer { room: data_in.len(), status };
        let [t0, t1, t2, t3, _, _, _, _, sector @ ..] = header;
        let kind = u32::from_le_bytes([t0, t1, t2, t3]);
        let sector = u64::from_le_bytes(sector);
        let operation = match kind {
            spec::T_IN => limits.data(sector, data_in).map(|(offset, into)| Operation::Read { offset, into }),
            spec::T_OUT => limits.data(sector, data_out).map(|(offset, from)| Operation::Write { offset, from }),
            spec::T_FLUSH if limits.has(spec::F_FLUSH) => Ok(Operation::Flush),
            spec::T_GET_ID => Ok(Operation::GetId { into: data_in }),
            spec::T_DISCARD if limits.has(spec::F_DISCARD) => limits.discard(data_out),
            spec::T_WRITE_ZEROES if limits.has(spec::F_WRITE_ZEROES) => limits.write_zeroes(data_out),
            _ => Err(Status::Unsupported),
        };
        Ok(Self { operation, answer })
    }
}

impl Answer {
    /// Answers with `status` and returns how many bytes were written from the first writable one on, of which `filled`
    /// are data (2.7.8.2: a device must not claim more). A status behind a gap of unwritten data does not count.
    ///
    /// # Errors
    /// None that a guest can cause: the byte was checked to be guest memory.
    pub fn complete(&self, memory: &Memory, status: Status, filled: u64) -> Result<u32, NeedsReset> {
        memory.write_obj(status as u8, self.status).map_err(|_| NeedsReset)?;
        let written = if filled == self.room { filled + 1 } else { filled };
        // A chain is shorter than 2^32 bytes (2.7.5.2), or it would not have been collected.
        u32::try_from(written).map_err(|_| NeedsReset)
    }
}

impl Limits {
    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    /// The bytes of `sectors` from `sector` on, if they are on the disk.
    fn range(&self, sector: u64, sectors: u64) -> Result<Range<u64>, Status> {
        let end = sector.checked_add(sectors).and_then(|end| end.checked_mul(spec::SECTOR)).ok_or(Status::IoError)?;
        if end > self.size {
            return Err(Status::IoError);
        }
        Ok(sector * spec::SECTOR..end)
    }

    /// Data of whole sectors, at a place on the disk.
    fn data<'m>(&self, sector: u64, data: Buffers<'m>) -> Result<(u64, Buffers<'m>), Status> {
        if data.len() > MAX_DATA || !data.len().is_multiple_of(spec::SECTOR) {
            return Err(Status::IoError);
        }
        let range = self.range(sector, data.len() / spec::SECTOR)?;
        Ok((range.start, data))
    }

    fn discard<'m>(&self, data: Buffers<'m>) -> Result<Operation<'m>, Status> {
        let segments = self.segments(data, MAX_DISCARD_SEGMENTS, MAX_DISCARD_SECTORS)?;
        // 5.2.6.2: no flag means anything for a discard.
        if segments.iter().any(|(_, flags)| *flags != 0) {
            return Err(Status::Unsupported);
        }
        Ok(Operation::Discard(segments.into_iter().map(|(range, _)| range).collect()))
    }

    fn write_zeroes<'m>(&self, data: Buffers<'m>) -> Result<Operation<'m>, Status> {
        let segments = self.segments(data, MAX_WRITE_ZEROES_SEGMENTS, MAX_WRITE_ZEROES_SECTORS)?;
        if segments.iter().any(|(_, flags)| flags & !spec::SEGMENT_UNMAP != 0) {
            return Err(Status::Unsupported);
        }
        let ranges = segments.into_iter().map(|(range, flags)| (range, flags & spec::SEGMENT_UNMAP != 0));
        Ok(Operation::WriteZeroes(ranges.collect()))
    }

    /// The ranges, with their flags, of a discard or write-zeroes request (5.2.6).
    fn segments(&self, mut data: Buffers<'_>, most: u16, most_sectors: u32) -> Result<Vec<(Range<u64>, u32)>, Status> {
        let unit = spec::SEGMENT_LEN as u64;
        if data.is_empty() || !data.len().is_multiple_of(unit) || data.len() / unit > u64::from(most) {
            return Err(Status::IoError);
        }
        let mut segments = Vec::new();
        while let Some(bytes) = data.take_front::<{ spec::SEGMENT_LEN }>() {
            let [s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, flags @ ..] = bytes;
            let sectors = u32::from_le_bytes([n0, n1, n2, n3]);
            if sectors > most_sectors {
                return Err(Status::IoError);
            }
            let sector = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
            segments.push((self.range(sector, sectors.into())?, u32::from_le_bytes(flags)));
        }
        Ok(segments)
    }
}
