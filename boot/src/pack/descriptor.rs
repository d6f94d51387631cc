//! A recipe as an OVF 1.1 descriptor.
//!
//! It is what VMware's and VirtualBox's importers know best: a SCSI controller that both have (`lsilogic`), an E1000 card, a
//! family of hardware that is not too new (`vmx-13`: vSphere 6.5). Elements of CIM stand in the order of their schema, which
//! is that of the alphabet, and Caption as well as ElementName, since VirtualBox looks for either.

use ovum_disk::Disk;

use super::hardware;
use super::recipe::{NewKernel, NewProperty, Recipe};
use super::xml::Xml;
use crate::ovf::appliance::DIRECT_BOOT_NAMESPACE;

/// `ovf:format` of streamOptimized VMDK.
const STREAM_OPTIMIZED: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
const ENVELOPE: &str = "http://schemas.dmtf.org/ovf/envelope/1";
const RASD: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";
const VSSD: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData";
const VMW: &str = "http://www.vmware.com/schema/ovf";
/// How properties reach the guest.
const TRANSPORT: &str = "iso com.vmware.guestInfo";

/// The names of a package's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) descriptor: String,
    pub(super) manifest: String,
    pub(super) signature: String,
    pub(super) disks: Vec<String>,
    kernel: Option<String>,
    initrd: Option<String>,
}

impl Names {
    /// Those of `recipe`, each beginning with `base`.
    pub(super) fn of(recipe: &Recipe, base: &str) -> Self {
        let disks = (1..=recipe.disks.len()).map(|number| format!("{base}-disk{number}.vmdk"));
        let kernel = recipe.kernel.as_ref();
        Self {
            descriptor: format!("{base}.ovf"),
            manifest: format!("{base}.mf"),
            signature: format!("{base}.cert"),
            disks: disks.collect(),
            kernel: kernel.map(|_| format!("{base}-vmlinuz")),
            initrd: kernel.and_then(|kernel| kernel.initrd.as_ref()).map(|_| format!("{base}-initrd")),
        }
    }

    /// Files that are packed as they are, in the order of [`Recipe::plain_files`].
    pub(super) fn plain_files(&self) -> impl Iterator<Item = &String> {
        self.kernel.iter().chain(&self.initrd)
    }

    /// What References lists, in its order, which is that of the package.
    pub(super) fn files(&self) -> impl Iterator<Item = &String> {
        self.disks.iter().chain(self.plain_files())
    }

    /// All files.
    pub(super) fn all(&self, with_signature: bool) -> impl Iterator<Item = &String> {
        let signature = with_signature.then_some(&self.signature);
        [&self.descriptor, &self.manifest].into_iter().chain(signature).chain(self.files())
    }

    /// What the machine is called inside of the descriptor.
    fn id(&self) -> &str {
        self.descriptor.strip_suffix(".ovf").unwrap_or(&self.descriptor)
    }
}

/// The descriptor of `recipe`, whose files have these names and, in the order of References, these `sizes` in bytes.
pub(super) fn write(recipe: &Recipe, names: &Names, sizes: &[u64]) -> String {
    let mut xml = Xml::new();
    let namespaces = [
        ("xmlns", ENVELOPE),
        ("xmlns:ovf", ENVELOPE),
        ("xmlns:rasd", RASD),
        ("xmlns:vmw", VMW),
        ("xmlns:vssd", VSSD),
        ("xml:lang", "en-US"),
    ];
    xml.element("Envelope", &namespaces, |xml| {
        references(xml, recipe, names, sizes);
        if !recipe.disks.is_empty() {
            disks(xml, recipe);
        }
        if !recipe.networks.is_empty() {
            networks(xml, recipe);
        }
        xml.element("VirtualSystem", &[("ovf:id", names.id())], |xml| system(xml, recipe, names));
    });
    xml.finish()
}

