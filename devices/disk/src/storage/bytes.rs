//! Bytes that the process holds: a small image that was made for one machine.

use std::fmt;
use std::io;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use super::Storage;
use crate::buffers::{fill, total};

/// Bytes in memory; read-only.
#[derive(Clone)]
pub struct Bytes {
    name: String,
    bytes: Arc<[u8]>,
}

impl Bytes {
    /// These bytes, called `name` in messages.
    #[must_use]
    pub fn new(name: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into() }
    }
}

impl Storage for Bytes {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let end = offset.checked_add(total(into)).and_then(|end| usize::try_from(end).ok());
        let start = usize::try_from(offset).ok();
        let bytes = start.zip(end).and_then(|(start, end)| self.bytes.get(start..end));
        fill(into, bytes.ok_or(io::ErrorKind::UnexpectedEof)?)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").field("name", &self.name).field("len", &self.bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::read_bytes;

    #[test]
    fn bytes_are_read_and_nothing_past_their_end() {
        let bytes = Bytes::new("seed", b"0123456789".to_vec());
        let mut four = [0; 4];
        read_bytes(&bytes, 6, &mut four).unwrap();
        assert_eq!(&four, b"6789");
        for offset in [7, 10, 11, u64::MAX - 2, u64::MAX] {
            let error = read_bytes(&bytes, offset, &mut four).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset}");
        }
        assert!(!format!("{bytes:?}").contains("48"), "contents are nobody's business");
    }
}
