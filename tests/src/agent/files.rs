//! Files that come and go. Blocks of zeroes are holes on both sides.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::Reply;
use super::protocol::{BLOCK, Event};

/// A file that is being received.
pub(super) struct Incoming {
    file: File,
    failure: Option<io::Error>,
}

impl Incoming {
    /// Makes the file with its full size. A file of that name is replaced, not written into: somebody may be running
    /// or reading it.
    pub(super) fn create(path: &str, mode: u32, size: u64) -> io::Result<Self> {
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.set_len(size)?;
        Ok(Self { file, failure: None })
    }

    pub(super) fn block(&mut self, offset: u64, bytes: &[u8]) {
        if let Err(error) = self.file.write_all_at(bytes, offset) {
            self.failure.get_or_insert(error);
        }
    }

    pub(super) fn close(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

/// Sends the file's blocks; returns its size as decimal digits.
pub(super) fn send(id: u32, path: &str, reply: &Reply) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut block = vec![0; BLOCK];
    let mut offset = 0;
    loop {
        let length = file.read_at(&mut block, offset)?;
        let bytes = &block[..length];
        if length == 0 {
            return Ok(offset.to_string().into_bytes());
        }
        if !is_zero(bytes) {
            reply.send(&Event::Block { id, offset }, bytes);
        }
        offset += length as u64;
    }
}

/// Whether all bytes are zero; compares with a block of zeroes, which is fast even without optimisation.
#[must_use]
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    static ZEROES: [u8; BLOCK] = [0; BLOCK];
    bytes.chunks(BLOCK).all(|chunk| chunk == &ZEROES[..chunk.len()])
}
