//! The initramfs: opened, and read into guest memory as high as the kernel can reach it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::storage::Storage;
use thiserror::Error;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryError, GuestMemoryRegion};

use crate::file::{self, FileProblem};
use crate::input::Input;
use crate::memory::{Memory, mebibytes};

/// The kernel gives the pages back when it has unpacked them, so the initramfs shares none with others; in bytes.
const PAGE: u64 = 4096;

/// An initramfs that cannot be used: the file and what is wrong with it.
#[derive(Debug, Error)]
#[error("initramfs {}: {problem}", path.display())]
pub struct InitramfsError {
    path: PathBuf,
    problem: InitramfsProblem,
}

/// What is wrong with an initramfs, or with loading it.
#[derive(Debug, Error)]
pub enum InitramfsProblem {
    /// The path leads to nothing that can be read.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// The guest has too little memory for kernel and initramfs.
    #[error("its {} MiB and the kernel need {} MiB of guest memory", mebibytes(*length), mebibytes(*needed))]
    TooBig {
        /// The length of the initramfs in bytes.
        length: u64,
        /// The memory that would do, in bytes.
        needed: u64,
    },
    /// It does not fit between the kernel and the highest address that the kernel can read it from.
    #[error("its {} MiB do not fit below address {limit:#x}, beyond which this kernel does not read an initramfs", mebibytes(*length))]
    OutOfReach {
        /// The length of the initramfs in bytes.
        length: u64,
        /// The first guest physical address that it must not reach.
        limit: u64,
    },
    /// Reading failed half way.
    #[error("reading it failed: {0}")]
    Read(io::Error),
}

impl InitramfsError {
    /// The file that the error is about, as the caller named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &InitramfsProblem {
        &self.problem
    }

    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match &self.problem {
            InitramfsProblem::File(problem) => problem.remedy(),
            InitramfsProblem::TooBig { needed, .. } => {
                format!("give the guest at least {} MiB of memory", mebibytes(*needed))
            }
            InitramfsProblem::OutOfReach { .. } => "make it smaller, or put the files on a disk instead".to_owned(),
            InitramfsProblem::Read(_) => {
                "check the disk that it lies on, and that nothing writes to the file".to_owned()
            }
        }
    }
}

/// An initramfs file, open and not empty.
#[derive(Debug)]
pub struct Initramfs {
    file: Input,
    path: PathBuf,
    length: u64,
}

/// Where an initramfs lies in guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedInitramfs {
    /// Its first byte, at the start of a page.
    pub start: GuestAddress,
    /// Its length in bytes.
    pub length: u64,
}

impl Initramfs {
    /// Opens an initramfs. What is in it is the guest kernel's to judge.
    ///
    /// # Errors
    /// [`InitramfsError`] when the path leads to no file, to one that cannot be read, or to an empty one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, InitramfsError> {
        let path = path.as_ref();
        match file::open(path) {
            Ok((file, length)) => Ok(Self { file: Input::of_file(file), path: path.to_owned(), length }),
            Err(problem) => Err(InitramfsError { path: path.to_owned(), problem: problem.into() }),
        }
    }

    /// The initramfs that lies in `storage`, such as the member of a package.
    ///
    /// # Errors
    /// [`InitramfsError`] when it is empty.
    pub fn open_storage(storage: Arc<dyn Storage>) -> Result<Self, InitramfsError> {
        let (path, length) = (PathBuf::from(storage.name()), storage.size());
        if length == 0 {
            return Err(InitramfsError { path, problem: FileProblem::Empty.into() });
        }
        Ok(Self { file: Input::of_storage(storage), path, length })
    }

    /// The file, as the caller named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes; never 0.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads it into guest memory at the highest place of `available`, which starts at the kernel's end and ends at
    /// whatever the machine or the kernel ([`crate::Kernel::initramfs_limit`]) allows. Places that are not RAM are skipped.
    ///
    /// # Errors
    /// [`InitramfsError`] when it does not fit, and when reading the file fails.
    pub fn load(&mut self, memory: &Memory, available: Range<GuestAddress>) -> Result<PlacedInitramfs, InitramfsError> {
        let placed = place(memory, self.length, &available).and_then(|start| self.fill(memory, start));
        placed.map_err(|problem| InitramfsError { path: self.path.clone(), problem })
    }

    fn fill(&mut self, memory: &Memory, start: u64) -> Result<PlacedInitramfs, InitramfsProblem> {
        let start = GuestAddress(start);
        let length = usize::try_from(self.length).map_err(|error| InitramfsProblem::Read(io::Error::other(error)))?;
        memory.read_exact_volatile_from(start, &mut self.file, length).map_err(|error| {
            InitramfsProblem::Read(match error {
                GuestMemoryError::IOError(source) => source,
                other => io::Error::other(other),
            })
        })?;
        Ok(PlacedInitramfs { start, length: self.length })
    }
}

