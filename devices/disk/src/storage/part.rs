//! A part of another storage: a member of an archive, read where it lies.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use super::{Plain, Storage};
use crate::buffers::total;

/// The bytes in a range of another storage; read-only, because what lies around them is somebody else's.
#[derive(Debug)]
pub struct Part {
    name: String,
    whole: Arc<dyn Storage>,
    range: Range<u64>,
}

impl Part {
    /// The bytes of `whole` in `range`, called `name` in messages. `None` if the range is not inside of `whole`.
    #[must_use]
    pub fn new(name: &str, whole: Arc<dyn Storage>, range: Range<u64>) -> Option<Self> {
        let inside = range.start <= range.end && range.end <= whole.size();
        let name = format!("{} in {}", name, whole.name());
        inside.then_some(Self { name, whole, range })
    }
}

impl Storage for Part {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        match offset.checked_add(total(into)) {
            Some(end) if end <= self.size() => self.whole.read_at(self.range.start + offset, into),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        let start = self.range.start.saturating_add(offset).min(self.range.end);
        let data = self.whole.data_after(start)?;
        let inside = |at: u64| at.clamp(self.range.start, self.range.end) - self.range.start;
        Ok(inside(data.start)..inside(data.end))
    }

    fn plain(&self) -> Option<Plain<'_>> {
        let Plain { file, start } = self.whole.plain()?;
        Some(Plain { file, start: start.checked_add(self.range.start)? })
    }
}
