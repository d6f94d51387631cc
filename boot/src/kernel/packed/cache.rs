//! Unpacked kernels, kept for the next boot.
//!
//! An entry is the unpacked payload of one bzImage without its pages of zeros, then a list of what lies where. It is found by what the file
//! system says of the bzImage: device, inode, length, and when its contents and its inode last changed. Nobody but root
//! sets the last, so another kernel cannot take an entry's name, and nothing has to be digested at each boot.
//!
//! An entry appears whole, by renaming, and is never written again, so any number of processes can share a folder. It is
//! used only when it and the folder belong to this user and nobody else may write to them; its checksum is compared while
//! it is read. Whatever goes wrong with the cache, the kernel boots without it.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, SystemTime};

use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

use super::super::error::KernelProblem;
use super::place::is_zero;
use super::unsuited;
use crate::bytes::{u32_at, u64_at};

/// At the end of each entry: this, the unpacked length, the number of runs, and the CRC-32 of data, runs and length.
const MAGIC: &[u8; 8] = b"OVUMKRN1";
const TRAILER: usize = 32;
/// More runs than any kernel has.
const MOST_RUNS: u64 = 1 << 16;
/// All entries together have at most so many bytes; those that were stored first go first.
const MOST: u64 = 512 << 20;
/// Files that have changed so recently may change again without a new date.
pub(super) const SETTLED: Duration = Duration::from_secs(2);
/// What an interrupted process left behind is removed after this time.
const ABANDONED: Duration = Duration::from_secs(3600);
const PIECE: usize = 64 << 10;
const PAGE: usize = 4096;
const PROT_READ: i32 = 1;
const MAP_PRIVATE: i32 = 2;
const O_NOFOLLOW: i32 = 0o400_000;
/// Permission bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// The place of one kernel's entry in the cache's folder.
#[derive(Debug)]
pub(crate) struct Slot {
    folder: PathBuf,
    name: String,
    kernel: File,
    part: Option<Range<u64>>,
    uid: u32,
}

impl Slot {
    /// The slot of `kernel`, or of the kernel in this `part` of a file; none where the folder cannot be made or is not this user's alone, and for a kernel that has
    /// only just been written.
    pub fn of(folder: &Path, kernel: &File, part: Option<Range<u64>>) -> Option<Self> {
        let uid = fs::metadata("/proc/self").ok()?.uid();
        DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
        let metadata = fs::symlink_metadata(folder).ok()?;
        if !metadata.is_dir() || !private(&metadata, uid) {
            return None;
        }
        let kernel = kernel.try_clone().ok()?;
        let name = name(&kernel.metadata().ok()?, part.as_ref())?;
        Some(Self { folder: folder.to_owned(), name, kernel, part, uid })
    }

    /// What was stored, if it was.
    pub fn open(&self) -> Option<Stored> {
        let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(self.folder.join(&self.name)).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !private(&metadata, self.uid) {
            return None;
        }
        Stored::open(file, metadata.len())
    }

    /// Removes the entry, which has turned out to be spoilt.
    pub fn remove(&self) {
        let _ = fs::remove_file(self.folder.join(&self.name));
    }

    /// Begins to store.
    pub fn store(self) -> Option<Draft> {
        let path = self.folder.join(format!("{}.{}.draft", self.name, process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
        let file = BufWriter::with_capacity(PIECE, file);
        Some(Draft { slot: self, path, file, runs: Vec::new(), length: 0, sum: crc32fast::Hasher::new(), kept: false })
    }
}

fn private(metadata: &Metadata, uid: u32) -> bool {
    metadata.uid() == uid && metadata.mode() & OTHERS_WRITE == 0
}

/// The name of a kernel's entry.
fn name(kernel: &Metadata, part: Option<&Range<u64>>) -> Option<String> {
    let changed = SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(kernel.ctime()).ok()?, 0);
    if SystemTime::now().duration_since(changed).ok()? < SETTLED {
        return None;
    }
    let (modified, changed) = (kernel.mtime(), kernel.ctime());
    let (modified_ns, changed_ns) = (kernel.mtime_nsec(), kernel.ctime_nsec());
    let (device, inode, length) = (kernel.dev(), kernel.ino(), kernel.len());
    let part = part.map(|part| format!("-{:x}.{:x}", part.start, part.end)).unwrap_or_default();
    Some(format!("{device:x}-{inode:x}-{length:x}-{modified:x}.{modified_ns:x}-{changed:x}.{changed_ns:x}{part}"))
}

/// Bytes of the unpacked kernel that lie one behind the other; all others are zero.
#[derive(Debug, Clone, Copy)]
struct Run {
    offset: u64,
    length: u64,
}

impl Run {
    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (offset, length) = (self.offset.to_le_bytes(), self.length.to_le_bytes());
        bytes.iter_mut().zip(offset.iter().chain(&length)).for_each(|(to, from)| *to = *from);
        bytes
    }

    fn read(bytes: &[u8; 16]) -> Option<Self> {
        Some(Self { offset: u64_at(bytes, 0)?, length: u64_at(bytes, 8)? })
    }
}

/// An entry that is being read, mapped.
#[derive(Debug)]
pub(crate) struct Stored {
    map: MmapRegion,
    runs: Vec<Run>,
    length: u64,
    sum: u32,
}

