use super::*;

/// A directory record as a reader sees it.
struct Record {
    identifier: Vec<u8>,
    name: Option<String>,
    start: usize,
    length: usize,
    is_folder: bool,
}

fn number(bytes: &[u8]) -> usize {
    let little = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(little, u32::from_be_bytes(bytes[4..8].try_into().unwrap()));
    usize::try_from(little).unwrap()
}

fn record(bytes: &[u8]) -> Record {
    let identifier = bytes[33..33 + usize::from(bytes[32])].to_vec();
    let mut name = None;
    let mut entries = &bytes[(33 + identifier.len()).next_multiple_of(2).max(34)..];
    while entries.len() >= 4 && entries[2] >= 4 {
        let (entry, rest) = entries.split_at(usize::from(entries[2]));
        if entry.starts_with(b"NM") {
            name = Some(String::from_utf8(entry[5..].to_vec()).unwrap());
        }
        entries = rest;
    }
    let is_folder = bytes[25] & 2 != 0;
    Record { identifier, name, start: number(&bytes[2..]), length: number(&bytes[10..]), is_folder }
}

fn folder(image: &[u8], start: usize, length: usize) -> Vec<Record> {
    assert_eq!(length % SECTOR, 0);
    let sectors = image[start * SECTOR..start * SECTOR + length].chunks(SECTOR);
    let mut records = Vec::new();
    for mut sector in sectors {
        while !sector.is_empty() && sector[0] != 0 {
            let (bytes, rest) = sector.split_at(usize::from(sector[0]));
            records.push(record(bytes));
            sector = rest;
        }
    }
    records
}

/// All files of an image: path, identifier and bytes.
pub(in crate::environment) fn files(image: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let volume = &image[16 * SECTOR..];
    assert_eq!((&volume[..7], number(&volume[80..]) * SECTOR), (b"\x01CD001\x01".as_slice(), image.len()));
    let root = record(&volume[156..190]);
    let mut found = Vec::new();
    let mut open = vec![(String::new(), root.start, root.length)];
    while let Some((path, start, length)) = open.pop() {
        let records = folder(image, start, length);
        assert_eq!((&records[0].identifier[..], &records[1].identifier[..]), (&[0][..], &[1][..]));
        assert!(records.windows(2).all(|pair| pair[0].identifier < pair[1].identifier));
        for entry in &records[2..] {
            let path = format!("{path}/{}", entry.name.clone().unwrap());
            if entry.is_folder {
                open.push((path, entry.start, entry.length));
            } else {
                let bytes = &image[entry.start * SECTOR..][..entry.length];
                found.push((path, String::from_utf8(entry.identifier.clone()).unwrap(), bytes.to_vec()));
            }
        }
    }
    found.sort();
    found
}

fn made(names: &[&str]) -> Vec<(String, Vec<u8>)> {
    names.iter().map(|name| ((*name).to_owned(), name.as_bytes().repeat(400))).collect()
}

#[test]
fn files_are_found_by_their_own_names_and_by_plain_ones() {
    let given = made(&[
        "user-data",
        "meta-data",
        "network-config",
        "ovf-env.xml",
        "ovffiles/setup/cfg.xml",
        "ovffiles/cfg.xml",
    ]);
    let image = image("cidata", &given).unwrap();
    assert_eq!(&image[16 * SECTOR + 40..16 * SECTOR + 72], format!("{:32}", "cidata").as_bytes());
    let found = files(&image);
    assert_eq!(found.len(), given.len());
    for (path, bytes) in &given {
        assert!(
            found.iter().any(|(name, _, content)| name.strip_prefix('/') == Some(path) && content == bytes),
            "{path}"
        );
    }
    let plain: Vec<&str> = found.iter().map(|(_, plain, _)| plain.as_str()).collect();
    assert_eq!(plain, ["META_DATA.;1", "NETWORK_CONFIG.;1", "OVF_ENV.XML;1", "CFG.XML;1", "CFG.XML;1", "USER_DATA.;1"]);
}

#[test]
fn names_that_look_alike_stay_apart() {
    let long = "n".repeat(MAX_NAME);
    let names = ["a-b", "a_b", "A.B", "a.b", ".profile", "ä", "ö", "x.tar.gz", &long, &format!("{}é", "n".repeat(126))];
    let image = image("X", &made(&names)).unwrap();
    let found = files(&image);
    for name in names {
        assert!(found.iter().any(|(path, ..)| path.strip_prefix('/') == Some(name)), "{name}");
    }
    let mut plain: Vec<&String> = found.iter().map(|(_, plain, _)| plain).collect();
    plain.sort();
    plain.dedup();
    assert_eq!(plain.len(), names.len());
}

#[test]
fn as_many_files_and_folders_as_are_allowed_are_there() {
    let many: Vec<_> = (0..MAX_FILES)
        .map(|n| (format!("file-with-a-long-name-{n}"), vec![u8::try_from(n % 251).unwrap(); n % 3]))
        .collect();
    assert_eq!(files(&image("X", &many).unwrap()).len(), MAX_FILES);
    assert_eq!(image("X", &[many, made(&["more"])].concat()), Err(IsoError::TooBig));
    let folders: Vec<_> = (1..MAX_FOLDERS).map(|n| (format!("a-long-name-of-a-folder-{n}/f"), vec![1])).collect();
    assert_eq!(files(&image("X", &folders).unwrap()).len(), MAX_FOLDERS - 1);
    assert_eq!(image("X", &[folders, made(&["b/c"])].concat()), Err(IsoError::TooBig));
    assert_eq!(image("X", &[("big".to_owned(), vec![0; MAX_IMAGE])]), Err(IsoError::TooBig));
}

#[test]
fn the_same_files_give_the_same_image() {
    let given = made(&["b", "a", "c/d"]);
    assert_eq!(image("X", &given), image("X", &given));
    assert_eq!(files(&image("X", &[]).unwrap()).len(), 0);
}

#[test]
fn paths_and_labels_that_cannot_be_are_refused() {
    for path in [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        ".",
        "a\nb",
        "a\0",
        &"x".repeat(MAX_NAME + 1),
        "1/2/3/4/5/6/7/8/9",
    ] {
        let refused = image("X", &made(&[path])).unwrap_err();
        assert!(matches!(refused, IsoError::Path { .. }) && !refused.remedy().is_empty(), "{path:?}");
        assert!(!refused.to_string().contains('\n'));
    }
    assert!(image("X", &made(&["a", "a"])).is_err());
    assert!(image("X", &made(&["a", "a/b"])).is_err());
    assert!(image("X", &made(&["a/b", "a"])).is_err());
    for label in ["", "ümlaut", "a\nb", &"x".repeat(33)] {
        assert!(matches!(image(label, &[]), Err(IsoError::Label(_))), "{label:?}");
    }
}
