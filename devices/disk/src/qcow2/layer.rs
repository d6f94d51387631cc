//! An image that is only read.

use std::io;
use std::sync::Arc;

use super::header::Header;
use super::lookup::Lookup;
use super::{check, packed};
use crate::check::Findings;
use crate::error::LayoutError;
use crate::image::layout::{Layout, Packed, Run};
use crate::image::tables::Tables;
use crate::storage::Storage;

/// The layer of an image that is only read.
#[derive(Debug)]
pub struct Fixed {
    storage: [Arc<dyn Storage>; 1],
    tables: Tables,
    header: Header,
}

impl Fixed {
    /// Reads the header.
    pub fn read(storage: Arc<dyn Storage>) -> Result<Self, LayoutError> {
        let tables = Tables::new(Arc::clone(&storage));
        let header = Header::read(storage.as_ref(), &tables)?;
        Ok(Self { storage: [storage], tables, header })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    fn storage(&self) -> &dyn Storage {
        let [storage] = &self.storage;
        storage.as_ref()
    }
}

impl Layout for Fixed {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        let header = &self.header;
        Lookup { header, l1: header.l1, storage: self.storage(), entries: &self.tables }.map(offset, limit)
    }

    fn unpack(&self, packed: &Packed) -> io::Result<Vec<u8>> {
        packed::unpack(self.storage(), self.header.compression, packed)
    }

    fn block_size(&self) -> Option<u64> {
        Some(self.header.cluster())
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        self.header.details()
    }

    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        check::check(&self.header, self.storage(), findings)
    }
}
