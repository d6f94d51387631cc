//! Images on top of others.

use std::fs;
use std::sync::Arc;

use ovum_disk::storage::{Alone, Bytes, Neighbours, Storage};
use ovum_disk::{Access, Format, Image, MAX_DEPTH, OpenErrorKind, open, open_storage, open_storage_above};

use super::open_clean;
use crate::judge::{Bench, Random, assert_same};

/// A base, and two images on it, with data and zeroes written here and there.
fn chain(bench: &Bench, seed: u64, zeroed: bool) {
    let size = (40 << 20) + 512 * 9;
    bench.sparse("base.raw", size, seed);
    bench.qemu_img(["convert", "-f", "raw", "-O", "vmdk", "base.raw", "base.vmdk"]);
    let mut random = Random::new(seed);
    for (child, parent) in [("middle.vmdk", "base.vmdk"), ("top.vmdk", "middle.vmdk")] {
        let options = if zeroed { "zeroed_grain=on" } else { "zeroed_grain=off" };
        bench.qemu_img(["create", "-q", "-f", "vmdk", "-o", options, "-b", parent, "-F", "vmdk", child]);
        let commands: Vec<String> = (0..6)
            .map(|turn| {
                let start = random.below(size - 400_000) / 512 * 512;
                let len = (random.below(300_000) + 1).next_multiple_of(512);
                if turn % 3 == 2 {
                    let (start, len) = (start / 65536 * 65536, len.next_multiple_of(65536));
                    format!("write -q -z {start} {len}")
                } else {
                    format!("write -q -P {} {start} {len}", turn + 17)
                }
            })
            .collect();
        bench.qemu_io("vmdk", child, &commands.iter().map(String::as_str).collect::<Vec<_>>());
    }
    bench.qemu_img(["convert", "-f", "vmdk", "-O", "raw", "top.vmdk", "top.raw"]);
}

#[test]
fn chains_are_read() {
    for seed in 0..6 {
        let bench = Bench::new();
        chain(&bench, seed, seed % 2 == 0);
        let image = open_clean(&bench.path("top.vmdk"));
        assert_eq!(image.below().unwrap().below().unwrap().below().map(|_| ()), None);
        assert_same(&image, &bench.path("top.raw"), seed);
    }
}

/// The images lie in a package, say, which names them in its own way.
#[test]
fn a_chain_is_put_together_by_others_than_the_images() {
    let bench = Bench::new();
    chain(&bench, 3, true);
    let storage = |name: &str| -> Arc<dyn Storage> {
        let bytes = fs::read(bench.path(name)).unwrap();
        Arc::new(Bytes::new(name, bytes))
    };
    let alone: Arc<dyn Neighbours> = Arc::new(Alone);
    let base = open_storage(storage("base.vmdk"), &alone, Format::Vmdk, Access::ReadOnly).unwrap();
    let middle = open_storage_above(storage("middle.vmdk"), &alone, Format::Vmdk, Arc::clone(&base)).unwrap();
    let top = open_storage_above(storage("top.vmdk"), &alone, Format::Vmdk, Arc::clone(&middle)).unwrap();
    assert_same(&top, &bench.path("top.raw"), 3);

    let refusal = |name, format, below: &Arc<Image>| {
        open_storage_above(storage(name), &alone, format, Arc::clone(below)).unwrap_err().into_kind()
    };
    let other = refusal("top.vmdk", Format::Vmdk, &base);
    assert!(matches!(&other, OpenErrorKind::OtherParent { parent } if parent == "base.vmdk"), "{other:?}");
    assert!(matches!(refusal("base.raw", Format::Raw, &base), OpenErrorKind::Unsupported { .. }));
    let mut deep = base;
    while deep.depth() + 1 < MAX_DEPTH {
        deep = open_storage_above(storage("base.vmdk"), &alone, Format::Vmdk, deep).unwrap();
    }
    assert!(matches!(refusal("base.vmdk", Format::Vmdk, &deep), OpenErrorKind::EndlessChain));
}

fn refusal(bench: &Bench, name: &str) -> OpenErrorKind {
    open(&bench.path(name), None, Access::ReadOnly).unwrap_err().into_kind()
}

/// Replaces text in the descriptor of a file, which stays as long as it is.
fn edit(bench: &Bench, name: &str, from: &str, to: &str) {
    let mut bytes = fs::read(bench.path(name)).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let room = bytes[at..].iter().position(|byte| *byte == 0).unwrap();
    let rest = String::from_utf8(bytes[at + from.len()..at + room].to_vec()).unwrap();
    let mut text = format!("{to}{rest}").into_bytes();
    text.resize(text.len().max(room), 0);
    bytes[at..at + text.len()].copy_from_slice(&text);
    fs::write(bench.path(name), bytes).unwrap();
}

#[test]
fn another_parent_is_refused() {
    let bench = Bench::new();
    chain(&bench, 1, false);
    // Written to since: its content has another identifier now.
    bench.qemu_io("vmdk", "middle.vmdk", &["write -q -P 1 0 512"]);
    assert!(matches!(refusal(&bench, "top.vmdk"), OpenErrorKind::OtherParent { parent } if parent == "middle.vmdk"));
    fs::remove_file(bench.path("middle.vmdk")).unwrap();
    assert!(matches!(refusal(&bench, "top.vmdk"), OpenErrorKind::Missing));
    fs::rename(bench.path("base.raw"), bench.path("middle.vmdk")).unwrap();
    let kind = refusal(&bench, "top.vmdk");
    assert!(matches!(kind, OpenErrorKind::OtherFormat { .. }), "{kind:?}");
}

#[test]
fn a_parent_is_found_beside_its_child_and_nowhere_else() {
    let bench = Bench::new();
    chain(&bench, 2, false);
    for hint in ["C:\\VMs\\old\\base.vmdk", "/vmfs/volumes/1/base.vmdk", "./base.vmdk", "gone/../base.vmdk"] {
        chain(&bench, 2, false);
        edit(&bench, "middle.vmdk", "parentFileNameHint=\"base.vmdk\"", &format!("parentFileNameHint=\"{hint}\""));
        let image = open(&bench.path("top.vmdk"), None, Access::ReadOnly).unwrap();
        assert_same(&image, &bench.path("top.raw"), 2);
    }
    edit(&bench, "middle.vmdk", "base.vmdk", "/etc/passwd");
    assert!(matches!(refusal(&bench, "middle.vmdk"), OpenErrorKind::Outside | OpenErrorKind::Missing));
}

#[test]
fn a_circle_of_parents_ends() {
    let bench = Bench::new();
    bench.qemu_img(["create", "-q", "-f", "vmdk", "a.vmdk", "1M"]);
    bench.qemu_img(["create", "-q", "-f", "vmdk", "-b", "a.vmdk", "-F", "vmdk", "b.vmdk"]);
    edit(&bench, "b.vmdk", "parentFileNameHint=\"a.vmdk\"", "parentFileNameHint=\"b.vmdk\"");
    let kind = refusal(&bench, "b.vmdk");
    assert!(matches!(kind, OpenErrorKind::EndlessChain), "{kind:?}");
}
