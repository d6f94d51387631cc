//! LVM2: physical volumes among the volumes that are known, and the logical volumes of their groups.
//!
//! A physical volume has a label in one of its first four sectors, which leads to a ring of text; the text describes the
//! whole group ([`text`]). A logical volume is a row of segments, each a run of extents of a physical volume; only linear
//! ones are read (`mapping`).

mod group;
mod label;
mod mapping;
pub mod text;

use std::sync::Arc;

use super::{MAX_VOLUMES, Place, Volume, Volumes};
use group::Group;
use label::PhysicalVolume;
#[cfg(any(test, feature = "test-support"))]
pub(super) use label::checksum;
use mapping::{Mapping, Run};

/// Adds the logical volumes of all groups that have metadata on a volume that is there already.
pub(super) fn add(found: &mut Volumes) {
    let mut physical = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    for (index, volume) in found.volumes.iter().enumerate() {
        let mut pv = match label::read(&*volume.storage) {
            Ok(Some(pv)) => pv,
            Ok(None) => continue,
            Err(problem) => {
                found.notes.push(format!("{}: LVM: {problem}", volume.name));
                continue;
            }
        };
        let text = pv.text.take();
        physical.push((index, pv));
        match text.map(|text| Group::parse(&text)) {
            Some(Ok(group)) => keep_newest(&mut groups, group),
            Some(Err(problem)) => found.notes.push(format!("{}: LVM metadata: {problem}", volume.name)),
            None => {}
        }
    }
    let mut logical = Vec::new();
    for group in &groups {
        for volume in &group.volumes {
            if logical.len() + found.volumes.len() >= MAX_VOLUMES {
                break;
            }
            match assemble(group, volume, &physical, &found.volumes) {
                Ok(volume) => logical.push(volume),
                Err(problem) => found.notes.push(format!("{}/{}: {problem}", group.name, volume.name)),
            }
        }
    }
    found.volumes.extend(logical);
}

/// All physical volumes tell of the group; the highest sequence number is the latest.
fn keep_newest(groups: &mut Vec<Group>, group: Group) {
    match groups.iter_mut().find(|known| known.uuid == group.uuid) {
        Some(known) if known.sequence < group.sequence => *known = group,
        Some(_) => {}
        None => groups.push(group),
    }
}

/// Puts a logical volume together from the physical volumes that are there.
fn assemble(
    group: &Group,
    logical: &group::Logical,
    physical: &[(usize, PhysicalVolume)],
    volumes: &[Volume],
) -> Result<Volume, String> {
    if let Some(problem) = &logical.problem {
        return Err(problem.clone());
    }
    let mut runs = Vec::new();
    let mut disk = None;
    for segment in &logical.segments {
        let (name, uuid) = group.physical(&segment.physical)?;
        let home = physical.iter().find(|(_, pv)| pv.uuid == uuid).and_then(|(index, _)| volumes.get(*index));
        let home = home.ok_or_else(|| format!("its physical volume {name} ({uuid}) is on none of the disks"))?;
        disk = disk.or(Some(home.disk));
        runs.push(Run { start: segment.start, len: segment.len, on: home.storage.clone(), at: segment.at });
    }
    let name = format!("{}/{}", group.name, logical.name);
    let mapping = Mapping::new(&name, runs)?;
    let place = Place::Lvm {
        group: group.name.clone(),
        volume: logical.name.clone(),
        group_uuid: group.uuid.clone(),
        uuid: logical.uuid.clone(),
    };
    Ok(Volume { name, storage: Arc::new(mapping), disk: disk.unwrap_or(0), place })
}

/// The body of the fuzz target `lvm`: any text is read as that of a group.
#[cfg(any(test, feature = "test-support"))]
pub fn fuzz(text: &[u8]) {
    if let Ok(group) = Group::parse(text) {
        for volume in &group.volumes {
            assert!(volume.problem.is_some() || !volume.segments.is_empty(), "a volume of nothing");
            // None of the physical volumes is there, so each is missed, or the text does not know it.
            assert!(assemble(&group, volume, &[], &[]).is_err());
        }
    }
}
