//! What `ovf:format` says.

use ovum_disk::Format;

use super::appliance::DeclaredFormat;
use super::codes;
use super::reader::Reader;
use super::units::shown;
use super::xml::Element;

/// What the URIs of a format have in them, in small letters. The standard names none; these are in use:
/// VMware's (`.../interfaces/specifications/vmdk.html#streamOptimized`, older without `interfaces`), Microsoft's specification
/// of VHD, which had several homes, and the old and the new home of that of qcow2.
const MARKS: &[(&str, Format)] = &[
    ("vhdx", Format::Vhdx),
    ("vmdk", Format::Vmdk),
    ("qcow", Format::Qcow2),
    ("vhd", Format::Vhd),
    ("bb676673", Format::Vhd),
    ("linkid=137171", Format::Vhd),
    ("vdi", Format::Vdi),
    // ISO 9660.
    ("ecma-119", Format::Raw),
    ("iso9660", Format::Raw),
];

/// The format that a disk declares.
pub fn declared(disk: Element<'_>, has_file: bool, reader: &mut Reader<'_>) -> DeclaredFormat {
    // oVirt writes VMDK's URI for every disk, and the truth elsewhere.
    match disk.word("volume-format").map(str::to_ascii_lowercase).as_deref() {
        Some("raw") => return DeclaredFormat::Known(Format::Raw),
        Some("cow") => return DeclaredFormat::Known(Format::Qcow2),
        _ => {}
    }
    let Some(uri) = disk.word("format") else {
        if has_file {
            reader.warn(codes::DISK_FORMAT_MISSING, disk, "the disk does not say what format its image has");
        }
        return DeclaredFormat::Undeclared;
    };
    match known(uri) {
        Some(format) => DeclaredFormat::Known(format),
        None => {
            reader.warn(codes::DISK_FORMAT_UNKNOWN, disk, format!("the disk format \"{}\" is not known", shown(uri)));
            DeclaredFormat::Unknown(uri.to_owned())
        }
    }
}

fn known(uri: &str) -> Option<Format> {
    let uri = uri.to_ascii_lowercase();
    let mark = MARKS.iter().find(|(mark, _)| uri.contains(mark)).map(|(_, format)| *format);
    // `raw` is in too many words to be looked for in the middle of one.
    let is_raw = || uri.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "raw");
    mark.or_else(|| is_raw().then_some(Format::Raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_the_uris_in_use() {
        for (uri, format) in [
            ("http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized", Some(Format::Vmdk)),
            ("http://www.vmware.com/specifications/vmdk.html#sparse", Some(Format::Vmdk)),
            ("http://www.vmware.com/specifications/VMDK.html#compressed", Some(Format::Vmdk)),
            ("http://technet.microsoft.com/en-us/virtualserver/bb676673.aspx", Some(Format::Vhd)),
            ("http://go.microsoft.com/fwlink/?LinkId=137171", Some(Format::Vhd)),
            ("http://example.com/vhdx.html", Some(Format::Vhdx)),
            ("http://www.gnome.org/~markmc/qcow-image-format.html", Some(Format::Qcow2)),
            ("http://example.com/disk#raw", Some(Format::Raw)),
            ("raw", Some(Format::Raw)),
            ("http://example.com/drawings", None),
            ("http://example.com/format.html#compressed", None),
        ] {
            assert_eq!(known(uri), format, "{uri}");
        }
    }
}
