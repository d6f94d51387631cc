//! A file of a package while it is written: from front to back, each byte once, with its digest taken on the way.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ovum_disk::storage::{Storage, write_bytes};
use sha2::{Digest, Sha256};
use vm_memory::{Bytes, VolatileSlice};

use super::output::Slot;

/// A file that only grows.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    below: Arc<dyn Storage>,
    /// Where its first byte is, in what is below.
    start: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    size: u64,
    digest: Sha256,
}

/// A file that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) name: String,
    /// In bytes.
    pub(super) size: u64,
    /// SHA-256.
    pub(super) digest: [u8; 32],
}

impl Member {
    /// The file that belongs into `slot`, empty.
    pub(super) fn new(slot: &Slot) -> Self {
        let state = Mutex::default();
        Self { name: slot.name().to_owned(), below: slot.storage(), start: slot.start(), state }
    }

    /// Writes `bytes` behind what there is.
    pub(super) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        write_bytes(self, self.size(), bytes)
    }

    /// What it is written to.
    pub(super) fn below(&self) -> &dyn Storage {
        self.below.as_ref()
    }

    /// Its size and its digest.
    pub(super) fn finish(&self) -> Finished {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Finished { name: self.name.clone(), size: state.size, digest: state.digest.clone().finalize().into() }
    }
}

impl Storage for Member {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).size
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a file that is being packed is not read"))
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if offset != state.size {
            let text = format!("byte {offset} cannot follow byte {} of what is being packed", state.size);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let at = self.start.checked_add(offset).ok_or(io::ErrorKind::FileTooLarge)?;
        self.below.write_at(at, from)?;
        for part in from {
            let mut bytes = vec![0; part.len()];
            part.read_slice(&mut bytes, 0).map_err(io::Error::other)?;
            state.digest.update(&bytes);
            state.size += bytes.len() as u64;
        }
        Ok(())
    }
}
