//! A sparse extent: a directory of tables of grains.

use std::io;
use std::sync::Arc;

use super::header::{Geometry, Headers, Packing, cowd_geometry, field, read_sparse, sparse_geometry};
use super::{descriptor, grain, spec};
use crate::SECTOR;
use crate::error::{Damage, LayoutError};
use crate::image::layout::{Packed, Piece, Run};
use crate::image::tables::Tables;
use crate::storage::{Storage, read_array};

/// How many table entries are looked at for one run.
const LOOK_AHEAD: usize = 512;

/// A sparse extent of either family.
#[derive(Debug)]
pub struct Sparse {
    /// Its file.
    pub storage: Arc<dyn Storage>,
    /// Which of the layout's storages that is.
    pub index: usize,
    /// Where its tables are.
    pub geometry: Geometry,
    /// The header, and the footer, of a hosted one.
    pub headers: Option<Headers>,
    /// Its tables.
    pub tables: Tables,
}

/// What a grain table entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Absent,
    Zero,
    /// The grain's place in the file, in bytes.
    At(u64),
}

impl Sparse {
    /// Reads the header of an extent, which is storage `index` of the layout. `has_descriptor` says that another file
    /// describes it.
    ///
    /// # Errors
    /// [`LayoutError`].
    pub fn open(storage: Arc<dyn Storage>, index: usize, has_descriptor: bool) -> Result<Self, LayoutError> {
        let magic: [u8; 8] = if storage.size() < 8 { [0; 8] } else { read_array(storage.as_ref(), 0)? };
        let (geometry, headers) = if magic == spec::SE_SPARSE_MAGIC {
            let (what, remedy) = descriptor::SE_SPARSE;
            return Err(LayoutError::Unsupported { what: format!("{} {what}", storage.name()), remedy });
        } else if field(&magic, 0) == spec::COWD_MAGIC {
            (cowd_geometry(&storage, has_descriptor)?, None)
        } else {
            let headers = read_sparse(&storage)?;
            (sparse_geometry(&storage, &headers)?, Some(headers))
        };
        Ok(Self { index, geometry, headers, tables: Tables::new(Arc::clone(&storage)), storage })
    }

    /// As [`Layout::map`](crate::image::layout::Layout::map), but `at` and the places in the run count from the extent's
    /// beginning.
    pub fn map(&self, at: u64, limit: u64) -> io::Result<Run> {
        let coverage = self.geometry.coverage();
        let table = at / coverage;
        let entry = self.directory_entry(table)?;
        if entry == 0 {
            self.map_tables(at, limit, table)
        } else {
            self.map_grains(at, limit, self.table(table, entry)?)
        }
    }

    /// The directory's entry for a table: its sector, or 0.
    pub fn directory_entry(&self, table: u64) -> io::Result<u32> {
        // The directory was checked to lie in the file.
        self.tables.array(self.geometry.directory + table * 4).map(u32::from_le_bytes)
    }

    /// Where a table is, in bytes, by its number and directory entry.
    pub fn table(&self, number: u64, entry: u32) -> io::Result<u64> {
        let at = u64::from(entry) * SECTOR;
        if at + self.geometry.gtes * 4 > self.storage.size() {
            let problem =
                format!("the grain table at {at} ends past the end of the file ({} bytes)", self.storage.size());
            let place = self.geometry.directory + number * 4;
            return Err(Damage::new(self.storage.as_ref(), place, "grain directory entry", problem).into());
        }
        Ok(at)
    }

    /// A run of tables that do not exist, from `table` on.
    fn map_tables(&self, at: u64, limit: u64, table: u64) -> io::Result<Run> {
        let coverage = self.geometry.coverage();
        let last = at.saturating_add(limit - 1).min(self.geometry.size - 1) / coverage;
        let mut buffer = [0; LOOK_AHEAD * 4];
        let entries = self.entries(self.geometry.directory + table * 4, last - table + 1, &mut buffer)?;
        let absent = entries.take_while(|entry| *entry == 0).count().max(1) as u64;
        let end = (table + absent).saturating_mul(coverage).min(self.geometry.size);
        Ok(Run { piece: Piece::Absent, len: (end - at).min(limit) })
    }

