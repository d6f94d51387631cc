//! The files of a package as disks and kernels, read where they lie.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_boot::environment::{self, Volume, iso};
use ovum_boot::ovf::Appliance;
use ovum_boot::ovf::appliance::{Compression, DeclaredFormat, Disk, FileReference, Source};
use ovum_boot::package::{Kind, Package};
use ovum_disk::storage::{Storage, read_bytes};
use ovum_disk::{Access, Disk as _, Format, Image, MAX_DEPTH, OpenError, OpenErrorKind, Packing, SECTOR, overlay};

use super::ApplianceError;
use super::mapping::{MappedDrive, Note};
use crate::config::DiskSource;

/// The files of one package. What is opened is noted.
pub(super) struct Files<'p> {
    package: &'p Package,
    appliance: &'p Appliance,
    scratch: &'p Path,
    disks: HashMap<&'p str, &'p Disk>,
    files: HashMap<&'p str, (usize, &'p FileReference)>,
    /// The places in References of those that were opened.
    used: RefCell<BTreeSet<usize>>,
}

/// A file that was opened, unpacked if it was packed.
struct Opened<'p> {
    storage: Arc<dyn Storage>,
    reference: &'p FileReference,
}

impl<'p> Files<'p> {
    pub(super) fn new(package: &'p Package, appliance: &'p Appliance, scratch: &'p Path) -> Self {
        let disks = appliance.disks.iter().map(|disk| (disk.id.as_str(), disk)).collect();
        let files = appliance.files.iter().enumerate();
        let files = files.map(|(place, file)| (file.id.as_str(), (place, file))).collect();
        Self { package, appliance, scratch, disks, files, used: RefCell::default() }
    }

    /// The files that were opened, in the order of References.
    pub(super) fn used(&self) -> Vec<FileReference> {
        self.used.borrow().iter().filter_map(|place| self.appliance.files.get(*place).cloned()).collect()
    }

    /// The volumes with what the machine `id` is told.
    pub(super) fn volumes(&self, id: &str, options: &environment::Options<'_>) -> Result<Vec<Volume>, ApplianceError> {
        let read = |reference: &FileReference| self.read(reference);
        let options = environment::Options {
            user_data: options.user_data.clone(),
            ssh_keys: options.ssh_keys.clone(),
            hostname: options.hostname.clone(),
            file: Some(options.file.unwrap_or(&read)),
        };
        Ok(environment::volumes(self.appliance, id, &options)?)
    }

    /// All of a small file; what is wrong, in one line.
    fn read(&self, reference: &FileReference) -> Result<Vec<u8>, String> {
        let Opened { storage, .. } = self.open(&reference.id, None).map_err(|error| error.to_string())?;
        let size = usize::try_from(storage.size()).ok().filter(|size| *size <= iso::MAX_IMAGE);
        let mut bytes = vec![0; size.ok_or_else(|| format!("it has more than {} bytes", iso::MAX_IMAGE))?];
        read_bytes(storage.as_ref(), 0, &mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// A kernel or an initramfs.
    pub(super) fn boot_file(&self, id: &str) -> Result<Arc<dyn Storage>, ApplianceError> {
        Ok(self.open(id, None)?.storage)
    }

    /// What is in a drive, and what there is to say of it.
    pub(super) fn disk(&self, source: &Source, drive: &MappedDrive) -> Result<(DiskSource, Vec<Note>), ApplianceError> {
        let mut notes = Vec::new();
        let source = match source {
            Source::Disk(id) => self.described(id, &mut notes)?,
            Source::File(id) => self.plain_file(id, drive.read_only)?,
            // A drive without anything in it is not mapped.
            Source::Empty => DiskSource::Empty { size: 0, name: drive.device.clone() },
        };
        Ok((source, notes))
    }

    /// A file that a drive names itself: an ISO in a CD-ROM drive, else an image whose format its name and its bytes say.
    fn plain_file(&self, id: &str, is_cdrom: bool) -> Result<DiskSource, ApplianceError> {
        let Opened { storage, reference } = self.open(id, None)?;
        let declared = is_cdrom.then_some(Format::Raw);
        let what = || format!("file {id}");
        let format = ovum_disk::settle_format(storage.as_ref(), &inner_name(reference), declared);
        let format = format.map_err(|error| ApplianceError::Image { what: what(), error })?;
        let name = self.overlay_name(reference, storage.as_ref());
        let neighbours = self.package.neighbours_of(&reference.href);
        let image = ovum_disk::open_storage(storage, &neighbours, format, Access::ReadOnly)
            .map_err(|error| ApplianceError::Image { what: what(), error })?;
        Ok(DiskSource::Image { image, name })
    }

    /// A disk of the DiskSection, with those below it.
    fn described(&self, id: &str, notes: &mut Vec<Note>) -> Result<DiskSource, ApplianceError> {
        let chain = self.chain(id)?;
        let [top, below @ ..] = chain.as_slice() else {
            return Err(ApplianceError::Dangling { kind: "disk", id: id.to_owned() });
        };
        if chain.iter().all(|disk| disk.file.is_none()) {
            return Ok(DiskSource::Empty { size: whole_sectors(top.capacity_bytes), name: format!("empty disk {id}") });
        }
        let mut image = None;
        let mut name = PathBuf::new();
        for disk in chain.iter().rev() {
            let opened = self.layer(disk, image, notes)?;
            (image, name) = (Some(opened.0), opened.1);
        }
        let Some(image) = image else { return Err(ApplianceError::Dangling { kind: "disk", id: id.to_owned() }) };
        if !below.is_empty() {
            // The file of the uppermost disk alone is not what an overlay stands on.
            name = self.member_name(&format!("disk {id}"));
        }
        if top.capacity_bytes != 0 && image.size() != whole_sectors(top.capacity_bytes) {
            let how = format!(
                "has {} bytes, as its image says; its capacity in the descriptor is {}",
                image.size(),
                top.capacity_bytes
            );
            notes.push(Note::new(format!("disk {id}"), how));
        }
        Ok(DiskSource::Image { image, name })
    }

    /// A disk and those below it, from top to bottom.
    fn chain(&self, id: &str) -> Result<Vec<&'p Disk>, ApplianceError> {
        let mut chain = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let disk = self.disks.get(id).copied();
            let disk = disk.ok_or_else(|| ApplianceError::Dangling { kind: "disk", id: id.to_owned() })?;
            chain.push(disk);
            if chain.len() > MAX_DEPTH {
                let id = chain.first().map(|disk| disk.id.clone()).unwrap_or_default();
                return Err(ApplianceError::EndlessChain { id });
            }
            next = disk.parent.as_deref();
        }
        Ok(chain)
    }

