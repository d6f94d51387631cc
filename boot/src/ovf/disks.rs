//! DiskSection and SharedDiskSection: virtual disks (DSP0243 9.1, 2.x 9.13).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::appliance::{ControllerKind, DeclaredFormat, Disk};
use super::disk_format;
use super::reader::Reader;
use super::references::Files;
use super::units::{self, Unit, UnitProblem, shown};
use super::xml::Element;
use super::{DescriptorError, codes};

/// No file, and so no disk, is bigger.
const MAX_CAPACITY: u64 = i64::MAX.unsigned_abs();
/// How long a chain of disks that hold changes to each other may be.
const MAX_CHAIN: usize = 64;
/// oVirt counts the sizes of disks in these.
const OVIRT_UNIT: Option<&str> = Some("byte * 2^30");

/// The disks, found by id.
#[derive(Default)]
pub struct Disks<'d> {
    entries: Vec<DiskEntry<'d>>,
    by_id: HashMap<String, usize>,
    /// oVirt's drives name the file.
    by_file: HashMap<&'d str, usize>,
}

/// A disk, and what of it is not plain data.
struct DiskEntry<'d> {
    disk: Disk,
    /// Where it stands; a disk that only an item describes stands nowhere.
    element: Option<Element<'d>>,
    /// The property that says how big it is.
    capacity_property: Option<&'d str>,
    /// Why no drive can use it.
    problem: Option<DescriptorError>,
    /// How many drives use it, as it is or through a disk with changes to it.
    users: usize,
    /// What oVirt says that it hangs on.
    interface: Option<ControllerKind>,
    /// Whether oVirt starts from it.
    boot: bool,
}

/// What a drive has to know about its disk.
pub struct DiskFacts {
    /// Its id.
    pub id: String,
    /// The bus that oVirt puts it on.
    pub interface: Option<ControllerKind>,
    /// Whether oVirt starts from it.
    pub boot: bool,
}

impl<'d> Disks<'d> {
    /// Reads the disks of one section.
    ///
    /// # Errors
    /// When a disk has no id, or that of another, or a size that is no size; when the section is not understood.
    pub fn read(
        &mut self,
        section: Element<'d>,
        files: &Files,
        reader: &mut Reader<'_>,
    ) -> Result<(), DescriptorError> {
        if !reader.understands(section, &["Info", "Disk", "SharedDisk"])? {
            return Ok(());
        }
        for element in section.children().filter(|child| child.is("Disk") || child.is("SharedDisk")) {
            self.add(element, files, reader)?;
        }
        Ok(())
    }

    fn add(&mut self, element: Element<'d>, files: &Files, reader: &mut Reader<'_>) -> Result<(), DescriptorError> {
        let id = element
            .word("diskId")
            .ok_or_else(|| element.attr_error("diskId", "a disk has no id", "give each disk an id of its own"))?;
        let index = self.entries.len();
        match self.by_id.entry(id.to_owned()) {
            Entry::Occupied(_) => {
                let cause = format!("another disk has the id \"{}\" too", shown(id));
                return Err(element.attr_error("diskId", cause, "give each disk an id of its own"));
            }
            Entry::Vacant(entry) => entry.insert(index),
        };
        let mut problem = None;
        let reference = element.word("fileRef");
        let file = reference
            .and_then(|reference| if reader.is_ovirt { files.find(reference) } else { files.by_id(reference) });
        if let Some(reference) = reference {
            self.by_file.entry(reference).or_insert(index);
            if file.is_none() {
                let cause = format!("there is no file \"{}\" in References", shown(reference));
                problem = Some(element.attr_error("fileRef", cause, "correct the id, or add the file to References"));
            }
        }
        if element.attr("lun_id").is_some() || element.attr("lun_mapping").is_some() {
            let cause = "the disk is a LUN of a storage server, not a file of the package";
            problem = Some(element.error(cause, "export the machine with this disk copied to an image"));
        }
        let (capacity_bytes, capacity_property) = capacity(element, file.is_some(), reader)?;
        let disk = Disk {
            id: id.to_owned(),
            file: file.map(|file| file.id.clone()),
            format: disk_format::declared(element, file.is_some() && problem.is_none(), reader),
            capacity_bytes,
            populated_bytes: populated(element, capacity_bytes, reader),
            parent: element.word("parentRef").map(str::to_owned),
            line: element.line(),
        };
        self.entries.push(DiskEntry {
            disk,
            element: Some(element),
            capacity_property,
            problem,
            users: 0,
            interface: element.attr("disk-interface").and_then(interface),
            boot: element.boolean("boot").unwrap_or(false),
        });
        Ok(())
    }

