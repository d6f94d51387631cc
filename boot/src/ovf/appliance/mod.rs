//! What a package describes, after every choice was made: machines with numbers in place of items, bounds and
//! configurations.
//!
//! Plain data. Sizes are in bytes, times in seconds. Nothing in here has been compared with what the package's files really
//! hold, nor with what this host can do.

mod system;

use super::property::Property;
pub use system::{
    Controller, ControllerKind, DIRECT_BOOT_NAMESPACE, DirectBoot, Drive, Firmware, Install, LeftOut, Nic, Source,
    System,
};

/// A whole package.
#[derive(Debug, Clone, PartialEq)]
pub struct Appliance {
    /// The dialect that its descriptor is written in.
    pub dialect: Dialect,
    /// The one content element of the envelope: a machine, or a tree of them.
    pub content: Content,
    /// The disks of the DiskSection, in its order, and then those that only the item of a drive describes: empty, with an id made
    /// of those of machine and item. [`Drive::source`] names them.
    pub disks: Vec<Disk>,
    /// The networks of the NetworkSection, in its order.
    pub networks: Vec<Network>,
    /// The configurations of the DeploymentOptionSection, in its order.
    pub configurations: Vec<Configuration>,
    /// The id of the configuration whose values these are.
    pub configuration: Option<String>,
    /// The files of References, in its order.
    pub files: Vec<FileReference>,
    /// What was odd, and what was made of it.
    pub warnings: Vec<Warning>,
}

impl Appliance {
    /// Every machine, in the order of the descriptor.
    #[must_use]
    pub fn systems(&self) -> Vec<&System> {
        let mut systems = Vec::new();
        self.content.visit(&mut |content| {
            if let Content::System(system) = content {
                systems.push(&**system);
            }
        });
        systems
    }

    /// The machine with this id.
    #[must_use]
    pub fn system(&self, id: &str) -> Option<&System> {
        self.systems().into_iter().find(|system| system.id == id)
    }

    /// The disk with this id.
    #[must_use]
    pub fn disk(&self, id: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.id == id)
    }

    /// The file with this id.
    #[must_use]
    pub fn file(&self, id: &str) -> Option<&FileReference> {
        self.files.iter().find(|file| file.id == id)
    }
}

/// How a descriptor is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OVF 0.9: sections told apart by `xsi:type`.
    Ovf09,
    /// DSP0243 1.0 and 1.1, namespace `.../envelope/1`.
    Ovf1,
    /// DSP0243 2.0 and 2.1, namespace `.../envelope/2`.
    Ovf2,
    /// What oVirt and RHEV write: namespace `.../envelope/1/`, sections told apart by `xsi:type`.
    Ovirt,
}

impl Dialect {
    /// Its name in `ovum inspect --json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ovf09 => "ovf-0.9",
            Self::Ovf1 => "ovf-1.1",
            Self::Ovf2 => "ovf-2.0",
            Self::Ovirt => "ovirt",
        }
    }
}

/// A node of the tree of machines.
#[derive(Debug, Clone, PartialEq)]
// There is one for each machine of a package: their size is of no account.
#[allow(clippy::large_enum_variant)]
pub enum Content {
    /// `VirtualSystem`.
    System(Box<System>),
    /// `VirtualSystemCollection`.
    Collection(Collection),
}

impl Content {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::System(system) => &system.id,
            Self::Collection(collection) => &collection.id,
        }
    }

    /// Shows `visit` this node and all below it, each before those below it. Nesting is limited by the parser.
    pub fn visit<'c>(&'c self, visit: &mut impl FnMut(&'c Content)) {
        visit(self);
        if let Self::Collection(collection) = self {
            collection.contents.iter().for_each(|content| content.visit(visit));
        }
    }
}

/// `VirtualSystemCollection`: machines that belong together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collection {
    /// Unique in the package.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Machines and collections, in the order of the descriptor.
    pub contents: Vec<Content>,
    /// How [`Self::contents`] are started, in the order of starting; those that it does not name come last, together.
    pub startup: Vec<Startup>,
    /// What all machines below are part of.
    pub about: About,
}

/// An item of a StartupSection (DSP0243 9.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The machine or collection.
    pub id: String,
    /// Those of equal order start at the same time.
    pub order: u32,
    /// Seconds to wait before the next order.
    pub start_delay: u32,
    /// Whether to go on earlier, when the guest says that it is ready.
    pub waiting_for_guest: bool,
    /// Whether it is started at all (`startAction` is not `none`).
    pub starts: bool,
    /// Seconds to wait for its end before the next is stopped.
    pub stop_delay: u32,
    /// How it is stopped.
    pub stop: StopAction,
}

