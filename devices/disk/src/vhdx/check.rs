//! What is wrong with an image beyond what reading it finds.

use std::io;

use crate::check::Findings;
use crate::error::{Damage, LayoutError};

use super::header::{Header, Regions};
use super::layout::Blocks;
use super::spec::{self, ALIGNMENT, BITMAP_SIZE};

/// Looks at both copies of headers and region tables, and for blocks where something else is.
pub fn check(image: &Blocks, findings: &mut Findings) -> io::Result<()> {
    copies(image, findings)?;
    let taken = taken(image);
    for (number, (what, start, end)) in taken.iter().enumerate() {
        let over = taken.iter().take(number).find(|(_, from, to)| from < end && start < to);
        if let Some((other, ..)) = over {
            let problem = format!("it is where {other} is");
            findings.add(Damage::new(image.storage(), *start, what, problem));
        }
    }
    let bitmaps = bitmaps(image, findings)?;
    let in_the_way = |start: u64, end: u64| {
        let fixed = taken.iter().find(|(_, from, to)| start < *to && *from < end).map(|(what, ..)| *what);
        let behind = bitmaps.partition_point(|bitmap| bitmap.saturating_add(BITMAP_SIZE) <= start);
        fixed.or(bitmaps.get(behind).filter(|bitmap| **bitmap < end).map(|_| "a sector bitmap"))
    };
    for index in 0..image.blocks() {
        let number = image.payload(index);
        let (state, place) = image.entry(number)?;
        if matches!(state, spec::PRESENT | spec::PARTIALLY_PRESENT)
            && let Some(what) = in_the_way(place, place.saturating_add(image.block_size))
        {
            findings.add(image.damage(number, format!("its block is at {place}, where {what} is")));
        }
    }
    Ok(())
}

/// What lies in the file beside blocks: a name, where it begins, where it ends.
fn taken(image: &Blocks) -> [(&'static str, u64, u64); 4] {
    let range = |offset: u64, length: u32| (offset, offset.saturating_add(length.into()));
    let log = range(image.header.log_offset, image.header.log_length);
    let bat = range(image.regions.bat.offset, image.regions.bat.length);
    let metadata = range(image.regions.metadata.offset, image.regions.metadata.length);
    [("Header", 0, ALIGNMENT), ("Log", log.0, log.1), ("BAT", bat.0, bat.1), ("Metadata", metadata.0, metadata.1)]
}

/// Where the sector bitmaps are, in order: at most one for 4 GiB of the disk.
fn bitmaps(image: &Blocks, findings: &mut Findings) -> io::Result<Vec<u64>> {
    let mut places = Vec::new();
    if image.metadata.parent.is_none() {
        return Ok(places);
    }
    let taken = taken(image);
    for chunk in 0..image.chunks() {
        let number = image.bitmap(chunk * image.chunk_ratio());
        let (state, place) = image.entry(number)?;
        if state != spec::PRESENT {
            continue;
        }
        let end = place.saturating_add(BITMAP_SIZE);
        if end > image.storage().size() {
            findings.add(image.damage(number, format!("its sector bitmap is at {place}, past the end of the file")));
        }
        if let Some((what, ..)) = taken.iter().find(|(_, from, to)| place < *to && *from < end) {
            findings.add(image.damage(number, format!("its sector bitmap is at {place}, where {what} is")));
        }
        places.push(place);
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        if let [one, other] = pair
            && one == other
        {
            findings.add(Damage::new(image.storage(), *one, "sector bitmap", "it is used for two chunks"));
        }
    }
    Ok(places)
}

/// Both headers and both region tables must be whole.
fn copies(image: &Blocks, findings: &mut Findings) -> io::Result<()> {
    let storage = image.storage();
    let headers = Header::both(storage).map_err(other)?;
    for header in headers {
        note(header.map(|_| ()), findings)?;
    }
    for at in spec::REGIONS_AT {
        let regions = Regions::read(storage, at);
        if regions.as_ref().is_ok_and(|regions| *regions != image.regions) {
            let problem = "it is not the same as the other one";
            findings.add(Damage::new(storage, at, "Region Table", problem));
        }
        note(regions.map(|_| ()), findings)?;
    }
    Ok(())
}

fn note(result: Result<(), LayoutError>, findings: &mut Findings) -> io::Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(LayoutError::Damaged(damage)) => {
            findings.add(damage);
            Ok(())
        }
        Err(error) => Err(other(error)),
    }
}

fn other(error: LayoutError) -> io::Error {
    match error {
        LayoutError::Io(error) => error,
        LayoutError::Damaged(damage) => damage.into(),
        error => io::Error::other(format!("{error:?}")),
    }
}