/// The highest page in `available` from which `length` bytes are RAM.
fn place(memory: &Memory, length: u64, available: &Range<GuestAddress>) -> Result<u64, InitramfsProblem> {
    let fits = |region: &vm_memory::GuestRegionMmap<()>| {
        let start = region.start_addr().0.max(available.start.0);
        let end = region.last_addr().0.saturating_add(1).min(available.end.0);
        let place = end.checked_sub(length)? / PAGE * PAGE;
        (place >= start).then_some(place)
    };
    memory.iter().filter_map(fits).max().ok_or_else(|| {
        let needed = available.start.0.saturating_add(length).checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        if needed > available.end.0 && memory.last_addr().0 >= available.end.0 {
            InitramfsProblem::OutOfReach { length, limit: available.end.0 }
        } else {
            InitramfsProblem::TooBig { length, needed }
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Write;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn memory(ranges: &[(u64, u64)]) -> Memory {
        let ranges: Vec<_> =
            ranges.iter().map(|(start, size)| (GuestAddress(*start), usize::try_from(*size).unwrap())).collect();
        Memory::from_ranges(&ranges).unwrap()
    }

    fn initramfs(bytes: &[u8]) -> (tempfile::NamedTempFile, Initramfs) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let initramfs = Initramfs::open(file.path()).unwrap();
        (file, initramfs)
    }

    fn space(start: u64, end: u64) -> Range<GuestAddress> {
        GuestAddress(start)..GuestAddress(end)
    }

    #[test]
    fn it_lies_as_high_as_it_can_on_a_page() {
        let memory = memory(&[(0, 8 * MIB)]);
        let (_file, mut initramfs) = initramfs(&[7; 5000]);
        let placed = initramfs.load(&memory, space(2 * MIB, 1 << 31)).unwrap();
        assert_eq!(placed, PlacedInitramfs { start: GuestAddress(8 * MIB - 8192), length: 5000 });
        let mut bytes = vec![0; 5001];
        memory.read_slice(&mut bytes, placed.start).unwrap();
        assert_eq!(bytes, [&[7; 5000][..], &[0]].concat());
    }

    #[test]
    fn the_kernels_limit_and_holes_are_respected() {
        let memory = memory(&[(0, 4 * MIB), (16 * MIB, 4 * MIB)]);
        assert_eq!(place(&memory, MIB, &space(MIB, 19 * MIB)).unwrap(), 18 * MIB);
        assert_eq!(place(&memory, MIB, &space(MIB, 16 * MIB)).unwrap(), 3 * MIB);
        assert_eq!(place(&memory, MIB, &space(MIB, 16 * MIB + 4096)).unwrap(), 3 * MIB);
        let problem = place(&memory, 4 * MIB, &space(MIB, 16 * MIB)).unwrap_err();
        assert!(matches!(problem, InitramfsProblem::TooBig { needed, .. } if needed == 5 * MIB), "{problem}");
        let problem = place(&memory, 64 * MIB, &space(MIB, 16 * MIB)).unwrap_err();
        assert!(matches!(problem, InitramfsProblem::OutOfReach { limit, .. } if limit == 16 * MIB), "{problem}");
        assert!(place(&memory, u64::MAX, &space(u64::MAX, u64::MAX)).is_err());
        assert!(place(&memory, 1, &space(MIB, 0)).is_err());
    }

    #[test]
    fn one_that_is_too_big_says_how_much_memory_would_do() {
        let memory = memory(&[(0, 8 * MIB)]);
        let (_file, mut initramfs) = initramfs(&vec![1; 7 << 20]);
        let error = initramfs.load(&memory, space(2 * MIB, 1 << 31)).unwrap_err();
        assert!(error.to_string().ends_with("its 7 MiB and the kernel need 9 MiB of guest memory"), "{error}");
        assert_eq!(error.remedy(), "give the guest at least 9 MiB of memory");
    }

    #[test]
    fn paths_that_lead_to_no_file_are_told_apart() {
        let problem = |path: &Path| Initramfs::open(path).unwrap_err().problem;
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(problem(Path::new("/no/such")), InitramfsProblem::File(FileProblem::Missing)));
        assert!(matches!(problem(Path::new("/dev/null")), InitramfsProblem::File(FileProblem::NotAFile)));
        assert!(matches!(problem(Path::new("/")), InitramfsProblem::File(FileProblem::Folder)));
        assert!(matches!(problem(empty.path()), InitramfsProblem::File(FileProblem::Empty)));
        assert!(matches!(problem(&empty.path().join("x")), InitramfsProblem::File(FileProblem::Missing)));
    }

    #[test]
    fn a_file_that_shrinks_is_told() {
        let memory = memory(&[(0, 8 * MIB)]);
        let (file, mut initramfs) = initramfs(&[1; 9000]);
        file.as_file().set_len(10).unwrap();
        assert!(matches!(initramfs.load(&memory, space(MIB, 1 << 31)).unwrap_err().problem, InitramfsProblem::Read(_)));
    }
}