    /// A run within the table at `table`.
    fn map_grains(&self, at: u64, limit: u64, table: u64) -> io::Result<Run> {
        let Geometry { grain, gtes, size, .. } = self.geometry;
        let (first, inside) = ((at / grain) % gtes, at % grain);
        // One more than is asked for: where the next grain begins is about where a packed one ends.
        let wanted = (inside.saturating_add(limit)).div_ceil(grain).saturating_add(1);
        let mut buffer = [0; LOOK_AHEAD * 4];
        let place = table + first * 4;
        let mut raw = self.entries(place, wanted.min(gtes - first), &mut buffer)?;
        let first = raw.next().unwrap_or_default();
        let begin = at - inside;
        let visible = grain.min(size - begin);
        match (self.entry(first, place)?, self.geometry.packing) {
            (Entry::At(offset), Packing::Deflate { .. }) => {
                let next = raw.map(|entry| u64::from(entry) * SECTOR).find(|next| *next > SECTOR);
                let piece = Piece::Packed(self.packed(begin, visible, offset, next.unwrap_or(table)));
                Ok(Run { piece, len: (visible - inside).min(limit) })
            }
            (Entry::At(offset), Packing::Plain) => {
                if offset + visible > self.storage.size() {
                    return Err(self.outside(place, offset).into());
                }
                let mut len = visible;
                for (entry, number) in raw.zip(1..) {
                    // What is past the end of the file, or wrong in another way, is found where it is asked for.
                    let here = grain.min(size.saturating_sub(begin.saturating_add(number * grain)));
                    if u64::from(entry) * SECTOR != offset + len || offset + len + here > self.storage.size() {
                        break;
                    }
                    len += here;
                }
                let piece = Piece::Stored { storage: self.index, offset: offset + inside };
                Ok(Run { piece, len: (len - inside).min(limit) })
            }
            (entry, _) => {
                let same =
                    raw.zip(1..).take_while(|(raw, number)| self.entry(*raw, place + number * 4).ok() == Some(entry));
                let end = begin.saturating_add(grain * (1 + same.count() as u64)).min(size);
                let piece = if entry == Entry::Zero { Piece::Zero } else { Piece::Absent };
                Ok(Run { piece, len: (end - at).min(limit) })
            }
        }
    }

    /// Up to `count` table entries at `place`, as many as `buffer` holds.
    fn entries<'b>(
        &self,
        place: u64,
        count: u64,
        buffer: &'b mut [u8; LOOK_AHEAD * 4],
    ) -> io::Result<impl Iterator<Item = u32> + 'b> {
        let count = usize::try_from(count).unwrap_or(LOOK_AHEAD).min(LOOK_AHEAD);
        let bytes = buffer.get_mut(..count * 4).unwrap_or_default();
        self.tables.read(place, bytes)?;
        let (entries, _) = bytes.as_chunks::<4>();
        Ok(entries.iter().map(|bytes| u32::from_le_bytes(*bytes)))
    }

    /// What an entry means, which stands at `place`.
    fn entry(&self, raw: u32, place: u64) -> io::Result<Entry> {
        match raw {
            0 => Ok(Entry::Absent),
            spec::GTE_ZERO if self.geometry.zero_grains => Ok(Entry::Zero),
            spec::GTE_ZERO => {
                let problem = "it is 1, and the header does not say that this means zeroes";
                Err(Damage::new(self.storage.as_ref(), place, "grain table entry", problem).into())
            }
            sector => {
                let offset = u64::from(sector) * SECTOR;
                if offset >= self.storage.size() {
                    Err(self.outside(place, offset).into())
                } else {
                    Ok(Entry::At(offset))
                }
            }
        }
    }

    fn outside(&self, place: u64, offset: u64) -> Damage {
        let problem = format!("the grain at {offset} ends past the end of the file ({} bytes)", self.storage.size());
        Damage::new(self.storage.as_ref(), place, "grain table entry", problem)
    }

    /// A compressed grain at `offset` of the file. How long it is stands in its marker, which is not read here; but grains
    /// are written one after the other, and a table behind its grains, so it ends about where `next` begins.
    fn packed(&self, start: u64, len: u64, offset: u64, next: u64) -> Packed {
        let most = grain::most_packed(self.geometry.grain);
        let most = if next > offset { most.min(next - offset) } else { most };
        let clip = |len| u32::try_from(len).unwrap_or(u32::MAX);
        let packed_len = clip(most.min(self.storage.size() - offset));
        Packed { start, len: clip(len), storage: self.index, offset, packed_len }
    }
}