/// What ends a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopAction {
    /// The guest is asked to shut down.
    GuestShutdown,
    /// It is switched off.
    #[default]
    PowerOff,
    /// Nothing.
    None,
}

/// What is said of a machine or of a collection, for people and for the guest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// Products installed in it (ProductSection), without their properties.
    pub products: Vec<Product>,
    /// The properties of all its products, in the order of the descriptor, with the values chosen for them.
    pub properties: Vec<Property>,
    /// Licences that somebody has to accept, as plain text.
    pub eulas: Vec<String>,
    /// AnnotationSection, as plain text.
    pub annotations: Vec<String>,
    /// How the properties reach the guest: the words of `ovf:transport`.
    pub transports: Vec<String>,
    /// EnvironmentFilesSection (2.x): path in the environment ISO, and the id of the file.
    pub environment_files: Vec<EnvironmentFile>,
    /// Sections that are read and shown, but that change nothing here: their name, and what they ask for.
    pub noted: Vec<Noted>,
}

/// A product of a ProductSection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Product {
    /// `ovf:class`.
    pub class: Option<String>,
    /// `ovf:instance`.
    pub instance: Option<String>,
    /// `Product`.
    pub name: Option<String>,
    /// `Vendor`.
    pub vendor: Option<String>,
    /// `Version`, as it is to be compared.
    pub version: Option<String>,
    /// `FullVersion`, as it is to be shown.
    pub full_version: Option<String>,
    /// `ProductUrl`.
    pub product_url: Option<String>,
    /// `VendorUrl`.
    pub vendor_url: Option<String>,
    /// `AppUrl`, which may have `${}` in it.
    pub app_url: Option<String>,
}

/// A file that the guest finds in its environment (DSP0243 2.x, 9.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Where it is to stand in the environment ISO.
    pub path: String,
    /// The id of the file.
    pub file: String,
}

/// A section that is shown and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Its element's name.
    pub section: String,
    /// What it asks for, in a few words.
    pub summary: String,
}

/// A disk of the DiskSection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// `ovf:diskId`.
    pub id: String,
    /// The id of the file with its image; a disk without one is empty.
    pub file: Option<String>,
    /// The format that `ovf:format` declares.
    pub format: DeclaredFormat,
    /// The size that the guest sees, in bytes; 0: the package does not say, and that of the image is meant.
    pub capacity_bytes: u64,
    /// How much of it is in use, in bytes, where the package says so.
    pub populated_bytes: Option<u64>,
    /// `ovf:parentRef`: the disk that this one holds the changes to.
    pub parent: Option<String>,
    /// Its line in the descriptor.
    pub line: u32,
}

/// What `ovf:format` says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredFormat {
    /// A format that can be read, by its URI or by its name.
    Known(ovum_disk::Format),
    /// No attribute.
    Undeclared,
    /// A URI that nobody here knows, as written.
    Unknown(String),
}

/// A network of the NetworkSection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `ovf:name`.
    pub name: String,
    /// `Description`.
    pub description: Option<String>,
}

/// A configuration of the DeploymentOptionSection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// `ovf:id`.
    pub id: String,
    /// `Label`.
    pub label: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// Whether it is the one that is taken if nobody chooses.
    pub default: bool,
}

/// A file of References.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReference {
    /// `ovf:id`.
    pub id: String,
    /// `ovf:href`, as written: a relative URI, which may be percent-encoded.
    pub href: String,
    /// `ovf:size`: the size of the file as it lies in the package (of all its chunks together), in bytes.
    pub size: Option<u64>,
    /// `ovf:compression`.
    pub compression: Compression,
    /// `ovf:chunkSize`, in bytes: the file is cut into `HREF.000000000`, `HREF.000000001`, ...
    pub chunk_size: Option<u64>,
    /// Its line in the descriptor.
    pub line: u32,
}

/// How a file of the package is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// It is not (`identity`).
    #[default]
    Identity,
    /// gzip.
    Gzip,
    /// bzip2 (some packages have it, though the standard does not).
    Bzip2,
}

impl Compression {
    /// Its name in `ovum inspect --json`; none for a file that is not packed.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Bzip2 => Some("bzip2"),
        }
    }
}

/// Something odd in a descriptor that can be lived with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What kind of oddness, in kebab case; programs may rely on it.
    pub code: &'static str,
    /// What is odd, where, and what was made of it, in one line.
    pub message: String,
    /// Its line in the descriptor, from 1.
    pub line: Option<u32>,
}
