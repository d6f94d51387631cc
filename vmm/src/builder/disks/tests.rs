#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use ovum_disk::OpenErrorKind;
use tempfile::TempDir;
use vm_memory::VolatileSlice;

use super::*;

const SIZE: usize = 1 << 20;

/// A folder, and a source of each kind whose disk holds ones, or nothing.
fn sources() -> (TempDir, Vec<DiskSource>) {
    let folder = TempDir::new().unwrap();
    let ones = vec![1; SIZE];
    let path = folder.path().join("file.raw");
    fs::write(&path, &ones).unwrap();
    let bytes: Arc<[u8]> = ones.into();
    let storage = Arc::new(Bytes::new("member", Arc::clone(&bytes)));
    let alone: Arc<dyn Neighbours> = Arc::new(Alone);
    let image = ovum_disk::open_storage(storage, &alone, Format::Raw, Access::ReadOnly).unwrap();
    let sources = vec![
        DiskSource::File { path, format: None },
        DiskSource::Image { image, name: "a.ova#member".into() },
        DiskSource::Bytes { bytes, name: "seed".into() },
        DiskSource::Empty { size: SIZE as u64, name: "empty".into() },
    ];
    (folder, sources)
}

fn open_with(source: &DiskSource, writes: Writes, folder: &TempDir) -> OpenDisk {
    let config = DiskConfig { source: source.clone(), writes };
    open(&config, folder.path(), Purpose::Machine).unwrap_or_else(|error| panic!("{error}"))
}

fn first(disk: &OpenDisk) -> u8 {
    let mut byte = [9];
    disk.image.read_at(0, &[VolatileSlice::from(&mut byte[..])]).unwrap();
    byte[0]
}

fn write(disk: &OpenDisk) -> bool {
    disk.image.write_at(0, &[VolatileSlice::from(&mut [7_u8; 512][..])]).is_ok()
}

#[test]
fn writes_go_where_they_are_to_go_whatever_the_bytes_come_from() {
    let (folder, sources) = sources();
    for source in &sources {
        let before = u8::from(!matches!(source, DiskSource::Empty { .. }));
        let refused = open_with(source, Writes::Refused, &folder);
        assert_eq!((first(&refused), write(&refused)), (before, false), "{source}");
        drop(refused);

        let discarded = open_with(source, Writes::Discarded, &folder);
        assert_eq!((first(&discarded), write(&discarded), first(&discarded)), (before, true, 7), "{source}");
        drop(discarded);
        assert_eq!(first(&open_with(source, Writes::Discarded, &folder)), before, "{source}: nothing is left");

        let file = folder.path().join("overlay.qcow2");
        let overlay = || open_with(source, Writes::Overlay(file.clone()), &folder);
        assert!(write(&overlay()), "{source}");
        assert_eq!(first(&overlay()), 7, "{source}: it is kept");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn what_nobody_says_follows_from_the_source() {
    let (folder, sources) = sources();
    let writes: Vec<_> = sources.iter().map(|source| open_with(source, Writes::ByFormat, &folder).writes).collect();
    assert_eq!(writes, [READ_WRITE, DISCARDED, READ_ONLY, DISCARDED]);
}

#[test]
fn a_plan_makes_no_overlay() {
    let (folder, sources) = sources();
    let file = folder.path().join("overlay.qcow2");
    for source in sources {
        let config = DiskConfig { source, writes: Writes::Overlay(file.clone()) };
        assert_eq!(open(&config, folder.path(), Purpose::Plan).ok().unwrap().writes, NEW_OVERLAY);
        assert!(!file.exists());
    }
}

#[test]
fn an_overlay_of_one_member_is_not_put_above_another() {
    let (folder, sources) = sources();
    let Some(DiskSource::Image { image, name }) = sources.get(1) else { return };
    let config = |name: &str| DiskConfig {
        source: DiskSource::Image { image: Arc::clone(image), name: PathBuf::from(name) },
        writes: Writes::Overlay(folder.path().join("overlay.qcow2")),
    };
    drop(open(&config(name.to_str().unwrap()), folder.path(), Purpose::Machine).ok().unwrap());
    let error = open(&config("b.ova#member"), folder.path(), Purpose::Machine).err().unwrap();
    assert!(matches!(error.kind(), OpenErrorKind::OtherParent { .. }), "{error}");
}
