//! Writes cpio archives of the "newc" kind, which is what Linux unpacks as an initramfs
//! (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! An archive is a stream of entries: a header of 110 ASCII bytes, the name, the data, each padded to four bytes. The
//! kernel unpacks several archives that stand one after another, so files can be added to an initramfs by appending an
//! archive to it. The same calls give the same bytes on every host: inode numbers count up from 1 and every
//! time stamp is 0.

use std::io::{self, Read, Write};

use thiserror::Error;

/// "newc" without checksums.
const MAGIC: &str = "070701";
/// Every header, name and file starts at a multiple of this, in bytes from the start of the archive.
const ALIGNMENT: usize = 4;
/// The name that marks the end of the archive.
const TRAILER: &str = "TRAILER!!!";
/// The kernel refuses longer names (PATH_MAX in init/initramfs.c), the closing NUL included, in bytes.
const MAX_NAME: usize = 4096;

// stat(2), st_mode: the bits that hold the kind of file and those that hold its permissions.
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_PERMISSIONS: u32 = 0o7_777;

/// Why an archive could not be written.
#[derive(Debug, Error)]
pub enum CpioError {
    /// The archive's destination, or the source of a file, failed.
    #[error("{name}: {source}")]
    Io {
        /// The entry that was being written.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file's source ended before the promised length.
    #[error("{name}: only {found} of {promised} bytes could be read")]
    Short {
        /// The entry's name.
        name: String,
        /// The length that the caller gave, in bytes.
        promised: u64,
        /// The length that the source had, in bytes.
        found: u64,
    },
    /// A length does not fit in the eight hexadecimal digits that the format has for it.
    #[error("{name}: {length} bytes are more than a cpio archive can hold in one entry")]
    TooLong {
        /// The entry's name.
        name: String,
        /// The entry's length in bytes.
        length: u64,
    },
    /// A name that the kernel would not unpack as it stands.
    #[error("{name:?} cannot be a name in a cpio archive: {reason}")]
    BadName {
        /// The name as the caller gave it.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A mode for [`Writer::node`] that names neither a character nor a block device.
    #[error("{name}: mode {mode:#o} is not that of a character or block device")]
    NotADevice {
        /// The entry's name.
        name: String,
        /// The mode as the caller gave it.
        mode: u32,
    },
}

impl CpioError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Io { .. } => "check that the source can be read and that the destination has room".to_owned(),
            Self::Short { .. } => "write the archive again when nothing changes the file any more".to_owned(),
            Self::TooLong { .. } => "leave the file out, or give it to the guest on a disk".to_owned(),
            Self::BadName { .. } => "give a relative path of at most 4095 bytes".to_owned(),
            Self::NotADevice { .. } => "give 0o020000 (character) or 0o060000 (block) plus the permissions".to_owned(),
        }
    }
}

/// What differs between the entries' headers.
struct Header {
    mode: u32,
    links: u32,
    length: u32,
    device: (u32, u32),
}

/// Writes an archive to `W`, entry by entry.
///
/// Paths are relative to the root of the archive; a leading `/` is dropped. Directories are not made for the files in
/// them: name each before what lies in it, as the kernel creates entries in the order of the archive. Modes may be given
/// with or without the bits for the kind of file.
#[derive(Debug)]
pub struct Writer<W: Write> {
    destination: W,
    /// Bytes written so far, to pad by.
    position: u64,
    /// The last inode number given out.
    inode: u32,
}

impl<W: Write> Writer<W> {
    /// Starts an archive at the destination's current position, which must be a multiple of 4 bytes from the start of
    /// the initramfs.
    pub fn new(destination: W) -> Self {
        Self { destination, position: 0, inode: 0 }
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// [`CpioError`] for a name that the kernel would refuse and for a failing destination.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<(), CpioError> {
        let mode = S_IFDIR | (mode & S_PERMISSIONS);
        self.entry(path, &Header { mode, links: 2, length: 0, device: (0, 0) })
    }