    /// A disk that stands in no DiskSection, but is described by the item of its drive: empty, and of this size. Its id.
    pub fn add_empty(&mut self, wanted_id: &str, capacity_bytes: u64, line: u32) -> String {
        let mut id = wanted_id.to_owned();
        while self.by_id.contains_key(&id) {
            id.push('\'');
        }
        self.by_id.insert(id.clone(), self.entries.len());
        let disk = Disk {
            id: id.clone(),
            file: None,
            format: DeclaredFormat::Undeclared,
            capacity_bytes,
            populated_bytes: None,
            parent: None,
            line,
        };
        self.entries.push(DiskEntry {
            disk,
            element: None,
            capacity_property: None,
            problem: None,
            users: 1,
            interface: None,
            boot: false,
        });
        id
    }

    /// Takes a disk into use: by its id, or, in oVirt's dialect, by that of its file. None: there is no such disk.
    ///
    /// # Errors
    /// When the disk, or one that it holds changes to, cannot be used.
    pub fn take(&mut self, id: &str, by_file: bool) -> Result<Option<DiskFacts>, DescriptorError> {
        let found = self.by_id.get(id).or_else(|| self.by_file.get(id).filter(|_| by_file)).copied();
        let Some(first) = found else { return Ok(None) };
        let mut at = first;
        for _ in 0..MAX_CHAIN {
            let Some(entry) = self.entries.get_mut(at) else { return Ok(None) };
            if let Some(problem) = &entry.problem {
                return Err(problem.clone());
            }
            entry.users += 1;
            let Some(parent) = &entry.disk.parent else {
                let entry = self.entries.get(first);
                return Ok(entry.map(|entry| DiskFacts {
                    id: entry.disk.id.clone(),
                    interface: entry.interface,
                    boot: entry.boot,
                }));
            };
            at = match self.by_id.get(parent) {
                Some(parent) => *parent,
                None => {
                    let cause = format!("there is no disk \"{}\"", shown(parent));
                    return Err(entry.error("parentRef", cause, "correct the id, or add the disk to the DiskSection"));
                }
            };
        }
        let cause = format!("the disk holds changes to itself, or to a chain of more than {MAX_CHAIN} disks");
        let error =
            self.entries.get(first).map(|entry| entry.error("parentRef", cause, "correct the parents of the disks"));
        error.map_or(Ok(None), Err)
    }

    /// Gives disks the sizes that properties say, says what is odd about disks that nobody uses, and hands the disks over.
    ///
    /// # Errors
    /// When a property that says how big a disk is is not there, or its value is no size.
    pub fn finish<'p>(
        self,
        mut property: impl FnMut(&str) -> Option<&'p str>,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Disk>, DescriptorError> {
        let mut disks = Vec::with_capacity(self.entries.len());
        for mut entry in self.entries {
            let line = Some(entry.disk.line);
            if let (Some(name), Some(element)) = (entry.capacity_property, entry.element) {
                let value = property(name).ok_or_else(|| {
                    let cause = format!("the property \"{}\" is not there, or has no value", shown(name));
                    element.attr_error("capacity", cause, format!("give it one: --set {}=SIZE", shown(name)))
                })?;
                let unit = element.word("capacityAllocationUnits");
                entry.disk.capacity_bytes = sized(element, "capacity", value, unit)?;
            }
            let id = shown(&entry.disk.id);
            if let Some(problem) = entry.problem.filter(|_| entry.users == 0) {
                reader.warn_at(
                    codes::DISK_UNUSABLE,
                    line,
                    format!("the disk \"{id}\", which no drive uses: {}", problem.cause),
                );
            }
            if entry.element.is_some_and(|element| element.is("SharedDisk")) && entry.users > 1 {
                let message = format!(
                    "the disk \"{id}\" is to be shared by machines while they run; each gets a copy of its own"
                );
                reader.warn_at(codes::DISK_SHARED, line, message);
            }
            disks.push(entry.disk);
        }
        Ok(disks)
    }
}

