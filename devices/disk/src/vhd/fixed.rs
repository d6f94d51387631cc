//! Fixed images: the disk's bytes, and a footer.

use std::io;
use std::sync::Arc;

use crate::error::Damage;
use crate::image::layout::{Layout, Piece, Run, Stamp};
use crate::storage::Storage;

use super::footer::Footer;
use super::spec::footer;

/// The map of a fixed image: one run.
#[derive(Debug)]
pub struct Fixed {
    storage: [Arc<dyn Storage>; 1],
    footer: Footer,
}

impl Fixed {
    /// The bytes before `footer`.
    pub fn new(storage: Arc<dyn Storage>, footer: Footer) -> Result<Self, Damage> {
        let size = footer.size();
        if size > footer.at {
            let problem = format!("{size} bytes, and the file has {} before its footer", footer.at);
            let at = footer.at + footer::CURRENT_SIZE as u64;
            return Err(Damage::new(storage.as_ref(), at, "Current Size", problem));
        }
        Ok(Self { storage: [storage], footer })
    }
}

impl Layout for Fixed {
    fn size(&self) -> u64 {
        self.footer.size()
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        Ok(Run { piece: Piece::Stored { storage: 0, offset }, len: limit })
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::Uuid(self.footer.id))
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        self.footer.details()
    }
}