    /// One disk of a chain, above the image of the one below it.
    fn layer(
        &self,
        disk: &Disk,
        below: Option<Arc<Image>>,
        notes: &mut Vec<Note>,
    ) -> Result<(Arc<Image>, PathBuf), ApplianceError> {
        let failed = |error| ApplianceError::Image { what: format!("disk {}", disk.id), error };
        let Some(file) = &disk.file else {
            let image = match below {
                // It has changed nothing.
                Some(below) => below,
                None => overlay::always_empty(whole_sectors(disk.capacity_bytes), self.scratch).map_err(failed)?,
            };
            return Ok((image, PathBuf::new()));
        };
        let declared = match &disk.format {
            DeclaredFormat::Known(format) => Some(*format),
            DeclaredFormat::Undeclared | DeclaredFormat::Unknown(_) => None,
        };
        // A raw disk unpacks to its capacity; of others, nobody says how long the unpacked file is.
        let size = Some(disk.capacity_bytes).filter(|size| declared == Some(Format::Raw) && *size > 0);
        let Opened { storage, reference } = self.open(file, size)?;
        let format = match ovum_disk::settle_format(storage.as_ref(), &inner_name(reference), declared) {
            Err(error) => return Err(unknown_format(disk, error)),
            Ok(format) => format,
        };
        if let DeclaredFormat::Unknown(uri) = &disk.format {
            let how = format!("is taken to be {format}, by its name and its bytes: its format {uri} is not known");
            notes.push(Note::new(format!("disk {}", disk.id), how));
        }
        let name = self.overlay_name(reference, storage.as_ref());
        let neighbours = self.package.neighbours_of(&reference.href);
        let image = match below {
            None => ovum_disk::open_storage(storage, &neighbours, format, Access::ReadOnly),
            Some(below) => ovum_disk::open_storage_above(storage, &neighbours, format, below),
        };
        Ok((image.map_err(failed)?, name))
    }

    /// The file with this id, unpacked to `size` bytes where somebody says how many there are.
    fn open(&self, id: &str, size: Option<u64>) -> Result<Opened<'p>, ApplianceError> {
        let file = self.files.get(id).copied();
        let (place, reference) = file.ok_or_else(|| ApplianceError::Dangling { kind: "file", id: id.to_owned() })?;
        self.used.borrow_mut().insert(place);
        let storage = self.package.file(reference)?;
        let storage = packing(reference)
            .unpack(storage, size)
            .map_err(|error| ApplianceError::Image { what: format!("file {id}"), error })?;
        Ok(Opened { storage, reference })
    }

    /// By what name an overlay knows the disk in a file: the path of the file, where all of the disk is in there as it is.
    fn overlay_name(&self, reference: &FileReference, storage: &dyn Storage) -> PathBuf {
        let whole = reference.compression == Compression::Identity && reference.chunk_size.is_none();
        match self.package.kind() {
            Kind::Folder if whole => PathBuf::from(storage.name()),
            _ => self.member_name(&reference.href),
        }
    }

    /// A path that leads to no file.
    fn member_name(&self, member: &str) -> PathBuf {
        let mut name = self.package.path().as_os_str().to_owned();
        name.push("#");
        name.push(member);
        name.into()
    }
}

fn packing(reference: &FileReference) -> Packing {
    match reference.compression {
        Compression::Identity => Packing::None,
        Compression::Gzip => Packing::Gzip,
        Compression::Bzip2 => Packing::Bzip2,
    }
}

/// What the name of a file says of the image in it: without the ending of its packing.
fn inner_name(reference: &FileReference) -> PathBuf {
    let path = Path::new(&reference.href);
    let (named, inner) = Packing::of_name(path);
    if named == packing(reference) { inner } else { path.to_owned() }
}

fn unknown_format(disk: &Disk, error: OpenError) -> ApplianceError {
    match (&disk.format, error.kind()) {
        (DeclaredFormat::Unknown(uri), OpenErrorKind::Undeclared) => {
            ApplianceError::UnknownFormat { id: disk.id.clone(), uri: uri.clone() }
        }
        _ => ApplianceError::Image { what: format!("disk {}", disk.id), error },
    }
}

/// A size in bytes made up to whole sectors.
fn whole_sectors(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(SECTOR).unwrap_or(bytes - bytes % SECTOR)
}
