//! Sections that machines and collections have in common, and what becomes of those that nobody knows.

use super::appliance::{About, EnvironmentFile, Noted, Product};
use super::content::Tree;
use super::dialect::is_vmware;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes};

/// VMware's sections that ask for nothing that one host without shared storage and without vCenter could do otherwise.
const VMWARE_NOTED: &[(&str, &str)] = &[
    ("StorageGroupSection", "VMware's name of a policy for storage"),
    ("StorageSection", "VMware's policy for storage"),
    ("IpAssignmentSection", "how VMware's products may assign IP addresses"),
    ("TagBasedPlacementGroupSection", "VMware's wish for hosts with certain tags"),
    ("TagBasedPlacementSection", "VMware's wish for hosts with certain tags"),
    ("CpuCompatibilitySection", "VMware's list of CPU features that were masked"),
];

/// Reads any section that is not special to its place.
///
/// # Errors
/// When it is required and not understood, or cannot be obeyed, or is wrong.
pub fn section<'d>(
    section: Element<'d>,
    about: &mut About,
    scope: usize,
    tree: &mut Tree<'_, 'd, '_>,
) -> Result<(), DescriptorError> {
    let kind = section.kind();
    if tree.reader.ignores(kind) {
        about.noted.push(tree.reader.pass_over(section, kind, "is not obeyed")?);
        return Ok(());
    }
    if section.namespace().is_some_and(is_vmware)
        && let Some((_, summary)) = VMWARE_NOTED.iter().find(|(name, _)| *name == kind)
    {
        about.noted.push(noted(section, (*summary).to_owned()));
        return Ok(());
    }
    match kind {
        _ if !section.is_ovf() => {
            about.noted.push(tree.reader.pass_over(section, kind, "is not known here")?);
        }
        "ProductSection" => product(section, about, scope, tree)?,
        "EulaSection" => {
            if tree.reader.understands(section, &["Info", "License"])? {
                about.eulas.extend(tree.reader.text_of(section, "License"));
            }
        }
        "AnnotationSection" => {
            if tree.reader.understands(section, &["Info", "Annotation"])? {
                about.annotations.extend(tree.reader.text_of(section, "Annotation"));
            }
        }
        "EnvironmentFilesSection" => environment_files(section, about, tree)?,
        "ResourceAllocationSection" => {
            let items = section.children().filter(|child| child.name().ends_with("Item")).count();
            about
                .noted
                .push(noted(section, format!("{items} reservations for the whole collection; nothing is reserved")));
        }
        "ScaleOutSection" => scale_out(section, about, tree)?,
        "PlacementGroupSection" => placement_group(section, about, tree)?,
        "PlacementSection" => {
            let group =
                section.word("group").map_or_else(String::new, |group| format!(" of the group \"{}\"", shown(group)));
            about.noted.push(noted(section, format!("placed by the rule{group}; everything runs on this host")));
        }
        "EncryptionSection" => encryption(section, about, tree)?,
        // oVirt keeps what its engine knows of a machine in elements that are no sections, and in sections of its own.
        name if tree.reader.is_ovirt => {
            if section.name() == "Section" {
                about.noted.push(noted(section, format!("oVirt's {}; nothing here depends on it", shown(name))));
            }
        }
        "DiskSection"
        | "NetworkSection"
        | "DeploymentOptionSection"
        | "SharedDiskSection"
        | "StartupSection"
        | "VirtualHardwareSection"
        | "OperatingSystemSection"
        | "InstallSection" => {
            let noted = tree.reader.pass_over(section, kind, "does not belong here (DSP0243, 9)")?;
            about.noted.push(noted);
        }
        _ => about.noted.push(tree.reader.pass_over(section, kind, "is not known here")?),
    }
    Ok(())
}

fn noted(section: Element<'_>, summary: String) -> Noted {
    Noted { section: shown(section.kind()), summary }
}

