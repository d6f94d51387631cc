//! Kernel images: told apart by their headers, checked, and read into guest memory.
//!
//! [`Kernel::open`] reads headers only. [`Kernel::load`] reads the rest from the file straight into guest memory, so that
//! no copy of a kernel is ever held by this process.

mod bzimage;
mod elf;
mod error;
mod packed;
mod resemblance;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::storage::Storage;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError, ReadVolatile};

use crate::file::{self, FileProblem};
use crate::input::Input;
use crate::memory::{Memory, RangeProblem, check_range};
use bzimage::BzImage;
use elf::Elf;
pub use error::{KernelError, KernelProblem};
pub use resemblance::Resemblance;

/// Linux's COMMAND_LINE_SIZE on x86 without the closing NUL: the limit of kernels whose header does not say, in bytes.
const COMMAND_LINE_SIZE: usize = 2047;

/// The kind of CPU that a kernel was built for, as its headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// x86-64, AMD64.
    X86_64,
    /// ARM64.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
    /// An ELF machine (`e_machine`) without a name here.
    Other(u16),
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86_64 => f.write_str("x86-64"),
            Self::Aarch64 => f.write_str("ARM64"),
            Self::Riscv64 => f.write_str("RISC-V"),
            Self::Other(machine) => write!(f, "another CPU (ELF machine {machine})"),
        }
    }
}

/// The container that a kernel comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An ELF executable, such as `vmlinux`.
    Elf,
    /// A compressed kernel with a setup header, such as a distribution's `vmlinuz`.
    BzImage,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::BzImage => "bzImage",
        })
    }
}

/// How the kernel is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// The 64-bit Linux protocol where the kernel has it, as it takes fewer instructions; otherwise PVH.
    #[default]
    Auto,
    /// The 64-bit Linux boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").
    Linux64,
    /// PVH direct boot, in 32-bit protected mode without paging (Xen's docs/misc/pvh.pandoc).
    Pvh,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "known",
            Self::Linux64 => "64-bit Linux",
            Self::Pvh => "PVH",
        })
    }
}

/// Where the first vCPU starts, and in which state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The 64-bit Linux boot protocol.
    Linux64 {
        /// Guest physical address of the first instruction.
        rip: u64,
        /// The setup header of a bzImage, to be copied to offset 0x1f1 of the zero page; `None` for ELF kernels.
        setup_header: Option<Vec<u8>>,
    },
    /// PVH: 32-bit protected mode.
    Pvh {
        /// Guest physical address of the first instruction, below 4 GiB.
        eip: u64,
    },
}

/// A kernel that lies in guest memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedKernel {
    /// How to enter it.
    pub entry: Entry,
    /// The first guest physical address from which on nothing belongs to the kernel, not even while it unpacks itself.
    pub end: GuestAddress,
}

/// What a kernel can be read from: an [`Input`], or a [`std::io::Cursor`] over bytes.
pub trait Source: Read + Seek + ReadVolatile {
    /// Reads `size` bytes at `offset` of a file of `length` bytes; `size` must be bounded by the caller.
    #[doc(hidden)]
    fn read_part(&mut self, part: &str, offset: u64, size: u64, length: u64) -> Result<Vec<u8>, KernelProblem> {
        let needed = offset.saturating_add(size);
        if needed > length {
            return Err(KernelProblem::Truncated { part: part.to_owned(), needed, length });
        }
        let failed = |source| KernelProblem::Read { part: part.to_owned(), source };
        self.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        self.take(size).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 != size {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }
}

impl<S: Read + Seek + ReadVolatile> Source for S {}

#[derive(Debug)]
enum Image {
    Elf(Elf),
    BzImage(BzImage),
}

/// A kernel file whose headers were read and found good.
#[derive(Debug)]
pub struct Kernel<S = Input> {
    source: S,
    path: PathBuf,
    image: Image,
}

impl Kernel {
    /// Opens a kernel and reads its headers.
    ///
    /// # Errors
    /// [`KernelError`] when the path leads to no kernel that an x86-64 guest can start.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, KernelError> {
        let path = path.as_ref();
        let (file, length) = file::open(path).map_err(|problem| KernelError::new(path, problem.into()))?;
        Self::from_source(Input::of_file(file), length, path)
    }

    /// Reads the headers of the kernel that lies in `storage`, such as the member of a package.
    ///
    /// # Errors
    /// As [`Kernel::open`].
    pub fn open_storage(storage: Arc<dyn Storage>) -> Result<Self, KernelError> {
        let (name, length) = (storage.name(), storage.size());
        let path = Path::new(&name);
        if length == 0 {
            return Err(KernelError::new(path, FileProblem::Empty.into()));
        }
        Self::from_source(Input::of_storage(storage), length, path)
    }

