//! Sections of one machine that are read in a few lines: its operating system, what it is started from.

use super::appliance::{DIRECT_BOOT_NAMESPACE, DirectBoot, Noted, System};
use super::dialect::{is_virtualbox, is_vmware};
use super::os::{GuestOs, OsArchitecture, OsFamily};
use super::reader::Reader;
use super::references::Files;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes};

/// Sections outside of the standard that tell something useful.
pub enum Vendors {
    /// `vbox:Machine`: VirtualBox's settings of the machine.
    Machine,
    /// `vmw:BootOrderSection`.
    BootOrder,
    /// Ovum's own.
    DirectBoot,
}

/// Which of them an element is.
pub fn vendors(element: Element<'_>) -> Option<Vendors> {
    let namespace = element.namespace()?;
    match element.name() {
        "Machine" if is_virtualbox(namespace) => Some(Vendors::Machine),
        "BootOrderSection" if is_vmware(namespace) => Some(Vendors::BootOrder),
        "DirectBootSection" if namespace == DIRECT_BOOT_NAMESPACE => Some(Vendors::DirectBoot),
        _ => None,
    }
}

/// A number of seconds.
///
/// # Errors
/// When it is no number, or too big.
pub fn seconds(element: Element<'_>, name: &str) -> Result<Option<u32>, DescriptorError> {
    let value = element.number(name)?;
    value
        .map(u32::try_from)
        .transpose()
        .map_err(|_| element.attr_error(name, "that is more than a hundred years", "write how many seconds to wait"))
}

/// OperatingSystemSection (DSP0243 9.10), with what VirtualBox's settings add to it.
///
/// # Errors
/// When the section is not understood.
pub fn operating_system(
    section: Option<Element<'_>>,
    machine: Option<Element<'_>>,
    reader: &mut Reader<'_>,
) -> Result<Option<GuestOs>, DescriptorError> {
    let machine_type = machine.and_then(|machine| machine.attr("OSType"));
    let Some(section) = section else { return Ok(machine_type.map(|kind| GuestOs::new(None, Some(kind), None))) };
    if !reader.understands(section, &["Info", "Description", "OSType"])? {
        return Ok(None);
    }
    let cim = section.word("id").and_then(|id| {
        let number = id.parse().ok();
        // oVirt has the id of the machine there.
        if number.is_none() && !reader.is_ovirt {
            let message = format!("\"{}\" is not the number of an operating system", shown(id));
            reader.warn(codes::OS_ID_INVALID, section, message);
        }
        number
    });
    let description = reader.text_of(section, "Description");
    let os_type =
        section.children().find(|child| child.name() == "OSType" && child.namespace().is_some_and(is_virtualbox));
    let os_type = os_type.map(|element| element.text().into_owned());
    let names = [section.attr_of(is_vmware, "osType"), os_type.as_deref(), machine_type];
    let mut os = best(cim, &names, description.as_deref());
    if let Some(element) = section.any("architecture") {
        os.architecture = architecture(&element.text()).or(os.architecture);
    }
    Ok(Some(os))
}

/// Several vendors may have named the system in their own ways: the first that tells most is taken, and an architecture that
/// only one of them knows.
fn best(cim: Option<u16>, names: &[Option<&str>], description: Option<&str>) -> GuestOs {
    let candidates: Vec<GuestOs> =
        names.iter().flatten().map(|name| GuestOs::new(cim, Some(name), description)).collect();
    let known = |os: &&GuestOs| os.family != OsFamily::Unknown;
    let foreign = candidates
        .iter()
        .filter_map(|os| os.architecture)
        .find(|architecture| !matches!(architecture, OsArchitecture::I386 | OsArchitecture::Amd64));
    let chosen = candidates.iter().find(known).or(candidates.first()).cloned();
    let mut os = chosen.unwrap_or_else(|| GuestOs::new(cim, None, description));
    os.architecture = foreign.or(os.architecture);
    os
}

/// PowerVC's word for an architecture.
fn architecture(text: &str) -> Option<OsArchitecture> {
    match text.to_ascii_lowercase().as_str() {
        "x86_64" | "amd64" => Some(OsArchitecture::Amd64),
        "ppc64" | "ppc64le" => Some(OsArchitecture::Ppc64),
        "s390x" => Some(OsArchitecture::S390x),
        "aarch64" | "arm64" => Some(OsArchitecture::Arm64),
        "i386" | "i686" => Some(OsArchitecture::I386),
        _ => None,
    }
}

/// BootDeviceSection (2.x, 9.16): CIM's boot settings, which name items by their InstanceID.
pub fn boot_devices(section: Element<'_>, system: &mut System) {
    let settings = section.children().filter(|child| !child.is("Info"));
    let sources = settings.flat_map(|setting| std::iter::once(setting).chain(setting.children()));
    let ids = sources
        .filter(|source| source.name().ends_with("BootSourceSetting"))
        .filter_map(|source| source.any("InstanceID"));
    let before = system.boot_order.len();
    system.boot_order.extend(ids.map(|id| id.text().into_owned()));
    let found = system.boot_order.len().saturating_sub(before);
    system.about.noted.push(Noted {
        section: "BootDeviceSection".to_owned(),
        summary: format!("{found} devices to start from; the kernel is looked for on all disks"),
    });
}

/// Ovum's section: a kernel in the package.
///
/// # Errors
/// When it names files that are not there.
pub fn direct_boot(
    section: Element<'_>,
    files: &Files,
    reader: &mut Reader<'_>,
) -> Result<Option<DirectBoot>, DescriptorError> {
    if reader.ignores("DirectBootSection") {
        reader.pass_over(section, "DirectBootSection", "is not obeyed")?;
        return Ok(None);
    }
    let file = |name: &str| {
        let Some(element) = section.any(name) else { return Ok(None) };
        let remedy = "write ovf:fileRef, the id of a file in References";
        let id = element.word("fileRef").ok_or_else(|| element.attr_error("fileRef", "it names no file", remedy))?;
        match files.by_id(id) {
            Some(file) => Ok(Some(file.id.clone())),
            None => {
                let cause = format!("there is no file \"{}\" in References", shown(id));
                Err(element.attr_error("fileRef", cause, remedy))
            }
        }
    };
    let kernel = file("Kernel")?.ok_or_else(|| {
        section.error("it names no kernel", "add <Kernel ovf:fileRef=\"ID\"/>, or remove the section")
    })?;
    let cmdline = section.any("CommandLine").map(|element| element.text().into_owned()).unwrap_or_default();
    if cmdline.chars().any(char::is_control) {
        let remedy = "write the kernel's arguments on one line";
        return Err(section.error("its command line has control characters in it", remedy));
    }
    Ok(Some(DirectBoot { kernel, initrd: file("Initrd")?, cmdline }))
}
