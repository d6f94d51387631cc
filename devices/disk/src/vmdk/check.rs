//! What is wrong with a VMDK beyond its map: headers and copies that do not agree.

use std::io;

use super::header::{Headers, Packing, SparseHeader};
use super::layout::Vmdk;
use super::sparse::Sparse;
use super::spec;
use crate::SECTOR;
use crate::check::Findings;
use crate::error::Damage;

/// Checks the descriptor and all sparse extents.
///
/// # Errors
/// When a storage cannot be read.
pub fn check(vmdk: &Vmdk, findings: &mut Findings) -> io::Result<()> {
    let main = vmdk.main.as_ref();
    let descriptor = &vmdk.descriptor;
    if !descriptor.extents.is_empty() {
        if descriptor.cid.is_none() {
            findings.add(Damage::new(
                main,
                0,
                "CID",
                "the descriptor has none, so no image above it can tell that it is the same",
            ));
        }
        let sectors = descriptor.extents.iter().fold(0_u64, |sum, line| sum.saturating_add(line.sectors));
        let size = vmdk.extents.last().map_or(0, |extent| extent.start + extent.len);
        if sectors.saturating_mul(SECTOR) != size {
            let problem =
                format!("the descriptor's extents have {sectors} sectors, and the disk has {}", size / SECTOR);
            findings.add(Damage::new(main, 0, "extent", problem));
        }
    }
    for (_, sparse) in vmdk.sparse() {
        if let Some(headers) = &sparse.headers {
            check_header(sparse, headers, findings);
            check_redundant(sparse, &headers.valid, findings)?;
        }
    }
    Ok(())
}

fn check_header(sparse: &Sparse, headers: &Headers, findings: &mut Findings) {
    let Headers { front, valid, at } = headers;
    let mut add = |offset: u64, field, problem: &str| {
        findings.add(Damage::new(sparse.storage.as_ref(), at + offset, field, problem));
    };
    if valid.flags & spec::FLAG_NEWLINES != 0 && valid.newlines != spec::NEWLINES {
        add(73, "singleEndLineChar", "line ends were changed: the file was transferred as if it were text");
    }
    if valid.unclean_shutdown != 0 {
        add(72, "uncleanShutdown", "it was not closed by the program that wrote it last");
    }
    let compared = |header: &SparseHeader| {
        [
            u64::from(header.version),
            u64::from(header.flags),
            header.capacity,
            header.grain_size,
            u64::from(header.gtes_per_gt),
            u64::from(header.compression),
        ]
    };
    // Programs that do not know the size when they begin leave the capacity open.
    let front =
        SparseHeader { capacity: if front.capacity == 0 { valid.capacity } else { front.capacity }, ..front.clone() };
    if compared(&front) != compared(valid) {
        add(0, "footer", "it does not say the same as the header");
    }
    if sparse.geometry.packing == (Packing::Deflate { markers: false }) {
        add(8, "flags", "grains are compressed and have no markers");
    }
}

/// Whether the redundant tables say the same as those that are used.
fn check_redundant(sparse: &Sparse, header: &SparseHeader, findings: &mut Findings) -> io::Result<()> {
    if header.flags & spec::FLAG_REDUNDANT == 0 || header.rgd_offset == 0 {
        return Ok(());
    }
    let size = sparse.storage.size();
    let tables = sparse.geometry.tables();
    let directory = header.rgd_offset.saturating_mul(SECTOR);
    if directory.saturating_add(tables * 4) > size {
        findings.add(Damage::new(
            sparse.storage.as_ref(),
            48,
            "rgdOffset",
            "the redundant grain directory is not in the file",
        ));
        return Ok(());
    }
    // Tables are small: at most 4096 entries.
    let len = usize::try_from(sparse.geometry.gtes * 4).map_err(io::Error::other)?;
    let (mut used, mut spare) = (vec![0; len], vec![0; len]);
    for number in 0..tables {
        let place = directory + number * 4;
        let mut add =
            |problem| findings.add(Damage::new(sparse.storage.as_ref(), place, "redundant grain directory", problem));
        let entry = sparse.directory_entry(number)?;
        // An entry that is wrong was found when the disk was mapped.
        let Ok(table) = sparse.table(number, entry) else { continue };
        let redundant = u32::from_le_bytes(sparse.tables.array(place)?);
        match (entry, redundant) {
            (0, 0) => continue,
            (0, _) | (_, 0) => add("one of the two directories has a table, and the other has not"),
            _ if u64::from(redundant) * SECTOR + len as u64 > size => {
                add("the redundant grain table is not in the file")
            }
            _ => {
                sparse.tables.read(table, &mut used)?;
                sparse.tables.read(u64::from(redundant) * SECTOR, &mut spare)?;
                if used != spare {
                    add("the redundant grain table does not say the same as the one that is used");
                }
            }
        }
    }
    Ok(())
}