    /// As [`Kernel::load_unpacked`], with the unpacked kernel from `cache`, a folder that is this user's alone. When it is
    /// not there yet, it is unpacked and stored, and the oldest are removed once the folder holds more than 512 MiB.
    ///
    /// # Errors
    /// As [`Kernel::load_unpacked`], and when the cache cannot be used: then, `load` is the cheaper way.
    pub fn load_cached(
        &mut self,
        memory: &Memory,
        lowest: GuestAddress,
        chance: Option<u64>,
        cache: &Path,
    ) -> Result<LoadedKernel, KernelError> {
        let unusable = || KernelProblem::Packed(format!("the cache {} cannot be used", cache.display()));
        let slot = self.source.plain().and_then(|(file, part)| packed::cache::Slot::of(cache, file, part));
        let slot = slot.ok_or_else(|| KernelError::new(&self.path, unusable()))?;
        self.unpack(memory, lowest, chance, Some(slot))
    }
}

impl<S: Source> Kernel<S> {
    /// Reads the headers of a kernel of `length` bytes from anything that can seek; `path` names it in errors.
    ///
    /// # Errors
    /// As [`Kernel::open`].
    pub fn from_source(mut source: S, length: u64, path: &Path) -> Result<Self, KernelError> {
        let image = Image::read(&mut source, length).map_err(|problem| KernelError::new(path, problem))?;
        Ok(Self { source, path: path.to_owned(), image })
    }

    /// The kind of CPU that the kernel was built for.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        Architecture::X86_64
    }

    /// The container that the kernel comes in.
    #[must_use]
    pub fn format(&self) -> Format {
        match &self.image {
            Image::Elf(_) => Format::Elf,
            Image::BzImage(_) => Format::BzImage,
        }
    }

    /// The file, as the caller named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version that a bzImage says of itself, such as "6.1.0-13-cloud-amd64 (...) #1 SMP ...".
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match &self.image {
            Image::Elf(_) => None,
            Image::BzImage(image) => image.version.as_deref(),
        }
    }

    /// The longest command line that the kernel takes, in bytes, without the closing NUL.
    #[must_use]
    pub fn cmdline_size(&self) -> usize {
        match &self.image {
            Image::Elf(_) => COMMAND_LINE_SIZE,
            Image::BzImage(image) => usize::try_from(image.cmdline_size).unwrap_or(COMMAND_LINE_SIZE),
        }
    }

    /// The first address that an initramfs must not reach; `None` where the kernel sets no limit.
    #[must_use]
    pub fn initramfs_limit(&self) -> Option<GuestAddress> {
        match &self.image {
            Image::Elf(_) => None,
            Image::BzImage(image) => Some(GuestAddress(image.initrd_addr_max + 1)),
        }
    }

    /// Whether the kernel has a PVH entry point.
    #[must_use]
    pub fn has_pvh(&self) -> bool {
        matches!(&self.image, Image::Elf(Elf { pvh: Some(_), .. }))
    }

    /// Reads the kernel into guest memory, nowhere below `lowest`, and says where it is entered.
    ///
    /// Guest memory is taken to be zero: what the file does not hold of a segment is left as it is.
    ///
    /// # Errors
    /// [`KernelError`] when the guest has too little memory or none where the kernel must lie, when the kernel cannot be
    /// entered by `protocol`, and when reading the file fails.
    pub fn load(
        &mut self,
        memory: &Memory,
        lowest: GuestAddress,
        protocol: Protocol,
    ) -> Result<LoadedKernel, KernelError> {
        match &self.image {
            Image::Elf(elf) => load_elf(elf, &mut self.source, memory, lowest.0, protocol),
            Image::BzImage(image) => load_bzimage(image, &mut self.source, memory, lowest.0, protocol),
        }
        .map_err(|problem| KernelError::new(&self.path, problem))
    }

    /// Unpacks the kernel that a bzImage holds, on this side, straight into guest memory, nowhere below `lowest`, and says
    /// where that is entered: by the 64-bit protocol, without the unpacker that the guest would run first.
    ///
    /// The kernel lies where it was linked for. Its virtual addresses are moved by as much as `chance`, a random number,
    /// decides, where the kernel can be moved; without `chance` they are as they were linked, as with `nokaslr`.
    ///
    /// # Errors
    /// [`KernelError`] when the kernel is no bzImage, or not packed in a way that is known here, when it is not laid out as
    /// expected, or when the guest has too little memory. Guest memory where [`Kernel::load`] puts the kernel may have
    /// been written to by then, which does not disturb a bzImage: `load` still can be tried.
    pub fn load_unpacked(
        &mut self,
        memory: &Memory,
        lowest: GuestAddress,
        chance: Option<u64>,
    ) -> Result<LoadedKernel, KernelError> {
        self.unpack(memory, lowest, chance, None)
    }

    fn unpack(
        &mut self,
        memory: &Memory,
        lowest: GuestAddress,
        chance: Option<u64>,
        slot: Option<packed::cache::Slot>,
    ) -> Result<LoadedKernel, KernelError> {
        match &self.image {
            Image::Elf(_) => Err(KernelProblem::Packed("nothing is packed in an ELF kernel".to_owned())),
            Image::BzImage(image) => packed::load(image, &mut self.source, memory, lowest.0, chance, slot),
        }
        .map_err(|problem| KernelError::new(&self.path, problem))
    }
}