    /// Adds a file of `length` bytes, read from `data` piece by piece. What `data` holds beyond is left in it.
    ///
    /// # Errors
    /// [`CpioError`] for a name that the kernel would refuse, a length of 4 GiB or more, data that ends early, and a
    /// failing source or destination. The archive is of no use afterwards.
    pub fn file(&mut self, path: &str, mode: u32, length: u64, data: &mut dyn Read) -> Result<(), CpioError> {
        let mode = S_IFREG | (mode & S_PERMISSIONS);
        let short = u32::try_from(length).map_err(|_| CpioError::TooLong { name: path.to_owned(), length })?;
        self.entry(path, &Header { mode, links: 1, length: short, device: (0, 0) })?;
        let found = io::copy(&mut data.take(length), &mut self.destination).map_err(|source| io_error(path, source))?;
        self.position = self.position.saturating_add(found);
        if found != length {
            return Err(CpioError::Short { name: path.to_owned(), promised: length, found });
        }
        self.pad(path)
    }

    /// Adds a symbolic link that says `target`.
    ///
    /// # Errors
    /// [`CpioError`] for a name or target that the kernel would refuse and for a failing destination.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), CpioError> {
        check_name(target)?;
        let length = u32::try_from(target.len())
            .map_err(|_| CpioError::BadName { name: target.to_owned(), reason: "it is too long" })?;
        self.entry(path, &Header { mode: S_IFLNK | 0o777, links: 1, length, device: (0, 0) })?;
        self.write(path, target.as_bytes())?;
        self.pad(path)
    }

    /// Adds a device node; `mode` says whether it is a character (0o020000) or a block device (0o060000).
    ///
    /// # Errors
    /// [`CpioError`] for a name that the kernel would refuse, another kind of file and a failing destination.
    pub fn node(&mut self, path: &str, mode: u32, major: u32, minor: u32) -> Result<(), CpioError> {
        if !matches!(mode & S_IFMT, S_IFCHR | S_IFBLK) {
            return Err(CpioError::NotADevice { name: path.to_owned(), mode });
        }
        let mode = mode & (S_IFMT | S_PERMISSIONS);
        self.entry(path, &Header { mode, links: 1, length: 0, device: (major, minor) })
    }

    /// Ends the archive and gives the destination back. An archive that is dropped instead is not complete.
    ///
    /// # Errors
    /// [`CpioError::Io`] for a failing destination.
    pub fn finish(mut self) -> Result<W, CpioError> {
        self.header(TRAILER, 0, &Header { mode: 0, links: 1, length: 0, device: (0, 0) })?;
        self.destination.flush().map_err(|source| io_error(TRAILER, source))?;
        Ok(self.destination)
    }

    fn entry(&mut self, path: &str, header: &Header) -> Result<(), CpioError> {
        let name = path.trim_start_matches('/');
        check_name(name)?;
        if name == TRAILER {
            return Err(CpioError::BadName { name: name.to_owned(), reason: "it marks the end of an archive" });
        }
        self.inode = self.inode.saturating_add(1);
        self.header(name, self.inode, header)
    }

    /// Writes a header and the name, padded: thirteen fields of eight hexadecimal digits follow the magic.
    fn header(&mut self, name: &str, inode: u32, header: &Header) -> Result<(), CpioError> {
        let name_size = name.len() + 1;
        let Header { mode, links, length, device: (major, minor) } = header;
        // magic, ino, mode, uid, gid, nlink, mtime, filesize, maj, min, rmaj, rmin, namesize, chksum
        let text = format!(
            "{MAGIC}{inode:08X}{mode:08X}{0:08X}{0:08X}{links:08X}{0:08X}{length:08X}{0:08X}{0:08X}{major:08X}{minor:08X}\
             {name_size:08X}{0:08X}{name}\0",
            0
        );
        self.write(name, text.as_bytes())?;
        self.pad(name)
    }

    fn pad(&mut self, name: &str) -> Result<(), CpioError> {
        let zeros = [0; ALIGNMENT];
        let missing =
            usize::try_from(self.position.next_multiple_of(ALIGNMENT as u64) - self.position).unwrap_or_default();
        self.write(name, zeros.get(..missing).unwrap_or_default())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), CpioError> {
        self.destination.write_all(bytes).map_err(|source| io_error(name, source))?;
        self.position = self.position.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

fn io_error(name: &str, source: io::Error) -> CpioError {
    CpioError::Io { name: name.to_owned(), source }
}

fn check_name(name: &str) -> Result<(), CpioError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.contains('\0') {
        "it holds a NUL"
    } else if name.len() >= MAX_NAME {
        "it is longer than 4095 bytes"
    } else {
        return Ok(());
    };
    Err(CpioError::BadName { name: name.to_owned(), reason })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;

    fn small() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer.directory("dev", 0o755).unwrap();
        writer.node("dev/console", S_IFCHR | 0o600, 5, 1).unwrap();
        writer.file("/init", 0o755, 5, &mut &b"hello world"[..]).unwrap();
        writer.symlink("sh", "init").unwrap();
        writer.finish().unwrap()
    }

    /// One field of the header that starts at `at`; 0 is the inode number.
    fn field(archive: &[u8], at: usize, number: usize) -> u32 {
        let start = at + 6 + 8 * number;
        let digits = std::str::from_utf8(&archive[start..start + 8]).unwrap();
        u32::from_str_radix(digits, 16).unwrap()
    }

    #[test]
    fn entries_are_laid_out_as_the_kernel_reads_them() {
        let archive = small();
        let mut at = 0;
        let mut seen = Vec::new();
        loop {
            assert_eq!(&archive[at..at + 6], MAGIC.as_bytes());
            let name_size = field(&archive, at, 11) as usize;
            let name = String::from_utf8(archive[at + 110..at + 110 + name_size - 1].to_vec()).unwrap();
            assert_eq!(archive[at + 110 + name_size - 1], 0);
            let data = (at + 110 + name_size).next_multiple_of(4);
            let length = field(&archive, at, 6) as usize;
            seen.push((
                field(&archive, at, 0),
                name.clone(),
                field(&archive, at, 1),
                archive[data..data + length].to_vec(),
            ));
            at = (data + length).next_multiple_of(4);
            if name == TRAILER {
                break;
            }
        }
        assert_eq!(at, archive.len());
        let expected: Vec<(u32, String, u32, Vec<u8>)> = vec![
            (1, "dev".into(), 0o040_755, vec![]),
            (2, "dev/console".into(), 0o020_600, vec![]),
            (3, "init".into(), 0o100_755, b"hello".to_vec()),
            (4, "sh".into(), 0o120_777, b"init".to_vec()),
            (0, TRAILER.into(), 0, vec![]),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_device_node_carries_its_numbers() {
        let mut writer = Writer::new(Vec::new());
        writer.node("vda", S_IFBLK | 0o600, 254, 3).unwrap();
        let archive = writer.finish().unwrap();
        assert_eq!((field(&archive, 0, 9), field(&archive, 0, 10)), (254, 3));
    }

    #[test]
    fn the_same_calls_give_the_same_bytes() {
        assert_eq!(small(), small());
    }

    #[test]
    fn what_the_kernel_would_not_unpack_is_refused() {
        let mut writer = Writer::new(Vec::new());
        assert!(matches!(writer.directory("", 0o755), Err(CpioError::BadName { .. })));
        assert!(matches!(writer.directory("/", 0o755), Err(CpioError::BadName { .. })));
        assert!(matches!(writer.directory("a\0b", 0o755), Err(CpioError::BadName { .. })));
        assert!(matches!(writer.directory(TRAILER, 0o755), Err(CpioError::BadName { .. })));
        assert!(matches!(writer.symlink("a", &"x".repeat(4096)), Err(CpioError::BadName { .. })));
        assert!(matches!(writer.node("a", S_IFREG, 0, 0), Err(CpioError::NotADevice { .. })));
        assert!(matches!(writer.file("a", 0o644, 1 << 32, &mut io::empty()), Err(CpioError::TooLong { .. })));
        assert!(writer.finish().unwrap().len() < 200, "refused entries leave nothing behind");
    }

    #[test]
    fn a_source_that_ends_early_is_told() {
        let mut writer = Writer::new(Vec::new());
        let error = writer.file("a", 0o644, 10, &mut &b"abc"[..]).unwrap_err();
        assert_eq!(error.to_string(), "a: only 3 of 10 bytes could be read");
    }
}
