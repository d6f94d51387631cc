//! What an L2 entry says of its cluster.

use super::header::Header;
use super::spec;

/// A cluster of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// Nothing is there.
    Absent,
    /// It reads as zeroes; a place in the file may be kept for it.
    Zero(Option<u64>),
    /// It is there in the file.
    Stored(u64),
    /// It is there in the file, compressed, with at most so many bytes.
    Packed(u64, u32),
    /// Each of its 32 parts is in one of three states.
    Parts(Parts),
}

/// A cluster with subclusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Where the first one is, or would be, in the file.
    offset: u64,
    allocated: u32,
    zero: u32,
}

impl Cluster {
    /// Decodes an entry. `bitmap` is the second half of an extended one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(header: &Header, entry: u64, bitmap: u64) -> Result<Self, &'static str> {
        if entry & spec::COMPRESSED != 0 {
            return Ok(Self::packed(header, entry));
        }
        let offset = entry & spec::OFFSET;
        if !offset.is_multiple_of(header.cluster()) {
            return Err("it is not on a cluster of the file");
        }
        let place = (offset != 0).then_some(offset);
        let zero = entry & spec::ZERO != 0;
        if header.is_extended() {
            return Self::parts(place, bitmap);
        }
        match (place, zero) {
            (_, true) if header.version < 3 => Err("a cluster of zeroes is not of version 2"),
            (place, true) => Ok(Self::Zero(place)),
            (Some(place), false) => Ok(Self::Stored(place)),
            (None, false) => Ok(Self::Absent),
        }
    }

    fn packed(header: &Header, entry: u64) -> Self {
        // "Compressed clusters descriptor": x is from 49 to 61.
        let x = 62 - (header.cluster_bits - 8);
        let descriptor = entry & (spec::COMPRESSED - 1);
        let offset = descriptor & ((1 << x) - 1);
        let sectors = (descriptor >> x) + 1;
        let len = sectors * spec::PACKED_SECTOR - offset % spec::PACKED_SECTOR;
        // At most twice a cluster.
        Self::Packed(offset, u32::try_from(len).unwrap_or(u32::MAX))
    }

    fn parts(place: Option<u64>, bitmap: u64) -> Result<Self, &'static str> {
        let [allocated, zero] = [bitmap & u64::from(u32::MAX), bitmap >> 32].map(|half| half.try_into().unwrap_or(0));
        if allocated & zero != 0 {
            return Err("a subcluster is both stored and zero");
        }
        match (place, allocated, zero) {
            (None, 0, 0) => Ok(Self::Absent),
            (_, 0, u32::MAX) => Ok(Self::Zero(place)),
            (Some(place), u32::MAX, _) => Ok(Self::Stored(place)),
            (None, 1.., _) => Err("subclusters are stored nowhere"),
            (place, allocated, zero) => Ok(Self::Parts(Parts { offset: place.unwrap_or(0), allocated, zero })),
        }
    }

    /// Where in the file it takes up a whole cluster.
    pub fn place(self) -> Option<u64> {
        match self {
            Self::Stored(place) | Self::Zero(Some(place)) => Some(place),
            Self::Parts(parts) if parts.offset != 0 => Some(parts.offset),
            Self::Absent | Self::Zero(None) | Self::Packed(..) | Self::Parts(_) => None,
        }
    }
}

impl Parts {
    /// What subcluster `index` is, as if it were a cluster, and how many from there on are in the same state.
    pub fn at(self, index: u32, subcluster: u64) -> (Cluster, u32) {
        let same = |bits: u32| (bits >> index).trailing_ones();
        let place = self.offset + u64::from(index) * subcluster;
        match (same(self.allocated), same(self.zero)) {
            (0, 0) => {
                let absent = !(self.allocated | self.zero);
                (Cluster::Absent, same(absent))
            }
            (0, zero) => (Cluster::Zero(None), zero),
            (stored, _) => (Cluster::Stored(place), stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_subclusters_end_where_their_state_does() {
        let Ok(Cluster::Parts(parts)) = Cluster::parts(Some(0x10000), 0x0000_0300_8000_000f) else { panic!() };
        assert_eq!(parts.at(1, 2048), (Cluster::Stored(0x10000 + 2048), 3));
        assert_eq!(parts.at(4, 2048), (Cluster::Absent, 4));
        assert_eq!(parts.at(9, 2048), (Cluster::Zero(None), 1));
        assert_eq!(parts.at(10, 2048), (Cluster::Absent, 21));
        assert_eq!(parts.at(31, 2048), (Cluster::Stored(0x10000 + 31 * 2048), 1));
        assert!(Cluster::parts(Some(0x10000), 0x1_0000_0001).is_err());
        assert!(Cluster::parts(None, 1).is_err());
    }
}
