//! The bodies of the fuzz targets for file systems.
//!
//! Images of file systems are large and mostly empty, so an input is one in short: its length in 8 bytes, then runs, each with
//! how many zeroes come before it in 4 bytes, how long it is in 2, and its bytes.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use ovum_disk::storage::{Storage, read_bytes};
use vm_memory::{Bytes, VolatileSlice};

use super::volume::Volume;
use super::{FileKind, FileSystem, FsError, Subvolume, btrfs, ext, fat, iso9660, xfs};

/// The longest image, in bytes.
const MAX_SIZE: u64 = 1 << 42;
/// This many zeroes end a run.
const GAP: usize = 12;
/// How many directories are looked into, how many names in each, and how much of a file is read at its ends, in bytes.
const DIRECTORIES: usize = 40;
const NAMES: usize = 24;
const READ: u64 = 10_000;

/// An image in short, as a storage.
#[derive(Debug)]
struct Sparse {
    size: u64,
    /// Where a run begins, and its bytes; in order.
    runs: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    fn unfold(folded: &[u8]) -> Option<Self> {
        let (size, mut rest) = folded.split_first_chunk::<8>()?;
        let size = u64::from_le_bytes(*size).min(MAX_SIZE);
        let (mut runs, mut at) = (Vec::new(), 0);
        while let Some(([a, b, c, d, e, f], behind)) = rest.split_first_chunk::<6>() {
            at += u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
            let len = usize::from(u16::from_le_bytes([*e, *f])).min(behind.len());
            let (run, behind) = behind.split_at_checked(len)?;
            runs.push((at, run.to_vec()));
            at += len as u64;
            rest = behind;
        }
        Some(Self { size, runs })
    }
}

impl Storage for Sparse {
    fn name(&self) -> String {
        "memory".into()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut offset = offset;
        for buffer in into {
            let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
            let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
            let mut bytes = vec![0; buffer.len()];
            let first = self.runs.partition_point(|(start, run)| start + run.len() as u64 <= offset);
            for (start, run) in self.runs.iter().skip(first).take_while(|(start, _)| *start < end) {
                let from = offset.max(*start);
                let to = end.min(start + run.len() as u64);
                let index = |at: u64, base: u64| usize::try_from(at - base).unwrap_or_default();
                let source = run.get(index(from, *start)..index(to, *start)).unwrap_or_default();
                if let Some(target) = bytes.get_mut(index(from, offset)..index(to, offset)) {
                    target.copy_from_slice(source);
                }
            }
            buffer.write_slice(&bytes, 0).map_err(io::Error::other)?;
            offset = end;
        }
        Ok(())
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        Ok(offset.min(self.size)..self.size)
    }
}

/// The image that `folded` is in short.
pub(crate) fn unfold(folded: &[u8]) -> Option<Arc<dyn Storage>> {
    Some(Arc::new(Sparse::unfold(folded)?))
}

/// The image in `storage`, in short.
///
/// # Errors
/// As [`Storage::read_at`].
pub fn fold(storage: &dyn Storage) -> io::Result<Vec<u8>> {
    let mut folded = storage.size().to_le_bytes().to_vec();
    let (mut zeroes, mut run) = (0_u64, Vec::new());
    let mut offset = 0;
    while offset < storage.size() {
        let data = storage.data_after(offset)?;
        zeroes += data.start - offset;
        if data.start > offset {
            put(&mut folded, &mut zeroes, &mut run, data.start - offset);
        }
        offset = data.start;
        let len = (data.end - offset).min(1 << 16);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        read_bytes(storage, offset, &mut bytes)?;
        for byte in bytes {
            run.push(byte);
            let tail = run.iter().rev().take_while(|byte| **byte == 0).count();
            if tail >= GAP || run.len() > 60_000 {
                put(&mut folded, &mut zeroes, &mut run, 0);
            }
        }
        offset += len;
    }
    put(&mut folded, &mut zeroes, &mut run, 0);
    Ok(folded)
}

/// Writes what is pending: `zeroes`, then `run`, whose own zeroes at its end are for the next one, as are `behind` more that
/// are counted already.
fn put(folded: &mut Vec<u8>, zeroes: &mut u64, run: &mut Vec<u8>, behind: u64) {
    let tail = run.iter().rev().take_while(|byte| **byte == 0).count();
    run.truncate(run.len() - tail);
    if run.is_empty() {
        *zeroes += tail as u64;
        return;
    }
    let mut before = *zeroes - behind;
    while before > u64::from(u32::MAX) {
        folded.extend([0xff, 0xff, 0xff, 0xff, 0, 0]);
        before -= u64::from(u32::MAX);
    }
    folded.extend(u32::try_from(before).unwrap_or_default().to_le_bytes());
    folded.extend(u16::try_from(run.len()).unwrap_or_default().to_le_bytes());
    folded.append(run);
    *zeroes = tail as u64 + behind;
}

type Open = fn(&Arc<Volume>) -> Result<Option<Arc<dyn FileSystem>>, FsError>;

/// Reads an image in short as ext2, ext3 or ext4.
pub fn ext(folded: &[u8]) {
    body(folded, ext::open);
}

/// Reads an image in short as FAT.
pub fn fat(folded: &[u8]) {
    body(folded, fat::open);
}

/// Reads an image in short as XFS.
pub fn xfs(folded: &[u8]) {
    body(folded, xfs::open);
}