impl Image {
    fn read(source: &mut impl Source, length: u64) -> Result<Self, KernelProblem> {
        let head = source.read_part("the start of the file", 0, length.min(resemblance::LOOKED_AT), length)?;
        if head.starts_with(elf::MAGIC) {
            Ok(Self::Elf(Elf::read(source, &head, length)?))
        } else if bzimage::is_bzimage(&head) {
            Ok(Self::BzImage(BzImage::read(source, &head, length)?))
        } else if let Some(architecture) = resemblance::image_architecture(&head) {
            Err(KernelProblem::OtherArchitecture(architecture))
        } else {
            Err(KernelProblem::NotAKernel(Resemblance::of(&head)))
        }
    }
}

fn load_elf(
    elf: &Elf,
    source: &mut impl Source,
    memory: &Memory,
    lowest: u64,
    protocol: Protocol,
) -> Result<LoadedKernel, KernelProblem> {
    let linux64 = elf.linux64.map(|rip| Entry::Linux64 { rip, setup_header: None });
    let pvh = elf.pvh.map(|eip| Entry::Pvh { eip });
    let entry = match protocol {
        Protocol::Auto => linux64.or(pvh),
        Protocol::Linux64 => linux64,
        Protocol::Pvh => pvh,
    }
    .ok_or(KernelProblem::NoSuchEntry(protocol))?;
    // Every segment is checked before the first byte of guest memory is written.
    for (number, segment) in elf.segments.iter().enumerate() {
        check_place(memory, lowest, segment.address, segment.end(), || format!("segment {number}"))?;
    }
    let end = elf.segments.iter().map(elf::Segment::end).max().unwrap_or_default();
    for (number, segment) in elf.segments.iter().enumerate() {
        let part = || format!("segment {number}");
        fill(source, segment.offset, memory, segment.address, segment.file_size, part)?;
    }
    Ok(LoadedKernel { entry, end: GuestAddress(end) })
}

fn load_bzimage(
    image: &BzImage,
    source: &mut impl Source,
    memory: &Memory,
    lowest: u64,
    protocol: Protocol,
) -> Result<LoadedKernel, KernelProblem> {
    if protocol == Protocol::Pvh {
        return Err(KernelProblem::NoSuchEntry(protocol));
    }
    let part = || "the kernel".to_owned();
    let place = image.place(lowest).ok_or_else(|| KernelProblem::BadHeader {
        offset: 0x258,
        reason: "pref_address and init_size go beyond 64 bits".to_owned(),
    })?;
    check_place(memory, lowest, place.start, place.end, part)?;
    fill(source, image.offset, memory, place.load, image.size, part)?;
    let entry = Entry::Linux64 { rip: BzImage::entry(place.load), setup_header: Some(image.setup_header(place.load)) };
    Ok(LoadedKernel { entry, end: GuestAddress(place.end) })
}

/// Checks that `start..end` is guest RAM at or above `lowest`.
fn check_place(
    memory: &Memory,
    lowest: u64,
    start: u64,
    end: u64,
    part: impl Fn() -> String,
) -> Result<(), KernelProblem> {
    let outside = || KernelProblem::OutsideRam { part: part(), start, end };
    if start < lowest {
        return Err(outside());
    }
    check_range(memory, start, end).map_err(|problem| match problem {
        RangeProblem::TooSmall(needed) => KernelProblem::TooBig { needed },
        RangeProblem::NoRam => outside(),
    })
}

/// Reads `size` bytes of the file into guest memory.
fn fill(
    source: &mut impl Source,
    offset: u64,
    memory: &Memory,
    address: u64,
    size: u64,
    part: impl Fn() -> String,
) -> Result<(), KernelProblem> {
    let failed = |source| KernelProblem::Read { part: part(), source };
    source.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let size = usize::try_from(size).map_err(|error| failed(io::Error::other(error)))?;
    memory.read_exact_volatile_from(GuestAddress(address), source, size).map_err(|error| {
        failed(match error {
            GuestMemoryError::IOError(source) => source,
            other => io::Error::other(other),
        })
    })
}