impl Stored {
    fn open(mut file: File, size: u64) -> Option<Self> {
        file.seek(SeekFrom::Start(size.checked_sub(TRAILER as u64)?)).ok()?;
        let mut trailer = [0; TRAILER];
        file.read_exact(&mut trailer).ok()?;
        let count = u64_at(&trailer, 16)?;
        let index = size.checked_sub(TRAILER as u64)?.checked_sub(count.checked_mul(16)?)?;
        if !trailer.starts_with(MAGIC) || count > MOST_RUNS {
            return None;
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(index)).ok()?;
        (&mut file).take(count * 16).read_to_end(&mut bytes).ok()?;
        let runs: Vec<Run> = bytes.as_chunks::<16>().0.iter().map(Run::read).collect::<Option<_>>()?;
        let data = runs.iter().try_fold(0_u64, |sum, run| sum.checked_add(run.length))?;
        if runs.len() as u64 != count || data != index || data == 0 {
            return None;
        }
        let map = MmapRegionBuilder::new(usize::try_from(data).ok()?)
            .with_file_offset(FileOffset::new(file, 0))
            .with_mmap_prot(PROT_READ)
            .with_mmap_flags(MAP_PRIVATE)
            .build()
            .ok()?;
        Some(Self { map, runs, length: u64_at(&trailer, 8)?, sum: u32_at(&trailer, 24)? })
    }

    /// The length of the unpacked kernel in bytes, zeros and all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Hands out all that is not zero, with its offset in the unpacked kernel, in ascending order.
    pub fn for_each(&self, mut take: impl FnMut(u64, &[u8]) -> Result<(), KernelProblem>) -> Result<(), KernelProblem> {
        let spoilt = || unsuited("its copy in the cache is spoilt");
        let mut sum = crc32fast::Hasher::new();
        let mut piece = vec![0; PIECE];
        let (mut at, mut before) = (0_usize, 0);
        for run in &self.runs {
            let end = run.offset.checked_add(run.length).filter(|end| *end <= self.length).ok_or_else(spoilt)?;
            let mut offset = run.offset;
            if offset < before {
                return Err(spoilt());
            }
            while offset < end {
                let length = usize::try_from(end - offset).unwrap_or(PIECE).min(PIECE);
                let bytes = piece.get_mut(..length).unwrap_or_default();
                self.map.as_volatile_slice().read_slice(bytes, at).map_err(|_| spoilt())?;
                sum.update(bytes);
                take(offset, bytes)?;
                (at, offset) = (at.saturating_add(length), offset.saturating_add(length as u64));
            }
            sum.update(&run.bytes());
            before = end;
        }
        sum.update(&self.length.to_le_bytes());
        if sum.finalize() == self.sum { Ok(()) } else { Err(spoilt()) }
    }
}

/// An entry that is being written; gone again when it is dropped before it was kept.
#[derive(Debug)]
pub(crate) struct Draft {
    slot: Slot,
    path: PathBuf,
    file: BufWriter<File>,
    runs: Vec<Run>,
    length: u64,
    sum: crc32fast::Hasher,
    kept: bool,
}

impl Draft {
    /// Adds a piece. Pages of zeros are left out.
    pub fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        for bytes in piece.chunks(PAGE) {
            if is_zero(bytes) {
                self.length = self.length.saturating_add(bytes.len() as u64);
            } else {
                self.write(bytes)?;
            }
        }
        Ok(())
    }

    /// Adds bytes that are not zero, to the run before where there is no gap.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.file.write_all(bytes)?;
        match self.runs.last_mut() {
            Some(run) if run.offset.saturating_add(run.length) == self.length => {
                run.length = run.length.saturating_add(length);
            }
            _ => {
                if let Some(run) = self.runs.last() {
                    self.sum.update(&run.bytes());
                }
                self.runs.push(Run { offset: self.length, length });
            }
        }
        self.sum.update(bytes);
        self.length = self.length.saturating_add(length);
        Ok(())
    }

    /// Gives the entry its name, and makes room if there are too many; nothing is kept of a kernel that has changed.
    pub fn keep(mut self) -> io::Result<()> {
        if let Some(run) = self.runs.last() {
            self.sum.update(&run.bytes());
        }
        self.sum.update(&self.length.to_le_bytes());
        for run in &self.runs {
            self.file.write_all(&run.bytes())?;
        }
        self.file.write_all(MAGIC)?;
        for number in [self.length, self.runs.len() as u64, u64::from(self.sum.clone().finalize())] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        self.file.flush()?;
        if name(&self.slot.kernel.metadata()?, self.slot.part.as_ref()).as_ref() == Some(&self.slot.name) {
            fs::rename(&self.path, self.slot.folder.join(&self.slot.name))?;
            self.kept = true;
            make_room(&self.slot.folder);
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the oldest entries beyond what a cache may hold, and what was abandoned.
fn make_room(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut found: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "draft") {
            if modified.elapsed().is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(&path);
            }
        } else if metadata.is_file() {
            found.push((modified, metadata.len(), path));
        }
    }
    found.sort();
    let mut sum = 0_u64;
    for (_, length, path) in found.iter().rev() {
        sum = sum.saturating_add(*length);
        if sum > MOST {
            let _ = fs::remove_file(path);
        }
    }
}
