//! Tiny bare-metal guests: each does one thing that a machine must answer to, says what it saw on the serial port, and
//! ends the machine. They run on any `/dev/kvm`, one that emulates instructions in software included, in milliseconds.
//!
//! rustc assembles them with this crate (`src/guest/*.s`), all into one image with an entry for each guest;
//! [`Payload::elf`] wraps it into a kernel file. They start as the 64-bit Linux boot protocol says: long mode, the first
//! 4 GiB mapped one to one, flat segments, interrupts off, `rsi` pointing to the zero page.
//!
//! * `common.s`: serial output, switching off.
//! * `ends.s`: the ways in which a machine ends.
//! * `mmio.s`: register accesses, good and hostile.
//! * `blk.s`: virtio-blk by polling, good and hostile.
//! * `smp.s`: starting the other vCPUs.
//! * `pvh.s`: the 32-bit entry.
//!
//! The crate is empty on hosts that are not x86-64.

#![cfg(target_arch = "x86_64")]

mod image;
pub mod machine;

use ovum_boot::testkernel::{TestBzImage, TestElf, TestSegment};

/// A guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Says `hello from the guest`, and switches off.
    Hello,
    /// Halts with interrupts off, for ever.
    Halt,
    /// Counts up, for ever.
    Spin,
    /// Switches off through ACPI's sleep control register, without a word.
    PowerOff,
    /// Resets through ACPI's reset register.
    ResetAcpi,
    /// Resets through the keyboard controller.
    ResetKeyboard,
    /// Tells pvpanic that it crashed, then halts.
    Panic,
    /// Takes a page fault without an interrupt table.
    TripleFault,
    /// Says `ready`, sends back what it receives, and switches off after a `q`.
    Echo,
    /// Says magic, version and device number of the first [`machine::VIRTIO_SLOTS`] virtio slots, a line each: three numbers
    /// of eight hexadecimal digits.
    MmioIdentity,
    /// Reads and writes the first virtio slot and the legacy ports in every width at every offset, aligned or not, then
    /// says `survived` and switches off.
    MmioHostile,
    /// Reads sector 0 of the first virtio-blk device by polling; says `status 00000000`, then the first 16 bytes as text.
    BlkRead,
    /// Gives virtio-blk a descriptor chain that is a loop: says `needs reset` or `status` and a number; then resets the device
    /// and does as [`Payload::BlkRead`].
    BlkLoop,
    /// Gives virtio-blk a buffer outside memory with the largest length; goes on as [`Payload::BlkLoop`].
    BlkWild,
    /// Changes the queue's size and addresses after DRIVER_OK, and then does as [`Payload::BlkRead`], which works only on a
    /// device that keeps to the old ones.
    BlkMovedQueue,
    /// Starts all other vCPUs and says `cpus` and their number in hexadecimal once there are as many as `cpus=` on the
    /// command line says in decimal.
    Smp,
    /// Says `hello over pvh` if it was entered with PVH's start info, and switches off. The only one with a 32-bit entry.
    Pvh,
}

impl Payload {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Hello,
        Self::Halt,
        Self::Spin,
        Self::PowerOff,
        Self::ResetAcpi,
        Self::ResetKeyboard,
        Self::Panic,
        Self::TripleFault,
        Self::Echo,
        Self::MmioIdentity,
        Self::MmioHostile,
        Self::BlkRead,
        Self::BlkLoop,
        Self::BlkWild,
        Self::BlkMovedQueue,
        Self::Smp,
        Self::Pvh,
    ];

    /// A name for files and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Halt => "halt",
            Self::Spin => "spin",
            Self::PowerOff => "power-off",
            Self::ResetAcpi => "reset-acpi",
            Self::ResetKeyboard => "reset-keyboard",
            Self::Panic => "panic",
            Self::TripleFault => "triple-fault",
            Self::Echo => "echo",
            Self::MmioIdentity => "mmio-identity",
            Self::MmioHostile => "mmio-hostile",
            Self::BlkRead => "blk-read",
            Self::BlkLoop => "blk-loop",
            Self::BlkWild => "blk-wild",
            Self::BlkMovedQueue => "blk-moved-queue",
            Self::Smp => "smp",
            Self::Pvh => "pvh",
        }
    }

    /// The guest as an ELF kernel.
    #[must_use]
    pub fn elf(self) -> Vec<u8> {
        let entry = machine::LOAD + image::entry(self);
        let pvh = (self == Self::Pvh).then(|| u32::try_from(entry).unwrap_or(u32::MAX));
        let image =
            TestSegment { address: machine::LOAD, bytes: image::bytes().to_vec(), memory_size: machine::MEMORY };
        TestElf { entry, segments: vec![image], pvh }.bytes()
    }

    /// The guest as a bzImage, loaded where none of its buffers are.
    #[must_use]
    pub fn bzimage(self) -> Vec<u8> {
        // The entry is 0x200 bytes into the code: a near jump (e9, distance from its end) into the image behind it.
        let mut code = vec![0; 0x200];
        code.push(0xe9);
        code.extend(u32::try_from(image::entry(self)).unwrap_or(u32::MAX).to_le_bytes());
        code.extend(image::bytes());
        code.resize(code.len().next_multiple_of(16), 0);
        TestBzImage { code, pref_address: machine::LOAD + machine::MEMORY, ..TestBzImage::default() }.bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Cursor;
    use std::path::Path;

    use ovum_boot::{Format, Kernel};

    use super::*;

    #[test]
    fn every_payload_is_a_kernel_with_an_entry_of_its_own() {
        let mut entries = HashSet::new();
        for payload in Payload::ALL {
            let elf = payload.elf();
            let kernel = Kernel::from_source(Cursor::new(&elf), elf.len() as u64, Path::new(payload.name()));
            assert_eq!(kernel.map(|kernel| kernel.format()).ok(), Some(Format::Elf), "{}", payload.name());
            assert!(entries.insert(image::entry(payload)), "{} shares its entry", payload.name());
            assert!(image::entry(payload) < image::bytes().len() as u64);
        }
        assert!(image::bytes().len() < 4096);
    }
}