/// ProductSection (DSP0243 9.5).
fn product<'d>(
    section: Element<'d>,
    about: &mut About,
    scope: usize,
    tree: &mut Tree<'_, 'd, '_>,
) -> Result<(), DescriptorError> {
    let known = [
        "Info",
        "Product",
        "Vendor",
        "Version",
        "FullVersion",
        "ProductUrl",
        "VendorUrl",
        "AppUrl",
        "Icon",
        "Category",
        "Property",
    ];
    if !tree.reader.understands(section, &known)? {
        return Ok(());
    }
    let reader = &mut *tree.reader;
    let mut text = |name: &str| reader.text_of(section, name);
    let product = Product {
        class: section.word("class").map(str::to_owned),
        instance: section.word("instance").map(str::to_owned),
        name: text("Product"),
        vendor: text("Vendor"),
        version: text("Version"),
        full_version: text("FullVersion"),
        product_url: text("ProductUrl"),
        vendor_url: text("VendorUrl"),
        app_url: text("AppUrl"),
    };
    tree.properties.read(section, scope, &product, tree.reader)?;
    about.products.push(product);
    Ok(())
}

/// EnvironmentFilesSection (2.x, 9.15).
fn environment_files(
    section: Element<'_>,
    about: &mut About,
    tree: &mut Tree<'_, '_, '_>,
) -> Result<(), DescriptorError> {
    if !tree.reader.understands(section, &["Info", "File"])? {
        return Ok(());
    }
    for element in section.all("File") {
        let remedy = "write ovf:fileRef, the id of a file, and ovf:path, where the guest finds it";
        let file = element.word("fileRef").ok_or_else(|| element.attr_error("fileRef", "it names no file", remedy))?;
        let path = element.word("path").ok_or_else(|| element.attr_error("path", "the file has no path", remedy))?;
        if tree.files.by_id(file).is_none() {
            let cause = format!("there is no file \"{}\" in References", shown(file));
            return Err(element.attr_error("fileRef", cause, "correct the id, or add the file to References"));
        }
        let leads_out = path.split('/').any(|part| part == "..") || path.chars().any(char::is_control);
        if leads_out {
            let cause = format!("\"{}\" is no path inside the environment", shown(path));
            return Err(element.attr_error("path", cause, "write a relative path without .."));
        }
        let path = path.trim_start_matches('/').to_owned();
        about.environment_files.push(EnvironmentFile { path, file: file.to_owned() });
    }
    Ok(())
}

/// ScaleOutSection (2.x, 9.14): how many of a machine there shall be. One is started.
fn scale_out(section: Element<'_>, about: &mut About, tree: &mut Tree<'_, '_, '_>) -> Result<(), DescriptorError> {
    let Some(count) = section.first("InstanceCount") else {
        about.noted.push(noted(section, "it says nothing".to_owned()));
        return Ok(());
    };
    let minimum = count.number("minimum")?.unwrap_or(1);
    if minimum > 1 {
        let why = format!("asks for at least {minimum} instances; one of each machine is started here");
        about.noted.push(tree.reader.pass_over(section, "ScaleOutSection", &why)?);
        return Ok(());
    }
    let who = section.word("id").map_or_else(|| "this".to_owned(), |id| format!("\"{}\"", shown(id)));
    let default = count.number("default")?.unwrap_or(minimum);
    let summary = format!("{who} may run several times ({default} unless somebody says otherwise); one is started");
    tree.reader.warn(codes::SCALE_OUT, section, summary.clone());
    about.noted.push(noted(section, summary));
    Ok(())
}

/// PlacementGroupSection (2.x, 9.17): machines that shall run near each other, which they do, or far from each other.
fn placement_group(
    section: Element<'_>,
    about: &mut About,
    tree: &mut Tree<'_, '_, '_>,
) -> Result<(), DescriptorError> {
    let policy = section.word("policy").unwrap_or("affinity");
    if policy.eq_ignore_ascii_case("availability") {
        let why = "asks for machines on different hosts; everything runs on this one";
        about.noted.push(tree.reader.pass_over(section, "PlacementGroupSection", why)?);
        return Ok(());
    }
    about.noted.push(noted(section, format!("policy \"{}\"; everything runs on this host", shown(policy))));
    Ok(())
}

/// EncryptionSection (2.x, 9.18): parts of the package that only a key opens.
fn encryption(section: Element<'_>, about: &mut About, tree: &mut Tree<'_, '_, '_>) -> Result<(), DescriptorError> {
    if section.children().all(|child| child.is("Info")) {
        about.noted.push(noted(section, "nothing is encrypted".to_owned()));
        return Ok(());
    }
    let why = "encrypts parts of the package, which cannot be undone here";
    about.noted.push(tree.reader.pass_over(section, "EncryptionSection", why)?);
    Ok(())
}
