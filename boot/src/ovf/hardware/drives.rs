//! Disks and CD-ROM drives: what is in them, and in which order a guest finds them.
//!
//! The order is that of a PC whose firmware goes through IDE, SCSI, SATA and NVMe, each by controller and by address, which is
//! how the products that made the appliances number their disks; what hangs on nothing comes last, as it is written. oVirt
//! marks the disk to start from instead, which is the first then.

use std::collections::HashSet;

use super::super::appliance::{Controller, ControllerKind, Drive, Source};
use super::super::disks::DiskFacts;
use super::super::reader::Reader;
use super::super::units::{self, Unit, shown};
use super::super::{DescriptorError, codes};
use super::build::Build;
use super::item::{HostResource, Item};
use super::role::Role;

/// A drive, and where it belongs.
pub struct Placed {
    drive: Drive,
    /// The place of its controller among all.
    controller: usize,
    /// It comes first.
    first: bool,
}

impl<'d> Build<'_, 'd, '_> {
    fn place(&mut self, item: &Item<'_>, source: Source) -> Placed {
        let parent = self.parent(item);
        let drive = Drive {
            instance: item.instance.as_deref().unwrap_or_default().to_owned(),
            name: item.name(),
            source,
            controller: parent.as_ref().map(|(_, controller)| controller.clone()),
            unit: item.order("AddressOnParent"),
            line: item.element.line(),
        };
        Placed { drive, controller: parent.map_or(usize::MAX, |(index, _)| index), first: false }
    }

    /// A disk, which must have something in it.
    ///
    /// # Errors
    /// When it is required and there is nothing that could be in it.
    pub(super) fn add_disk(&mut self, item: &Item<'d>) -> Result<(), DescriptorError> {
        match self.disk_source(item) {
            Ok((source, facts)) => {
                let mut placed = self.place(item, source);
                if let Some(facts) = facts {
                    placed.first = facts.boot && self.reader.is_ovirt;
                    let interface = facts.interface.filter(|_| placed.drive.controller.is_none());
                    placed.drive.controller = interface.map(own_controller).or(placed.drive.controller);
                }
                self.found_disks.push(placed);
                Ok(())
            }
            Err(error) if item.required() => Err(error),
            Err(error) => {
                self.leave_out(item, Role::Disk, &error.cause);
                Ok(())
            }
        }
    }

    fn disk_source(&mut self, item: &Item<'d>) -> Result<(Source, Option<DiskFacts>), DescriptorError> {
        let is_ovirt = self.reader.is_ovirt;
        let nothing = |id: &str| {
            let cause = format!("there is no disk \"{}\" in the DiskSection", shown(id));
            item.error("HostResource", cause, "correct the id, or add the disk to the DiskSection")
        };
        match item.host_resource() {
            Some(HostResource::Disk(id)) => {
                let facts = self.disks.take(&id, false)?.ok_or_else(|| nothing(&id))?;
                Ok((Source::Disk(facts.id.clone()), Some(facts)))
            }
            Some(HostResource::File(id)) => Ok((Source::File(self.file(item, &id)?), None)),
            // oVirt names the file of the disk, or has the item named like the disk.
            Some(HostResource::Other(path)) if is_ovirt => {
                let by_path = self.disks.take(&path, true)?;
                let by_instance =
                    |build: &mut Self| item.instance.as_deref().map_or(Ok(None), |id| build.disks.take(id, true));
                let facts = match by_path {
                    Some(facts) => Some(facts),
                    None => by_instance(self)?,
                };
                let facts = facts.ok_or_else(|| nothing(&path))?;
                Ok((Source::Disk(facts.id.clone()), Some(facts)))
            }
            Some(HostResource::Other(text)) => {
                let cause = format!("\"{}\" is not a disk or a file of the package", shown(&text));
                Err(item.error("HostResource", cause, "write ovf:/disk/ID, with the id of a disk in the DiskSection"))
            }
            None => self.new_disk(item).map(|id| (Source::Disk(id), None)),
        }
    }

