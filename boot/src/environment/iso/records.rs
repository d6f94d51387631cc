//! The bytes of descriptors, path tables and directory records.

use super::tree::{Content, Folder, Node, Places, Tree};
use super::{SECTOR, SYSTEM_AREA, pad};

/// The time of everything in an image: the first second of 1980, UTC (ECMA-119, 9.1.5: years from 1900, month, day, hour,
/// minute, second, offset).
const TIME: [u8; 7] = [80, 1, 1, 0, 0, 0, 0];
/// The same as digits (ECMA-119, 8.4.26.1).
const DIGITS: &[u8; 17] = b"1980010100000000\0";
/// No time.
const NEVER: &[u8; 17] = b"0000000000000000\0";

/// A directory record without its name (ECMA-119, 9.1).
const RECORD: usize = 33;
/// The flag of a directory record that is a folder's (ECMA-119, 9.1.6).
const IS_FOLDER: u8 = 2;

/// SUSP's mark of the first record of the root: Rock Ridge entries begin where they may (SUSP 1.12, 5.3).
const SP: [u8; 7] = [b'S', b'P', 7, 1, 0xbe, 0xef, 0];
/// The extension in use is Rock Ridge (SUSP 1.12, 5.5; RRIP 1.12, 4.3): lengths of identifier, description and source, version.
const ER: [u8; 18] = [b'E', b'R', 18, 1, 10, 0, 0, 1, b'R', b'R', b'I', b'P', b'_', b'1', b'9', b'9', b'1', b'A'];
/// Modes of folders and files (RRIP 1.12, 4.1.1; stat(2)): anybody may read, nobody may write.
const FOLDER_MODE: u32 = 0o040_555;
const FILE_MODE: u32 = 0o100_444;

/// A number as ECMA-119 likes it: in both orders of bytes (7.3.3).
fn both32(number: usize) -> [u8; 8] {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let mut bytes = [0; 8];
    let (little, big) = bytes.split_at_mut(4);
    little.copy_from_slice(&number.to_le_bytes());
    big.copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The same in 16 bits (7.2.3).
fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A text filled up with blanks.
fn padded(out: &mut Vec<u8>, text: &str, length: usize) {
    out.extend(text.bytes().chain(std::iter::repeat(b' ')).take(length));
}

/// The primary volume descriptor (ECMA-119, 8.4).
pub(super) fn volume(out: &mut Vec<u8>, label: &str, tree: &Tree<'_>, places: &Places) {
    out.extend(b"\x01CD001\x01\0");
    padded(out, "LINUX", 32);
    padded(out, label, 32);
    out.extend([0; 8]);
    out.extend(both32(places.end));
    out.extend([0; 32]);
    out.extend(both16(1)); // volumes of the set
    out.extend(both16(1)); // this one's number
    out.extend(both16(2048)); // bytes of a block
    let mut table = Vec::new();
    path_records(&mut table, tree, places, u32::to_le_bytes, u16::to_le_bytes);
    out.extend(both32(table.len()));
    let table_at = |sector: usize| u32::try_from(sector).unwrap_or(u32::MAX);
    out.extend(table_at(SYSTEM_AREA + 2).to_le_bytes());
    out.extend([0; 4]); // no second copy
    out.extend(table_at(SYSTEM_AREA + 3).to_be_bytes());
    out.extend([0; 4]);
    let (start, length) = places.folders.get(&0).copied().unwrap_or_default();
    record(out, &[0], start, length * SECTOR, true, &[]);
    padded(out, "", 128); // volume set
    padded(out, "", 128); // publisher
    padded(out, "", 128); // preparer
    padded(out, "OVUM", 128); // application
    padded(out, "", 37 * 3); // files with copyright, abstract and bibliography
    out.extend(DIGITS);
    out.extend(DIGITS);
    out.extend(NEVER);
    out.extend(NEVER);
    out.extend([1, 0]); // version of the structure
    pad(out);
}

/// What ends the volume descriptors (ECMA-119, 8.3).
pub(super) fn terminator(out: &mut Vec<u8>) {
    out.extend(b"\xffCD001\x01");
    pad(out);
}

/// A path table (ECMA-119, 9.4), whose numbers are in one order of bytes.
pub(super) fn path_table(
    out: &mut Vec<u8>,
    tree: &Tree<'_>,
    places: &Places,
    order32: fn(u32) -> [u8; 4],
    order16: fn(u16) -> [u8; 2],
) {
    path_records(out, tree, places, order32, order16);
    pad(out);
}

fn path_records(
    out: &mut Vec<u8>,
    tree: &Tree<'_>,
    places: &Places,
    order32: fn(u32) -> [u8; 4],
    order16: fn(u16) -> [u8; 2],
) {
    for number in &places.order {
        let Some(folder) = tree.folders.get(*number) else { continue };
        let siblings = tree.folders.get(folder.parent).map_or(&[][..], |parent| &parent.nodes);
        let own = siblings.iter().find(|node| matches!(node.content, Content::Folder(child) if child == *number));
        let identifier = own.map_or(&[0][..], |node| node.identifier.as_bytes());
        let (start, _) = places.folders.get(number).copied().unwrap_or_default();
        let parent = places.order.iter().position(|other| *other == folder.parent).unwrap_or(0) + 1;
        out.extend([u8::try_from(identifier.len()).unwrap_or(u8::MAX), 0]);
        out.extend(order32(u32::try_from(start).unwrap_or(u32::MAX)));
        out.extend(order16(u16::try_from(parent).unwrap_or(u16::MAX)));
        out.extend(identifier);
        if identifier.len() % 2 == 1 {
            out.push(0);
        }
    }
}

/// How many sectors a folder's records take.
pub(super) fn folder_sectors(folder: &Folder<'_>) -> usize {
    let mut records = Vec::new();
    folder_records(&mut records, folder, |_| (0, 0), (0, 0), (0, 0));
    records.len().div_ceil(SECTOR)
}

/// All folders, in the order of the path tables, which is that of their sectors.
pub(super) fn folders(out: &mut Vec<u8>, tree: &Tree<'_>, places: &Places) {
    // Files have their sectors in the order of the folders' numbers.
    let mut first_file = Vec::new();
    let mut files = 0;
    for folder in &tree.folders {
        first_file.push(files);
        files += folder.nodes.iter().filter(|node| matches!(node.content, Content::File(_))).count();
    }
    let place = |number: usize| {
        let (start, length) = places.folders.get(&number).copied().unwrap_or_default();
        (start, length * SECTOR)
    };
    for number in &places.order {
        let Some(folder) = tree.folders.get(*number) else { continue };
        let mut file = first_file.get(*number).copied().unwrap_or_default();
        let of = |node: &Node<'_>| match node.content {
            Content::Folder(child) => place(child),
            Content::File(bytes) => {
                let start = places.files.get(file).copied().unwrap_or_default();
                file += 1;
                (start, bytes.len())
            }
        };
        let mut records = Vec::new();
        folder_records(&mut records, folder, of, place(*number), place(folder.parent));
        out.extend(records);
        pad(out);
    }
}