impl DiskEntry<'_> {
    fn error(&self, attribute: &str, cause: String, remedy: &str) -> DescriptorError {
        DescriptorError {
            line: Some(self.disk.line),
            element: Some(format!("Disk ovf:{attribute}")),
            cause,
            remedy: remedy.to_owned(),
        }
    }
}

/// How big a disk is, in bytes, or the property that says so. 0: its image says so.
fn capacity<'d>(
    element: Element<'d>,
    has_file: bool,
    reader: &mut Reader<'_>,
) -> Result<(u64, Option<&'d str>), DescriptorError> {
    let unit = element.word("capacityAllocationUnits");
    if let Some(text) = element.word("capacity") {
        if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            return Ok((0, Some(name.trim())));
        }
        let bytes = sized(element, "capacity", text, unit)?;
        if bytes == 0 && has_file {
            reader.warn(
                codes::CAPACITY_MISSING,
                element,
                "the disk is said to be of no size; that of its image is taken",
            );
        } else if bytes == 0 {
            let remedy = "write how many bytes the disk has, or remove it";
            return Err(element.attr_error("capacity", "an empty disk cannot be of no size", remedy));
        }
        return Ok((bytes, None));
    }
    // oVirt's exports, and its LUNs.
    for name in ["size", "device_size"] {
        if let Some(text) = element.word(name) {
            return Ok((sized(element, name, text, OVIRT_UNIT)?, None));
        }
    }
    if !has_file && element.word("fileRef").is_none() {
        let remedy = "write how many bytes the disk has";
        return Err(element.attr_error("capacity", "the disk has neither a size nor a file", remedy));
    }
    reader.warn(codes::CAPACITY_MISSING, element, "the disk does not say how big it is; its image does");
    Ok((0, None))
}

fn sized(element: Element<'_>, name: &str, text: &str, unit: Option<&str>) -> Result<u64, DescriptorError> {
    let bytes = units::bytes(text, unit, Unit::BYTE).map_err(|problem| element.wrong_value(name, &problem))?;
    if bytes > MAX_CAPACITY {
        return Err(element.wrong_value(name, &UnitProblem::TooBig(shown(text))));
    }
    Ok(bytes)
}

/// `ovf:populatedSize`: of no consequence, so nothing about it is an error.
fn populated(element: Element<'_>, capacity: u64, reader: &mut Reader<'_>) -> Option<u64> {
    match element.number("populatedSize") {
        Ok(Some(bytes)) if capacity > 0 && bytes > capacity => {
            let message = format!("the disk holds {bytes} bytes, it is said, but is {capacity} bytes big");
            reader.warn(codes::POPULATED_SIZE, element, message);
            Some(bytes)
        }
        Ok(bytes) => bytes,
        Err(problem) => {
            reader.warn(codes::POPULATED_SIZE, element, format!("ovf:populatedSize: {}", problem.cause));
            None
        }
    }
}

/// oVirt's `ovf:disk-interface`.
fn interface(text: &str) -> Option<ControllerKind> {
    match text.trim().to_ascii_lowercase().as_str() {
        "ide" => Some(ControllerKind::Ide),
        "sata" => Some(ControllerKind::Sata),
        "virtio" => Some(ControllerKind::Virtio),
        "virtio_scsi" | "spapr_vscsi" => Some(ControllerKind::Scsi),
        _ => None,
    }
}