    /// A disk that only its item describes: empty, as big as the item says.
    fn new_disk(&mut self, item: &Item<'_>) -> Result<String, DescriptorError> {
        let unit = item.field("AllocationUnits");
        // How many blocks it has, or how much of them is its own; a number of units is no size.
        let own_unit = item.field("VirtualQuantityUnits");
        let mut bytes = 0;
        for (name, unit) in [("VirtualQuantity", own_unit.or_else(|| unit.clone())), ("Reservation", unit)] {
            let Some(quantity) = item.field(name) else { continue };
            let Some(unit) = unit.filter(|unit| units::parse(unit).is_ok_and(|unit| unit.base == units::Base::Byte))
            else {
                continue;
            };
            let size =
                units::bytes(&quantity, Some(&unit), Unit::BYTE).map_err(|problem| item.wrong(name, &problem))?;
            bytes = size.max(bytes);
        }
        if bytes == 0 || i64::try_from(bytes).is_err() {
            let remedy = "write <rasd:HostResource>ovf:/disk/ID</rasd:HostResource>, with the id of a disk";
            return Err(item.error("HostResource", "the disk has nothing in it, and no size of its own", remedy));
        }
        let id = format!("{}/{}", self.system.id, item.instance.as_deref().unwrap_or("disk"));
        Ok(self.disks.add_empty(&id, bytes, item.element.line()))
    }

    fn file(&self, item: &Item<'_>, id: &str) -> Result<String, DescriptorError> {
        match self.files.by_id(id) {
            Some(file) => Ok(file.id.clone()),
            None => {
                let cause = format!("there is no file \"{}\" in References", shown(id));
                Err(item.error("HostResource", cause, "correct the id, or add the file to References"))
            }
        }
    }

    /// A CD-ROM drive, which may be empty.
    ///
    /// # Errors
    /// When it is required and what shall be in it is not there.
    pub(super) fn add_cdrom(&mut self, item: &Item<'d>) -> Result<(), DescriptorError> {
        let source = match item.host_resource() {
            Some(HostResource::Disk(id)) => match self.disks.take(&id, false)? {
                Some(facts) => Ok(Source::Disk(facts.id)),
                None => {
                    let cause = format!("there is no disk \"{}\" in the DiskSection", shown(&id));
                    Err(item.error("HostResource", cause, "correct the id, or add the disk to the DiskSection"))
                }
            },
            Some(HostResource::File(id)) => self.file(item, &id).map(Source::File),
            // A drive of the host, or a file on its storage, that is not in the package.
            Some(HostResource::Other(text)) => {
                let message =
                    format!("{} had \"{}\" in it, which is not in the package", item.shown("the drive"), shown(&text));
                self.reader.warn(codes::ITEM_VALUE_IGNORED, item.element, message);
                Ok(Source::Empty)
            }
            None => Ok(Source::Empty),
        };
        match source {
            Ok(source) => {
                let placed = self.place(item, source);
                self.found_cdroms.push(placed);
                Ok(())
            }
            Err(error) if item.required() => Err(error),
            Err(error) => {
                self.leave_out(item, Role::Cdrom, &error.cause);
                Ok(())
            }
        }
    }
}

/// What oVirt puts a disk on, which is not an item.
fn own_controller(kind: ControllerKind) -> Controller {
    Controller { instance: String::new(), kind, model: None, address: 0 }
}

/// Drives in the order in which the guest shall find them.
pub fn sorted(mut drives: Vec<Placed>, reader: &mut Reader<'_>) -> Vec<Drive> {
    let mut places = HashSet::new();
    for Placed { drive, controller, .. } in &drives {
        if let (Some(unit), false) = (drive.unit, *controller == usize::MAX)
            && !places.insert((*controller, unit))
        {
            let name =
                drive.name.as_deref().map_or_else(|| "a drive".to_owned(), |name| format!("\"{}\"", shown(name)));
            let message = format!("{name} has the address {unit}, which another drive on its controller has too");
            reader.warn_at(codes::ADDRESS_DUPLICATE, Some(drive.line), message);
        }
    }
    // Stable: what has the same place stays in the order of the descriptor.
    drives.sort_by_key(|placed| {
        let bus = placed.drive.controller.as_ref().map_or((true, 0, 0), |on| (false, kind_rank(on.kind), on.address));
        (!placed.first, bus, placed.controller, placed.drive.unit.unwrap_or(u32::MAX))
    });
    drives.into_iter().map(|placed| placed.drive).collect()
}

fn kind_rank(kind: ControllerKind) -> u8 {
    match kind {
        ControllerKind::Ide => 0,
        ControllerKind::Scsi => 1,
        ControllerKind::Sata => 2,
        ControllerKind::Nvme => 3,
        ControllerKind::Virtio => 4,
        ControllerKind::Usb => 5,
        ControllerKind::Other => 6,
    }
}
