//! The units in which a disk likes to be used.

/// The largest optimal size that a guest is told, in bytes. Linux reads ahead twice as much as that.
const MAX_OPTIMAL: u64 = 1 << 20;

/// The units in which a disk likes to be used, in bytes. All are powers of two, or 0 where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// The smallest unit that can be read or written.
    pub logical: u32,
    /// The smallest unit that is written without reading first.
    pub physical: u32,
    /// What a transfer is best a multiple of; 0 if that is not known.
    pub optimal: u32,
    /// The unit in which space is given back. A discard of less is of no use.
    pub discard: u32,
}

impl Topology {
    /// Space is given back in file system blocks, in bytes, where nothing else is known.
    const FILE_SYSTEM_BLOCK: u32 = 4096;

    /// A medium that has one unit of `logical` bytes, and nothing more to say.
    #[must_use]
    pub fn uniform(logical: u32) -> Self {
        Self { logical, physical: logical, optimal: 0, discard: Self::FILE_SYSTEM_BLOCK.max(logical) }
    }

    /// The same, best used in units of `optimal` bytes, if that is a size that a guest can make use of.
    #[must_use]
    pub fn with_optimal(mut self, optimal: u64) -> Self {
        if optimal.is_power_of_two()
            && (u64::from(self.physical)..=MAX_OPTIMAL).contains(&optimal)
            && let Ok(optimal) = u32::try_from(optimal)
        {
            self.optimal = optimal;
        }
        self
    }

    /// The same for an image on this medium that allocates blocks of `block` bytes.
    #[must_use]
    pub fn with_blocks(mut self, block: u64) -> Self {
        if block.is_power_of_two()
            && let Ok(block) = u32::try_from(block)
        {
            self.discard = self.discard.max(block);
        }
        self.with_optimal(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_a_guest_can_use_become_the_optimal_size() {
        let medium = Topology::uniform(512);
        assert_eq!(medium, Topology { logical: 512, physical: 512, optimal: 0, discard: 4096 });
        for (block, optimal, discard) in [
            (64 << 10, 64 << 10, 64 << 10),
            (512, 512, 4096),
            (1 << 20, 1 << 20, 1 << 20),
            (2 << 20, 0, 2 << 20),
            (32 << 20, 0, 32 << 20),
            (3 * 512, 0, 4096),
            (0, 0, 4096),
            (1 << 40, 0, 4096),
            (u64::MAX, 0, 4096),
        ] {
            assert_eq!(medium.with_blocks(block), Topology { optimal, discard, ..medium }, "{block}");
        }
        let large = Topology::uniform(4096);
        assert_eq!(large.with_blocks(512), large, "a block that is smaller than the medium's is none");
    }
}
