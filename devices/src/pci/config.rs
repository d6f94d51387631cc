//! A function's configuration space (PCI Local Bus 3.0, 6.1): a row of bytes, and a mask that says which bits a guest may
//! change.

use super::spec::{self, Identity};

/// Bytes of a conventional configuration space; above them nothing is.
pub const LEN: usize = 256;

/// The configuration space of one function.
#[derive(Debug, Clone)]
pub struct ConfigSpace {
    bytes: [u8; LEN],
    writable: [u8; LEN],
    /// Where the next capability goes.
    next: u16,
    /// Where the offset of the next capability is to be noted.
    link: u16,
}

impl ConfigSpace {
    /// A header of type 0 without memory and capabilities.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        let mut space = Self { bytes: [0; LEN], writable: [0; LEN], next: spec::HEADER_LEN, link: spec::CAPABILITIES };
        let [base, sub, interface] = identity.class;
        space.set(0x00, &identity.vendor.to_le_bytes());
        space.set(0x02, &identity.device.to_le_bytes());
        space.set(0x08, &[identity.revision, interface, sub, base]);
        space.set(0x2c, &identity.subsystem_vendor.to_le_bytes());
        space.set(0x2e, &identity.subsystem.to_le_bytes());
        space.allow(spec::COMMAND, &spec::COMMAND_WRITABLE.to_le_bytes());
        space.allow(spec::CACHE_LINE_SIZE, &[0xff]);
        space.allow(spec::INTERRUPT_LINE, &[0xff]);
        space
    }

    /// Gives the function `len` bytes of memory, a power of two from 16 on, at `address`, below 4 GiB (6.2.5.1).
    pub fn set_memory(&mut self, address: u32, len: u32) {
        self.set(spec::BAR0, &address.to_le_bytes());
        self.allow(spec::BAR0, &(!(len - 1)).to_le_bytes());
        // Somebody has to say that it may be used, and there is no firmware.
        self.set(spec::COMMAND, &(1u16 << 1).to_le_bytes());
    }

    /// Adds a capability: its number, then `body`, of which the bits in `writable` can be changed. Returns its offset, or
    /// nothing if there is no room, which only a mistake in the code can cause.
    pub fn add_capability(&mut self, number: u8, body: &[u8], writable: &[u8]) -> Option<u16> {
        let offset = self.next;
        let end = offset.checked_add(2)?.checked_add(u16::try_from(body.len()).ok()?)?;
        if usize::from(end) > LEN {
            return None;
        }
        self.set(offset, &[number, 0]);
        self.set(offset + 2, body);
        self.allow(offset + 2, writable);
        self.set(self.link, &[u8::try_from(offset).ok()?]);
        self.set(spec::STATUS, &spec::STATUS_CAPABILITIES.to_le_bytes());
        self.link = offset + 1;
        self.next = end.next_multiple_of(4);
        Some(offset)
    }

    /// Fills `data` from `offset` on.
    pub fn read(&self, offset: u16, data: &mut [u8]) {
        let rest = self.bytes.get(usize::from(offset)..).unwrap_or_default();
        data.iter_mut().zip(rest.iter().copied().chain(std::iter::repeat(0))).for_each(|(to, from)| *to = from);
    }

    /// Changes what may be changed.
    pub fn write(&mut self, offset: u16, data: &[u8]) {
        let places = self.bytes.iter_mut().zip(&self.writable).skip(usize::from(offset));
        for ((byte, mask), new) in places.zip(data) {
            *byte = *byte & !mask | new & mask;
        }
    }

    /// The two bytes at `offset`.
    #[must_use]
    pub fn u16_at(&self, offset: u16) -> u16 {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes);
        u16::from_le_bytes(bytes)
    }

    /// The four bytes at `offset`.
    #[must_use]
    pub fn u32_at(&self, offset: u16) -> u32 {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn set(&mut self, offset: u16, data: &[u8]) {
        self.bytes.iter_mut().skip(usize::from(offset)).zip(data).for_each(|(byte, new)| *byte = *new);
    }

    fn allow(&mut self, offset: u16, mask: &[u8]) {
        self.writable.iter_mut().skip(usize::from(offset)).zip(mask).for_each(|(byte, new)| *byte = *new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_measured_and_capabilities_are_a_list() {
        let mut space = ConfigSpace::new(&spec::HOST_BRIDGE);
        assert_eq!(space.u16_at(spec::STATUS), 0, "no capabilities yet");
        space.set_memory(0xd100_0000, 0x8000);
        space.write(spec::BAR0, &[0xff; 4]);
        assert_eq!(space.u32_at(spec::BAR0), 0xffff_8000);
        space.write(spec::BAR0, &0xd100_0000u32.to_le_bytes());
        assert_eq!(space.u32_at(spec::BAR0), 0xd100_0000);

        let first = space.add_capability(9, &[1, 2, 3], &[0, 0xf0, 0]).unwrap();
        let second = space.add_capability(0x11, &[0; 10], &[]).unwrap();
        assert_eq!((first, second), (0x40, 0x48));
        let mut bytes = [0; 1];
        space.read(spec::CAPABILITIES, &mut bytes);
        assert_eq!(bytes, [0x40]);
        assert_eq!(space.u32_at(first), 0x0201_4809, "number, next, body");
        space.write(first, &[0xff; 4]);
        assert_eq!(space.u32_at(first), 0xf201_4809, "only what may be changed");
        assert_eq!(space.u16_at(spec::STATUS), spec::STATUS_CAPABILITIES);
        assert_eq!(space.add_capability(9, &[0; 200], &[]), None);
    }
}
