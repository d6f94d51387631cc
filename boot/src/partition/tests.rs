#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::testing::{TestPartition, gpt, guid, mbr_entry, mbr_signature, physical_volume};
use super::*;
use ovum_disk::storage::testing::Memory;

const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

fn found(disks: Vec<Vec<u8>>) -> Volumes {
    let disks: Vec<Arc<dyn Storage>> = disks.into_iter().map(|bytes| Memory::new(bytes) as Arc<dyn Storage>).collect();
    volumes(&disks)
}

fn first_bytes(volume: &Volume) -> [u8; 4] {
    storage::read_array(&*volume.storage, 0).unwrap()
}

fn two_partitions() -> Vec<u8> {
    let partition = |kind, own, label: &str, content: &[u8]| TestPartition {
        kind: guid(kind),
        guid: guid(own),
        label: label.to_owned(),
        content: content.to_vec(),
    };
    gpt(&[
        partition(ESP, "11111111-2222-3333-4444-555555555555", "EFI System", b"one."),
        partition(LINUX, "aabbccdd-eeff-0011-2233-445566778899", "", &[b"two.".as_slice(), &[0; 4000]].concat()),
    ])
}

#[test]
fn a_gpt_says_what_each_partition_is() {
    let found = found(vec![two_partitions()]);
    assert_eq!(found.notes, [""; 0]);
    let [esp, root] = found.volumes.as_slice() else { panic!("{found:?}") };
    assert_eq!((esp.name.as_str(), first_bytes(esp), esp.is_esp()), ("disk 1, partition 1", *b"one.", true));
    assert_eq!(esp.partition().unwrap().label.as_deref(), Some("EFI System"));
    assert_eq!((first_bytes(root), root.storage.size(), root.is_esp()), (*b"two.", 4096, false));
    let partition = root.partition().unwrap();
    assert_eq!(partition.partuuid.as_deref(), Some("aabbccdd-eeff-0011-2233-445566778899"));
    assert_eq!((partition.kind.as_str(), partition.number, partition.label.as_deref()), (LINUX, 2, None));
}

#[test]
fn the_second_gpt_stands_in_for_a_damaged_one() {
    for byte in [512 + 60, 1024 + 40] {
        let mut disk = two_partitions();
        disk[byte] ^= 1;
        let found = found(vec![disk]);
        assert_eq!(found.volumes.len(), 2, "{byte}");
        assert!(found.notes[0].contains("the second is used"), "{:?}", found.notes);
    }
    let mut disk = two_partitions();
    let end = disk.len();
    disk[512 + 60] ^= 1;
    disk[end - 512 + 60] ^= 1;
    let found = found(vec![disk]);
    assert!(found.notes.iter().any(|note| note.contains("none that is whole")), "{:?}", found.notes);
}

