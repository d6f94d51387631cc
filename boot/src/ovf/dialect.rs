//! Which of OVF's dialects a descriptor is written in, and whose extensions stand in it.

use super::appliance::Dialect;
use super::reader::Reader;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes};

/// DSP0243 1.0 and 1.1.
const OVF1: &str = "http://schemas.dmtf.org/ovf/envelope/1";
/// DSP0243 2.0 and 2.1.
const OVF2: &str = "http://schemas.dmtf.org/ovf/envelope/2";
/// The drafts of 1.0, which products wrote before it was out.
const OVF1_DRAFT: &str = "http://schemas.dmtf.org/ovf/1/envelope";
/// OVF 0.9.
const OVF09: &str = "http://www.vmware.com/schema/ovf/1/envelope";
/// oVirt and RHEV.
const OVIRT: &str = "http://schemas.dmtf.org/ovf/envelope/1/";

/// Whether a name in this namespace is OVF's: names without any are, because oVirt, and OVF 0.9 before it, write them so.
/// Elements of one version stand in descriptors of another.
pub fn is_ovf(namespace: Option<&str>) -> bool {
    namespace.is_none_or(|uri| [OVF1, OVF2, OVIRT, OVF09, OVF1_DRAFT].contains(&uri))
}

/// VMware's extensions.
pub fn is_vmware(namespace: &str) -> bool {
    namespace.starts_with("http://www.vmware.com/schema/ovf") && namespace != OVF09
}

/// VirtualBox's extensions.
pub fn is_virtualbox(namespace: &str) -> bool {
    namespace.contains("virtualbox.org/")
}

/// Whose children of known sections are looked through, or past: these vendors' extensions say nothing that a guest here
/// would miss, and they often lack `ovf:required="false"`.
pub fn is_known_vendor(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|uri| {
        is_vmware(uri) || is_virtualbox(uri) || uri.contains("ovirt.org/") || uri.starts_with("ibmpvc")
    })
}

/// Whether names in this namespace are of the CIM classes that items are made of (RASD, SASD, EPASD, VSSD).
pub fn is_cim(namespace: &str) -> bool {
    namespace.contains("wscim")
}

/// The dialect of an envelope.
///
/// # Errors
/// When the outermost element is something else, or an envelope of a version that nobody here knows.
pub fn dialect(root: Element<'_>, reader: &mut Reader<'_>) -> Result<Dialect, DescriptorError> {
    if root.name() != "Envelope" {
        let what = match root.name() {
            name if name.eq_ignore_ascii_case("html") => "an HTML page",
            "VirtualBox" => "VirtualBox's machine settings (.vbox)",
            "domain" | "domstorage" | "network" => "a description for libvirt",
            "VirtualSystem" => "a part of an OVF descriptor",
            "Environment" => "an OVF environment, which a guest is given",
            _ => "something else",
        };
        let cause = format!("the outermost element is <{}>, not <Envelope>: it is {what}", root.shown());
        return Err(root.error(cause, "name a file that holds an OVF descriptor"));
    }
    match root.namespace() {
        Some(OVF1 | OVF1_DRAFT) => Ok(Dialect::Ovf1),
        Some(OVF2) => Ok(Dialect::Ovf2),
        Some(OVF09) => Ok(Dialect::Ovf09),
        Some(OVIRT) => Ok(Dialect::Ovirt),
        None => {
            let message = "the envelope has no XML namespace; it is read as OVF 1.1";
            reader.warn(codes::NAMESPACE_MISSING, root, message);
            Ok(Dialect::Ovf1)
        }
        Some(other) => {
            let version = other.strip_prefix("http://schemas.dmtf.org/ovf/envelope/");
            let cause = match version.map(|version| version.trim_end_matches('/')) {
                Some(version) => format!("this is an OVF envelope of version {}, which is not known", shown(version)),
                None => format!("the envelope is in the XML namespace \"{}\", which is not OVF's", shown(other)),
            };
            Err(root.error(cause, "export the appliance as OVF 1.x or 2.x, or get a newer Ovum"))
        }
    }
}
