//! What a guest is told at its start: the OVF environment, and cloud-init's seed.
//!
//! ```text
//! Appliance, a machine's id, Options --volumes--> Volume "OVF ENV"  ovf-env.xml, ovffiles/...
//!                                                 Volume "cidata"   meta-data, user-data, ...
//! ```
//!
//! * [`document()`]: the OVF environment as XML (DSP0243, 11; DSP8027).
//! * [`iso`]: writes the volumes.
//! * [`nocloud`]: cloud-init's NoCloud seed, from the user's options and from properties.
//!
//! **Why two volumes.** The standard's transport is a CD-ROM, and cloud-init's OVF datasource looks for it on CD-ROM drives only:
//! its start-up check (ds-identify) takes `/dev/sr0` to `9` and `/dev/hda` to `z`, the datasource takes `sr*`, `hd*` and `xvd*`.
//! Ovum has virtio-blk only, so there the ISO is `/dev/vdX` and would never be found. NoCloud takes every block device with the
//! label `cidata`. So a guest gets the ISO for its own scripts, which find it by its label, and beside it a NoCloud seed with
//! what cloud-init would have read there.
//!
//! Bytes in, bytes out: nothing here opens a file.

mod document;
pub mod iso;
mod keys;
pub mod nocloud;
mod properties;
mod text;

use thiserror::Error;

pub use self::document::{NAMESPACE, document};
pub use self::iso::IsoError;
use self::properties::{Family, Seen, about};
use crate::ovf::appliance::{Appliance, EnvironmentFile, FileReference};
use crate::ovf::units::shown;

/// The label of the environment's volume, as VMware writes it. cloud-init knows it, and guests' scripts look for it.
pub const LABEL: &str = "OVF ENV";
/// The longest environment document, in bytes.
pub const MAX_DOCUMENT: usize = 16 << 20;
/// The folder of the files of an EnvironmentFilesSection (DSP0243 2.x, 9.15).
const FILES_FOLDER: &str = "ovffiles";

/// What the user decided for a guest.
#[derive(Default)]
pub struct Options<'o> {
    /// cloud-init's user-data, as it is (`--user-data`).
    pub user_data: Option<Vec<u8>>,
    /// The contents of files with public SSH keys (`--ssh-key`): each one or more lines.
    pub ssh_keys: Vec<String>,
    /// The guest's name (`--hostname`).
    pub hostname: Option<String>,
    /// Gives the bytes of a file of the package, for EnvironmentFilesSection; the error is one line.
    pub file: Option<FileReader<'o>>,
}

/// Reads a whole file of the package.
pub type FileReader<'o> = &'o dyn Fn(&FileReference) -> Result<Vec<u8>, String>;

/// A small read-only disk for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its label, by which the guest finds it.
    pub label: &'static str,
    /// The whole disk: a multiple of 2048 bytes.
    pub bytes: Vec<u8>,
    /// What it is for, for the user: a clause without a full stop.
    pub why: &'static str,
}

/// The volumes that the machine `system_id` is to find, in this order and behind its own disks, whose names they must not
/// change. None, where there is nothing to tell it.
///
/// It gets the OVF environment if it or its collection asks for the transport `iso`, has properties or environment files; and a
/// NoCloud seed if there are options for cloud-init or properties that cloud-init knows.
///
/// # Errors
/// When there is no such machine, an option is wrong, an environment file cannot be had, or something does not fit.
pub fn volumes(appliance: &Appliance, system_id: &str, options: &Options<'_>) -> Result<Vec<Volume>, EnvironmentError> {
    let family = Family::of(appliance, system_id)?;
    let properties = family.properties(family.own)?;
    let mut volumes = Vec::new();
    let files = environment_files(&family);
    let transports =
        [Some(family.own), family.parent].into_iter().flatten().flat_map(|content| &about(content).transports);
    let asked = transports.into_iter().any(|word| word.trim().eq_ignore_ascii_case("iso"));
    if asked || !properties.is_empty() || !files.is_empty() {
        let mut contents = vec![("ovf-env.xml".to_owned(), document::of_family(&family)?.into_bytes())];
        for file in files {
            contents.push((format!("{FILES_FOLDER}/{}", path(file)?), read(appliance, file, options)?));
        }
        let why =
            if asked { "the OVF environment, as the package asks" } else { "the OVF environment with its properties" };
        volumes.push(Volume { label: LABEL, bytes: iso::image(LABEL, &contents)?, why });
    }
    if let Some(reason) = nocloud::reason(&properties, options) {
        let identity = identity(appliance, system_id, &properties, options);
        let bytes = iso::image(nocloud::LABEL, &nocloud::files(&properties, options, identity)?)?;
        let why = match reason {
            nocloud::Reason::Asked => "cloud-init's seed, as you asked",
            nocloud::Reason::Properties => "cloud-init's seed, made of the properties that it knows",
        };
        volumes.push(Volume { label: nocloud::LABEL, bytes, why });
    }
    Ok(volumes)
}