/// Reads an image in short as btrfs.
pub fn btrfs(folded: &[u8]) {
    body(folded, btrfs::open);
}

/// Reads an image in short as ISO 9660.
pub fn iso9660(folded: &[u8]) {
    body(folded, iso9660::open);
}

/// Opens the image and walks through it; returns how many names were seen. Whatever the bytes are, nothing panics, and all
/// ends.
fn body(folded: &[u8], open: Open) -> usize {
    let Some(sparse) = Sparse::unfold(folded) else { return 0 };
    let system = match open(&Arc::new(Volume::new(Arc::new(sparse)))) {
        Ok(Some(system)) => system,
        Ok(None) => return 0,
        Err(error) => {
            told(&error);
            return 0;
        }
    };
    let _ = (system.kind(), system.uuid(), system.label(), system.notes());
    for which in [Subvolume::Default, Subvolume::Path("a"), Subvolume::Id(256)] {
        let _ = system.subvolume(which);
    }
    let mut seen = 0;
    let mut folders = vec![String::new()];
    for _ in 0..DIRECTORIES {
        let Some(folder) = folders.pop() else { break };
        let entries = match system.read_dir(&format!("{folder}/")) {
            Ok(entries) => entries,
            Err(error) => {
                told(&error);
                continue;
            }
        };
        for entry in entries.into_iter().take(NAMES) {
            let name = entry.name.as_str();
            assert!(!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']), "{name:?}");
            seen += 1;
            let path = format!("{folder}/{name}");
            look(system.as_ref(), &path);
            if entry.kind == FileKind::Directory && path.len() < 200 {
                folders.insert(0, path);
            }
        }
    }
    seen
}

fn look(system: &dyn FileSystem, path: &str) {
    if let Err(error) = system.metadata(path) {
        told(&error);
    }
    let file = match system.open(path) {
        Ok(file) => file,
        Err(error) => return told(&error),
    };
    let size = file.size();
    for start in [0, size / 2, size.saturating_sub(READ)] {
        let mut bytes = vec![0; usize::try_from(READ.min(size - start)).unwrap_or_default()];
        let mut again = bytes.clone();
        let first = read_bytes(file.as_ref(), start, &mut bytes);
        if first.is_ok() && read_bytes(file.as_ref(), start, &mut again).is_ok() {
            assert!(bytes == again, "two reads differ");
        }
        if let Ok(data) = file.data_after(start) {
            assert!(start <= data.start && data.start <= data.end && data.end <= size, "data at {data:?} of {size}");
        }
    }
    assert!(read_bytes(file.as_ref(), size, &mut [0]).is_err(), "a file can be read behind its end");
}

fn told(error: &FsError) {
    assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use ovum_disk::storage::testing::Memory;

    use super::*;

    /// What is walked through, its seeds, and how many of their names are seen.
    const TARGETS: [(&str, Open); 5] = [
        ("fs_ext", ext::open),
        ("fs_fat", fat::open),
        ("fs_xfs", xfs::open),
        ("fs_btrfs", btrfs::open),
        ("fs_iso9660", iso9660::open),
    ];

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target);
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Runs the bodies with seeds of which some bytes are others.
    fn spoil(rounds: u64, begin: u64) {
        let mut state = begin | 1;
        let mut random = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 16).unwrap() % end
        };
        for (target, open) in TARGETS {
            let seeds = seeds(target);
            for _ in 0..rounds {
                let mut seed = seeds[random(seeds.len())].clone();
                for _ in 0..=random(4) {
                    // Where the image is, not how long its runs are, mostly.
                    let at = 8 + random(seed.len() - 8);
                    seed[at] = match random(4) {
                        0 => 0xff,
                        1 => seed[at] ^ 1 << random(8),
                        2 => seed[at].wrapping_add(1),
                        _ => u8::try_from(random(256)).unwrap(),
                    };
                }
                body(&seed, open);
            }
        }
    }

    #[test]
    fn seeds_are_file_systems_and_nothing_breaks_where_they_are_spoilt() {
        for (target, open) in TARGETS {
            for seed in seeds(target) {
                assert!(seed.len() <= 64 << 10, "{target} has a seed of {} bytes", seed.len());
                assert!(body(&seed, open) > 20, "{target}");
            }
        }
        spoil(12, 1);
    }

    #[test]
    #[ignore = "takes as long as it is told: OVUM_ROUNDS"]
    fn nothing_breaks_for_long() {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        spoil(number("OVUM_ROUNDS").unwrap_or(1000), number("OVUM_BEGIN").unwrap_or(99));
    }

    #[test]
    fn an_image_in_short_is_the_image() {
        let mut bytes = vec![0; 200_000];
        for (at, len) in [(0, 3), (5, 1), (100, 70_000), (70_105, 20), (150_000, 1), (199_999, 1)] {
            bytes[at..at + len].fill(7);
        }
        let folded = fold(Memory::new(bytes.clone()).as_ref()).unwrap();
        assert!(folded.len() < 71_000);
        let sparse = Sparse::unfold(&folded).unwrap();
        let mut back = vec![1; bytes.len()];
        read_bytes(&sparse, 0, &mut back).unwrap();
        assert_eq!(back, bytes);
        read_bytes(&sparse, 60_000, &mut back[..30_000]).unwrap();
        assert_eq!(back[..30_000], bytes[60_000..90_000]);
    }
}