fn references(xml: &mut Xml, recipe: &Recipe, names: &Names, sizes: &[u64]) {
    let ids = (1..=recipe.disks.len()).map(|number| format!("file{number}"));
    let ids = ids.chain(["kernel", "initrd"].map(str::to_owned));
    xml.element("References", &[], |xml| {
        for ((name, id), size) in names.files().zip(ids).zip(sizes) {
            let size = size.to_string();
            xml.empty("File", &[("ovf:href", name), ("ovf:id", &id), ("ovf:size", &size)]);
        }
    });
}

fn disks(xml: &mut Xml, recipe: &Recipe) {
    xml.element("DiskSection", &[], |xml| {
        xml.text("Info", "Virtual disks");
        for (number, disk) in (1..).zip(&recipe.disks) {
            let (capacity, id, file) = (disk.size().to_string(), format!("vmdisk{number}"), format!("file{number}"));
            let attributes = [
                ("ovf:capacity", capacity.as_str()),
                ("ovf:capacityAllocationUnits", "byte"),
                ("ovf:diskId", &id),
                ("ovf:fileRef", &file),
                ("ovf:format", STREAM_OPTIMIZED),
            ];
            xml.empty("Disk", &attributes);
        }
    });
}

fn networks(xml: &mut Xml, recipe: &Recipe) {
    let mut names: Vec<&str> = Vec::new();
    for name in &recipe.networks {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    xml.element("NetworkSection", &[], |xml| {
        xml.text("Info", "Networks");
        for name in names {
            xml.element("Network", &[("ovf:name", name)], |xml| {
                xml.text("Description", &format!("The network {name}"));
            });
        }
    });
}

fn system(xml: &mut Xml, recipe: &Recipe, names: &Names) {
    xml.text("Info", "A virtual machine");
    xml.text("Name", &recipe.name);
    let cim = recipe.os.cim.to_string();
    xml.element("OperatingSystemSection", &[("ovf:id", &cim), ("vmw:osType", &recipe.os.vmware)], |xml| {
        xml.text("Info", "The operating system");
        xml.text("Description", &recipe.os.description);
    });
    if !recipe.properties.is_empty() {
        product(xml, recipe);
    }
    for eula in &recipe.eulas {
        xml.element("EulaSection", &[], |xml| {
            xml.text("Info", "A licence that has to be accepted");
            xml.text("License", eula);
        });
    }
    if let Some(annotation) = &recipe.annotation {
        xml.element("AnnotationSection", &[], |xml| {
            xml.text("Info", "A note");
            xml.text("Annotation", annotation);
        });
    }
    let transport = [("ovf:transport", TRANSPORT)];
    let attributes = if recipe.properties.is_empty() { &[][..] } else { &transport[..] };
    xml.element("VirtualHardwareSection", attributes, |xml| hardware::write(xml, recipe, names.id()));
    if let Some(kernel) = &recipe.kernel {
        direct_boot(xml, kernel);
    }
}

fn product(xml: &mut Xml, recipe: &Recipe) {
    xml.element("ProductSection", &[], |xml| {
        xml.text("Info", "What the guest can be told");
        xml.text("Product", &recipe.name);
        for NewProperty { key, kind, default } in &recipe.properties {
            let is_password = kind == "password";
            let mut attributes = vec![("ovf:key", key.as_str())];
            attributes.extend(is_password.then_some(("ovf:password", "true")));
            attributes.push(("ovf:type", if is_password { "string" } else { kind }));
            attributes.push(("ovf:userConfigurable", "true"));
            attributes.extend(default.as_ref().map(|value| ("ovf:value", value.as_str())));
            xml.empty("Property", &attributes);
        }
    });
}

/// Ovum's own section.
fn direct_boot(xml: &mut Xml, kernel: &NewKernel) {
    let attributes = [("xmlns:ovum", DIRECT_BOOT_NAMESPACE), ("ovf:required", "false")];
    xml.element("ovum:DirectBootSection", &attributes, |xml| {
        xml.text("Info", "The kernel that Ovum starts this machine with; others start it from its disk");
        xml.empty("ovum:Kernel", &[("ovf:fileRef", "kernel")]);
        if kernel.initrd.is_some() {
            xml.empty("ovum:Initrd", &[("ovf:fileRef", "initrd")]);
        }
        xml.text("ovum:CommandLine", &kernel.cmdline);
    });
}
