//! What a package shall be.

use std::fmt;
use std::sync::Arc;

use ovum_disk::storage::Storage;
use ovum_disk::{Disk, Image};

use super::error::PackError;
use super::os::NewOs;
use super::xml;
use crate::integrity;
use crate::ovf::property::Property;

/// The most disks: a SCSI controller has sixteen places, and is in one of them itself.
pub const MAX_DISKS: usize = 15;
/// The most network cards: what VMware's machines can have.
pub const MAX_NICS: usize = 10;
/// The most of any text, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// The unit of a machine's memory, in bytes.
const MEBIBYTE: u64 = 1 << 20;

/// A machine, and what goes into its package.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What people call it.
    pub name: String,
    /// vCPUs.
    pub cpus: u32,
    /// Guest memory, in bytes: a multiple of 1 MiB.
    pub memory_bytes: u64,
    /// The guest's operating system.
    pub os: NewOs,
    /// A network card in each of these networks. A network may be named twice.
    pub networks: Vec<String>,
    /// What the guest can be told at its first start.
    pub properties: Vec<NewProperty>,
    /// Licences that a user has to accept.
    pub eulas: Vec<String>,
    /// A note for whoever imports it.
    pub annotation: Option<String>,
    /// The kernel that Ovum starts the machine with.
    pub kernel: Option<NewKernel>,
    /// The machine's disks.
    pub disks: Vec<Arc<Image>>,
    /// Who signs the package.
    pub signer: Option<NewSigner>,
}

/// Who signs a package.
#[derive(Clone)]
pub struct NewSigner {
    /// The secret key, as PEM.
    pub key: Vec<u8>,
    /// Its certificate, and those up to one that users trust, as PEM.
    pub certificates: Vec<u8>,
}

impl NewSigner {
    /// The signature file for the manifest of this name.
    pub(super) fn sign(&self, name: &str, manifest: &[u8]) -> Result<Vec<u8>, PackError> {
        let signed = integrity::sign(manifest, name, &self.key, &self.certificates);
        let failed = |error: integrity::SignError| {
            PackError::recipe(format!("cannot sign the package: {error}"), error.remedy())
        };
        signed.map(String::into_bytes).map_err(failed)
    }
}

impl fmt::Debug for NewSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.write_str("NewSigner")
    }
}

/// A kernel in a package.
#[derive(Debug, Clone)]
pub struct NewKernel {
    /// Its bytes.
    pub kernel: Arc<dyn Storage>,
    /// The bytes of its initramfs.
    pub initrd: Option<Arc<dyn Storage>>,
    /// Kernel arguments after Ovum's own.
    pub cmdline: String,
}

/// A property that the user may set (DSP0243 9.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProperty {
    /// Its key.
    pub key: String,
    /// Its type, one of [`NewProperty::TYPES`].
    pub kind: String,
    /// Its value, if nobody sets another one.
    pub default: Option<String>,
}

impl Recipe {
    /// How many bytes there are to pack.
    #[must_use]
    pub fn total(&self) -> u64 {
        let disks = self.disks.iter().map(|disk| disk.size());
        disks.chain(self.plain_files().map(|file| file.size())).fold(0, u64::saturating_add)
    }

    /// What goes into the package as it is: kernel, initramfs.
    pub(super) fn plain_files(&self) -> impl Iterator<Item = &Arc<dyn Storage>> {
        self.kernel.iter().flat_map(|kernel| std::iter::once(&kernel.kernel).chain(&kernel.initrd))
    }