/// A folder's records: itself, its parent, its entries. None crosses the end of a sector (ECMA-119, 6.8.1.1).
fn folder_records(
    out: &mut Vec<u8>,
    folder: &Folder<'_>,
    mut of: impl FnMut(&Node<'_>) -> (usize, usize),
    own: (usize, usize),
    parent: (usize, usize),
) {
    let mut own_use = Vec::new();
    if folder.depth == 1 {
        own_use.extend(SP);
    }
    own_use.extend(attributes(FOLDER_MODE));
    if folder.depth == 1 {
        own_use.extend(ER);
    }
    record(out, &[0], own.0, own.1, true, &own_use);
    record(out, &[1], parent.0, parent.1, true, &attributes(FOLDER_MODE));
    for node in &folder.nodes {
        let is_folder = matches!(node.content, Content::Folder(_));
        let mut entries = if is_folder { attributes(FOLDER_MODE) } else { attributes(FILE_MODE) };
        entries.extend(b"NM");
        entries.extend([u8::try_from(node.name.len() + 5).unwrap_or(u8::MAX), 1, 0]);
        entries.extend(node.name.as_bytes());
        let (start, length) = of(node);
        let mut bytes = Vec::new();
        record(&mut bytes, node.identifier.as_bytes(), start, length, is_folder, &entries);
        if out.len() % SECTOR + bytes.len() > SECTOR {
            pad(out);
        }
        out.extend(bytes);
    }
}

/// POSIX attributes (RRIP 1.12, 4.1.1): mode, links, user, group. One link, for a folder, says that nobody counted.
fn attributes(mode: u32) -> Vec<u8> {
    let mode = usize::try_from(mode).unwrap_or_default();
    [b"PX\x24\x01".as_slice(), &both32(mode), &both32(1), &both32(0), &both32(0)].concat()
}

/// A directory record (ECMA-119, 9.1) with what Rock Ridge adds to it.
fn record(out: &mut Vec<u8>, identifier: &[u8], start: usize, length: usize, is_folder: bool, system_use: &[u8]) {
    let filler = usize::from(identifier.len().is_multiple_of(2));
    let whole = (RECORD + identifier.len() + filler + system_use.len()).next_multiple_of(2);
    let end = out.len() + whole;
    out.extend([u8::try_from(whole).unwrap_or(u8::MAX), 0]);
    out.extend(both32(start));
    out.extend(both32(length));
    out.extend(TIME);
    out.push(if is_folder { IS_FOLDER } else { 0 });
    out.extend([0, 0]); // not interleaved
    out.extend(both16(1)); // volume
    out.push(u8::try_from(identifier.len()).unwrap_or(u8::MAX));
    out.extend(identifier);
    out.resize(out.len() + filler, 0);
    out.extend(system_use);
    out.resize(end, 0);
}