/// The machine's environment files, and those of its collection whose places it leaves free.
fn environment_files<'a>(family: &Family<'a>) -> Vec<&'a EnvironmentFile> {
    let own = &about(family.own).environment_files;
    let inherited = family.parent.map_or(&[][..], |parent| &about(parent).environment_files);
    let free = inherited.iter().filter(|file| !own.iter().any(|other| other.path == file.path));
    own.iter().chain(free).collect()
}

/// A file's path below [`FILES_FOLDER`]. The ISO's writer checks it further.
fn path(file: &EnvironmentFile) -> Result<&str, EnvironmentError> {
    let path = file.path.strip_prefix('/').unwrap_or(&file.path);
    let path = path.strip_prefix("ovffiles/").unwrap_or(path);
    let outside = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if outside { Err(EnvironmentError::BadPath(shown(&file.path))) } else { Ok(path) }
}

fn read(appliance: &Appliance, file: &EnvironmentFile, options: &Options<'_>) -> Result<Vec<u8>, EnvironmentError> {
    let failed = |reason: String| EnvironmentError::File { path: shown(&file.path), reason };
    let reference =
        appliance.file(&file.file).ok_or_else(|| failed(format!("there is no file \"{}\"", shown(&file.file))))?;
    if reference.size.is_some_and(|size| size > iso::MAX_IMAGE as u64) {
        return Err(IsoError::TooBig.into());
    }
    let reader = options.file.ok_or_else(|| failed("the package's files are not at hand".to_owned()))?;
    reader(reference).map_err(failed)
}

/// A number that is the same for the same appliance and settings, and another for others: FNV-1a of what the guest is told. It
/// need not withstand anybody; who can choose the settings can choose the instance id.
fn identity(appliance: &Appliance, system_id: &str, properties: &[Seen], options: &Options<'_>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        // The length keeps neighbours apart.
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(system_id.as_bytes());
    for file in &appliance.files {
        add(file.href.as_bytes());
        add(&file.size.unwrap_or_default().to_le_bytes());
    }
    for property in properties {
        add(property.key.as_bytes());
        add(property.value.as_bytes());
    }
    add(options.user_data.as_deref().unwrap_or_default());
    add(options.hostname.as_deref().unwrap_or_default().as_bytes());
    options.ssh_keys.iter().for_each(|key| add(key.trim().as_bytes()));
    hash
}

/// Why a guest cannot be told what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvironmentError {
    /// The package has no machine of this id.
    #[error("there is no machine \"{id}\" in the package")]
    NoSuchSystem {
        /// The id, shortened.
        id: String,
    },
    /// A text that XML 1.0 cannot hold.
    #[error("{name}: the character U+{code:04X} at offset {offset} cannot be written in the guest's environment")]
    ControlCharacter {
        /// The property or the machine that it belongs to.
        name: String,
        /// The character.
        code: u32,
        /// Where it stands, in bytes.
        offset: usize,
    },
    /// A property whose value is too long once its references are replaced.
    #[error("property {key}: its value is too long for the guest's environment")]
    TooLong {
        /// The property.
        key: String,
    },
    /// More properties than any guest reads.
    #[error("the machine has {0} properties, which are too many for its environment")]
    TooManyProperties(usize),
    /// The document would be longer than [`MAX_DOCUMENT`].
    #[error("the guest's environment would have more than {MAX_DOCUMENT} bytes")]
    TooBig,
    /// An environment file whose path leads elsewhere.
    #[error("environment file \"{0}\": its path leads out of the environment")]
    BadPath(String),
    /// An environment file that cannot be had.
    #[error("environment file \"{path}\": {reason}")]
    File {
        /// Where the guest would find it.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A private key, which belongs to nobody else.
    #[error("the file given as a public SSH key holds a private one")]
    PrivateKey,
    /// A line that is no public key.
    #[error("\"{0}\" is not a public SSH key")]
    BadKey(String),
    /// Not a host's name.
    #[error("\"{0}\" cannot be a host's name")]
    BadHostname(String),
    /// The volume cannot be made.
    #[error(transparent)]
    Iso(#[from] IsoError),
}

impl EnvironmentError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoSuchSystem { .. } => "choose one of those that `ovum inspect` shows".to_owned(),
            Self::ControlCharacter { .. } => "leave the character out".to_owned(),
            Self::TooLong { key } => format!("give it a shorter value: --set {key}=VALUE"),
            Self::TooManyProperties(_) | Self::TooBig => "ask who made the package for a smaller one".to_owned(),
            Self::BadPath(_) | Self::File { .. } => "ask who made the package for one that is whole".to_owned(),
            Self::PrivateKey => "give the file beside it whose name ends in .pub".to_owned(),
            Self::BadKey(_) => "give a file such as id_ed25519.pub: a line with the type and the key".to_owned(),
            Self::BadHostname(_) => {
                "use letters, digits and hyphens, at most 63 of them between two dots and 253 in all".to_owned()
            }
            Self::Iso(error) => error.remedy(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