    /// Refuses what no package can say, or nobody could start.
    pub(super) fn check(&self) -> Result<(), PackError> {
        let refuse = |cause: String, remedy: &str| Err(PackError::recipe(cause, remedy));
        if self.disks.is_empty() && self.kernel.is_none() {
            return refuse("there is nothing to pack".into(), "give a --disk, a --kernel, or both");
        }
        if self.disks.len() > MAX_DISKS {
            let cause = format!("{} disks do not fit on one controller", self.disks.len());
            return refuse(cause, &format!("pack at most {MAX_DISKS} disks"));
        }
        if self.networks.len() > MAX_NICS {
            let cause = format!("{} network cards are more than a machine takes", self.networks.len());
            return refuse(cause, &format!("give at most {MAX_NICS} networks"));
        }
        if self.cpus == 0 {
            return refuse("a machine without a CPU cannot start".into(), "give at least one");
        }
        if self.memory_bytes == 0 || !self.memory_bytes.is_multiple_of(MEBIBYTE) {
            let cause = format!("a package cannot say {} bytes of memory", self.memory_bytes);
            return refuse(cause, "give a number of MiB, for instance 512M");
        }
        for (number, property) in self.properties.iter().enumerate() {
            property.check()?;
            if self.properties.iter().take(number).any(|other| other.key == property.key) {
                return refuse(format!("property {} is given twice", property.key), "leave one of them out");
            }
        }
        self.texts().try_for_each(|(what, text)| check_text(what, text))
    }

    /// All text that goes into the descriptor.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let defaults = self.properties.iter().filter_map(|property| property.default.as_deref());
        [("the name", self.name.as_str()), ("the operating system", self.os.description.as_str())]
            .into_iter()
            .chain(self.networks.iter().map(|name| ("the name of a network", name.as_str())))
            .chain(defaults.map(|value| ("the value of a property", value)))
            .chain(self.eulas.iter().map(|text| ("the licence", text.as_str())))
            .chain(self.annotation.iter().map(|text| ("the annotation", text.as_str())))
            .chain(self.kernel.iter().map(|kernel| ("the kernel's command line", kernel.cmdline.as_str())))
    }
}

fn check_text(what: &str, text: &str) -> Result<(), PackError> {
    if text.len() > MAX_TEXT {
        let cause = format!("{what} has {} bytes", text.len());
        return Err(PackError::recipe(cause, format!("give at most {MAX_TEXT}")));
    }
    match xml::forbidden(text) {
        None => Ok(()),
        Some(letter) => {
            let cause = format!("{what} holds {}, which no descriptor can", letter.escape_default());
            Err(PackError::recipe(cause, "give plain text"))
        }
    }
}

impl NewProperty {
    /// The types of the standard (DSP0243 1.1, table 6), and `password`, a string that is not shown.
    pub const TYPES: [&'static str; 13] = [
        "string", "password", "boolean", "uint8", "sint8", "uint16", "sint16", "uint32", "sint32", "uint64", "sint64",
        "real32", "real64",
    ];

    pub(super) fn check(&self) -> Result<(), PackError> {
        let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        if self.key.is_empty() || !self.key.chars().all(is_plain) || self.key.len() > MAX_TEXT {
            let cause = format!("{:?} cannot be the key of a property", self.key);
            // '.' and ':' are what parts classes and instances from keys (DSP0243 9.5.1).
            return Err(PackError::recipe(cause, "take letters, digits, '-' and '_'"));
        }
        if !Self::TYPES.contains(&self.kind.as_str()) {
            let cause = format!("property {} has the type {:?}, which OVF does not know", self.key, self.kind);
            return Err(PackError::recipe(cause, format!("take one of: {}", Self::TYPES.join(", "))));
        }
        let Some(value) = self.default.as_deref() else { return Ok(()) };
        // As it will be when it is read.
        let property = Property {
            key: self.key.clone(),
            kind: self.kind.clone(),
            value: None,
            set: false,
            user_configurable: true,
            required: false,
            password: false,
            qualifiers: String::new(),
            label: None,
            description: None,
            category: None,
            line: 0,
        };
        property.check(value).map_err(|problem| {
            let remedy = "give another value, or another type: KEY:TYPE=VALUE";
            PackError::recipe(problem.to_string(), remedy)
        })
    }
}