#[test]
fn a_gpt_that_claims_too_much_is_not_believed() {
    let mut disk = two_partitions();
    disk.truncate(disk.len() - 512 * 40);
    disk[512 + 80..512 + 84].copy_from_slice(&u32::MAX.to_le_bytes());
    disk[512 + 16..512 + 20].fill(0);
    let sum = crc32fast::hash(&disk[512..512 + 92]);
    disk[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
    let found = found(vec![disk]);
    assert!(found.volumes.iter().all(|volume| !matches!(volume.place, Place::Gpt(_))), "{found:?}");
}

#[test]
fn an_mbr_has_logical_partitions_behind_each_other() {
    let mut disk = vec![0; 200 * 512];
    mbr_signature(&mut disk, 0xdead_beef);
    mbr_entry(&mut disk, 0, 0, 0x83, 10, 10);
    disk[446] = 0x80;
    mbr_entry(&mut disk, 0, 2, 0x05, 50, 150);
    mbr_entry(&mut disk, 50, 0, 0x83, 2, 8);
    mbr_entry(&mut disk, 50, 1, 0x05, 20, 30);
    mbr_entry(&mut disk, 70, 0, 0x8e, 1, 9);
    disk[71 * 512..71 * 512 + 4].copy_from_slice(b"six.");
    let found = found(vec![disk]);
    let summary: Vec<_> = found
        .volumes
        .iter()
        .map(|volume| volume.partition().unwrap())
        .map(|part| (part.number, part.partuuid.as_deref().unwrap(), part.kind.as_str(), part.active))
        .collect();
    let expected = [(1, "deadbeef-01", "83", true), (5, "deadbeef-05", "83", false), (6, "deadbeef-06", "8e", false)];
    assert_eq!(summary, expected);
    assert_eq!(first_bytes(&found.volumes[2]), *b"six.");
    assert_eq!(found.notes, [""; 0]);
}

#[test]
fn an_extended_partition_that_goes_in_a_circle_ends() {
    let mut disk = vec![0; 100 * 512];
    mbr_entry(&mut disk, 0, 0, 0x0f, 10, 90);
    mbr_entry(&mut disk, 10, 0, 0x83, 1, 1);
    mbr_entry(&mut disk, 10, 1, 0x05, 20, 10);
    mbr_entry(&mut disk, 30, 0, 0x83, 1, 1);
    mbr_entry(&mut disk, 30, 1, 0x05, 20, 10);
    let circle = found(vec![disk.clone()]);
    assert_eq!(circle.volumes.len(), 2);
    assert_eq!(circle.notes, ["disk 1: the extended partition leads in a circle"]);
    mbr_entry(&mut disk, 30, 1, 0x05, 4000, 10);
    let outside = found(vec![disk]);
    assert_eq!(outside.notes, ["disk 1: the extended partition leads past the end of the disk"]);
}

#[test]
fn a_partition_that_is_cut_off_keeps_its_front() {
    let mut disk = vec![0; 100 * 512];
    mbr_entry(&mut disk, 0, 0, 0x83, 90, 1000);
    mbr_entry(&mut disk, 0, 1, 0x83, 1000, 10);
    let found = found(vec![disk]);
    assert_eq!(found.volumes.len(), 1);
    assert_eq!(found.volumes[0].storage.size(), 10 * 512);
    assert_eq!(found.notes.len(), 2);
}

#[test]
fn a_disk_without_a_table_is_one_volume() {
    let mut fat = vec![0; 4096];
    fat[54..59].copy_from_slice(b"FAT16");
    fat[510..512].copy_from_slice(&[0x55, 0xaa]);
    let found = found(vec![vec![7; 2048], fat, vec![]]);
    let places: Vec<_> = found.volumes.iter().map(|volume| (volume.disk, volume.place.clone())).collect();
    assert_eq!(places, [(0, Place::Disk), (1, Place::Disk)]);
    assert_eq!(found.notes, ["disk 3 is empty"]);
}

const PV0: &[u8; 32] = b"AAAAAABBBBCCCCDDDDEEEEFFFFGGGGGG";
const PV1: &[u8; 32] = b"111111BBBBCCCCDDDDEEEEFFFFGGGGGG";

fn group_text(sequence: u32) -> String {
    let pv = |name: &str, id: &str| {
        format!("{name} {{ id = \"{id}\" device = \"/dev/sda2\" pe_start = 128 pe_count = 8 }}\n")
    };
    let pvs =
        pv("pv0", "AAAAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGGGG") + &pv("pv1", "111111-BBBB-CCCC-DDDD-EEEE-FFFF-GGGGGG");
    let segment = |number: u32, start: u32, count: u32, kind: &str, pv: &str, at: u32| {
        format!(
            "segment{number} {{ start_extent = {start} extent_count = {count} type = \"{kind}\" stripe_count = 1\n\
             stripes = [ \"{pv}\", {at} ] }}\n"
        )
    };
    let lv = |name: &str, segments: &str| {
        format!(
            "{name} {{ id = \"{name}-id\" status = [\"READ\", \"WRITE\", \"VISIBLE\"] segment_count = 1 {segments} }}\n"
        )
    };
    let root = lv("root", &(segment(1, 0, 1, "striped", "pv1", 1) + &segment(2, 1, 2, "striped", "pv0", 0)));
    let mirror = lv("mirror", &segment(1, 0, 1, "raid1", "pv0", 0));
    format!(
        "# a comment\nvg0 {{ id = \"vgid\" seqno = {sequence} format = \"lvm2\" status = [\"RESIZEABLE\"]\n extent_size = 8\n\
         physical_volumes {{ {pvs} }}\n logical_volumes {{ {root} {mirror} hidden {{ id = \"x\" status = [] }} }}\n }}\n\
         contents = \"Text Format Volume Group\"\nversion = 1\ncreation_time = -5\n"
    )
}

#[test]
fn logical_volumes_are_put_together_across_disks() {
    for split in [10_000, 100] {
        let text = group_text(7);
        let mut one = physical_volume(PV0, &text, 65_536 + 8 * 4096, split);
        let mut two = physical_volume(PV1, &group_text(6).replace("root", "old"), 65_536 + 8 * 4096, split);
        one[65_536..65_540].copy_from_slice(b"pv0!");
        two[65_536 + 4096..65_536 + 4100].copy_from_slice(b"pv1!");
        let found = found(vec![one, two]);
        assert_eq!(found.notes, ["vg0/mirror: it is of the type raid1; only linear volumes are read"]);
        let [.., root] = found.volumes.as_slice() else { panic!() };
        assert_eq!((root.name.as_str(), root.storage.size()), ("vg0/root", 3 * 4096));
        let Place::Lvm { group, volume, group_uuid, uuid } = &root.place else { panic!() };
        assert_eq!([group.as_str(), volume, group_uuid, uuid], ["vg0", "root", "vgid", "root-id"]);
        let mut bytes = vec![0; 3 * 4096];
        storage::read_bytes(&*root.storage, 0, &mut bytes).unwrap();
        assert_eq!((&bytes[..4], &bytes[4096..4100]), (b"pv1!".as_slice(), b"pv0!".as_slice()));
        assert!(storage::read_bytes(&*root.storage, 1, &mut bytes).is_err());
    }
}

#[test]
fn a_group_that_is_not_complete_says_what_is_missing() {
    let found = found(vec![physical_volume(PV0, &group_text(1), 65_536 + 8 * 4096, 5_000)]);
    assert_eq!(found.volumes.len(), 1);
    let note = "vg0/root: its physical volume pv1 (111111-BBBB-CCCC-DDDD-EEEE-FFFF-GGGGGG) is on none of the disks";
    assert!(found.notes.contains(&note.to_owned()), "{:?}", found.notes);
}

#[test]
fn damaged_lvm_metadata_is_told_from_none() {
    let good = physical_volume(PV0, &group_text(1), 65_536 + 8 * 4096, 5_000);
    for (at, note) in [
        (512 + 40, "LVM: the label is damaged"),
        (4096 + 30, "LVM: the head of a metadata area is damaged"),
        (4096 + 61_440 - 5_000 + 3, "LVM: the metadata's checksum is wrong"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(found(vec![bad]).notes, [format!("disk 1: {note}")]);
    }
    for text in
        ["vg {", "vg = ", "vg { extent_size = 0 }", "}", "", &"a { ".repeat(100_000 / 4), "a = [ 1, 2", "a = \"b"]
    {
        let disk = physical_volume(PV0, text, 65_536, 40_000);
        let found = found(vec![disk]);
        assert!(found.notes[0].starts_with("disk 1: LVM"), "{text:?}: {:?}", found.notes);
    }
}
