//! The OVF environment (DSP0243, 11; schema DSP8027): what a guest finds in `ovf-env.xml`.

use super::properties::{Family, Seen};
use super::text::{not_xml, xml};
use super::{EnvironmentError, MAX_DOCUMENT};
use crate::ovf::appliance::Appliance;
use crate::ovf::units::shown;

/// The namespace of all versions of DSP8027 (DSP0243 1.x and 2.x). cloud-init reads attributes of this one only, and tells the
/// ISO by it.
pub const NAMESPACE: &str = "http://schemas.dmtf.org/ovf/environment/1";

/// The environment of the machine `system_id`: its properties with those of its collection, and those of its siblings.
/// Passwords are in it as they are.
///
/// # Errors
/// When there is no such machine, a text cannot be written in XML, or the document would be longer than [`MAX_DOCUMENT`].
pub fn document(appliance: &Appliance, system_id: &str) -> Result<String, EnvironmentError> {
    of_family(&Family::of(appliance, system_id)?)
}

pub(super) fn of_family(family: &Family<'_>) -> Result<String, EnvironmentError> {
    let id = family.own.id();
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    document.push_str(&format!(
        "<Environment xmlns=\"{NAMESPACE}\" xmlns:oe=\"{NAMESPACE}\" oe:id=\"{}\">\n",
        attribute(id, id)?
    ));
    document.push_str("  <PlatformSection>\n    <Kind>Ovum</Kind>\n");
    document.push_str(&format!("    <Version>{}</Version>\n", env!("CARGO_PKG_VERSION")));
    document.push_str("    <Vendor>Ovum</Vendor>\n    <Locale>en_US</Locale>\n  </PlatformSection>\n");
    section(&mut document, "  ", &family.properties(family.own)?)?;
    for sibling in &family.siblings {
        document.push_str(&format!("  <Entity oe:id=\"{}\">\n", attribute(sibling.id(), sibling.id())?));
        // The very section of its own environment (DSP0243, 11.2).
        section(&mut document, "    ", &family.properties(sibling)?)?;
        document.push_str("  </Entity>\n");
    }
    document.push_str("</Environment>\n");
    Ok(document)
}

fn section(document: &mut String, indent: &str, properties: &[Seen]) -> Result<(), EnvironmentError> {
    document.push_str(&format!("{indent}<PropertySection>\n"));
    for property in properties {
        let (key, value) = (attribute(&property.key, &property.key)?, attribute(&property.key, &property.value)?);
        document.push_str(&format!("{indent}  <Property oe:key=\"{key}\" oe:value=\"{value}\"/>\n"));
        if document.len() > MAX_DOCUMENT {
            return Err(EnvironmentError::TooBig);
        }
    }
    document.push_str(&format!("{indent}</PropertySection>\n"));
    Ok(())
}

/// A text as an attribute's value; `name` says in an error what it belongs to.
fn attribute(name: &str, text: &str) -> Result<String, EnvironmentError> {
    match not_xml(text) {
        None => Ok(xml(text)),
        Some((offset, character)) => {
            Err(EnvironmentError::ControlCharacter { name: shown(name), code: character.into(), offset })
        }
    }
}
