//! Images in compressed files, and in files that were cut into chunks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

mod judge;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use judge::{Bench, Random, assert_same, odd_size, read};
use ovum_disk::storage::{FileStorage, Part, Spill, Storage, read_bytes, write_bytes};
use ovum_disk::{
    Access, Disk, Format, Image, OpenError, OpenErrorKind, Options, Packing, is_changed_in_place, open, open_with,
};

/// Packs the file `from` into `from` with the ending of `packing`.
fn pack(from: &Path, packing: Packing) -> PathBuf {
    let name = |ending: &str| PathBuf::from(format!("{}.{ending}", from.display()));
    let mut input = File::open(from).unwrap();
    match packing {
        Packing::Gzip => {
            let path = name("gz");
            let mut encoder = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
            io::copy(&mut input, &mut encoder).unwrap();
            encoder.finish().unwrap();
            path
        }
        Packing::Bzip2 => {
            let path = name("bz2");
            let mut encoder = bzip2::write::BzEncoder::new(File::create(&path).unwrap(), bzip2::Compression::new(1));
            io::copy(&mut input, &mut encoder).unwrap();
            encoder.finish().unwrap();
            path
        }
        Packing::None => from.to_owned(),
    }
}

/// Cuts the file into chunks of `len` bytes; returns the name of the first one.
fn cut(from: &Path, len: usize) -> PathBuf {
    let bytes = fs::read(from).unwrap();
    for (number, chunk) in bytes.chunks(len).enumerate() {
        fs::write(format!("{}.{number:09}", from.display()), chunk).unwrap();
    }
    PathBuf::from(format!("{}.000000000", from.display()))
}

fn open_ro(path: &Path) -> Arc<Image> {
    open(path, None, Access::ReadOnly).unwrap()
}

fn refusal(path: &Path, options: &Options) -> OpenError {
    let error = open_with(path, options).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "the cause names the path: {error}");
    assert!(!error.remedy().is_empty() && !error.remedy().contains('\n'));
    error
}

#[test]
fn packed_raw_images_are_read_whole() {
    for (seed, packing) in [(1, Packing::Gzip), (2, Packing::Bzip2), (9, Packing::Gzip), (10, Packing::Bzip2)] {
        let bench = Bench::new();
        let raw = bench.sparse("disk.img", odd_size(seed) + seed % 3, seed);
        let image = open_ro(&pack(&raw, packing));
        assert!(image.is_read_only());
        assert_same(&image, &raw, seed);
    }
}

#[test]
fn forty_megabytes_are_read_at_any_place() {
    let bench = Bench::new();
    let raw = bench.path("disk.raw");
    fs::write(&raw, Random::new(4).bytes(40 << 20)).unwrap();
    assert_same(&open_ro(&pack(&raw, Packing::Gzip)), &raw, 1);
}

#[test]
fn chunks_may_hold_any_of_them() {
    for (packing, len) in [(Packing::None, 100_000), (Packing::Gzip, 3_333), (Packing::Bzip2, 512)] {
        let bench = Bench::new();
        let raw = bench.path("disk.img");
        fs::write(&raw, Random::new(5).bytes(700_001)).unwrap();
        assert_same(&open_ro(&cut(&pack(&raw, packing), len)), &raw, 3);
    }
}

#[test]
fn the_ending_below_declares_the_format() {
    let bench = Bench::new();
    for (name, packed) in [("disk.img", true), ("disk.img", false), ("disk", true)] {
        let raw = bench.path(name);
        fs::write(&raw, [1; 4096]).unwrap();
        let path = if packed { pack(&raw, Packing::Gzip) } else { raw };
        let result = open(&path, None, Access::ReadOnly);
        assert_eq!(result.is_ok(), name == "disk.img", "{}", path.display());
    }
    let path = bench.path("disk.gz");
    assert!(matches!(refusal(&path, &Options::new(Access::ReadOnly)).kind(), OpenErrorKind::Undeclared));
    let vmdk = bench.path("disk.vmdk");
    fs::write(&vmdk, [1; 4096]).unwrap();
    let error = refusal(&pack(&vmdk, Packing::Bzip2), &Options::new(Access::ReadOnly));
    assert!(matches!(error.kind(), OpenErrorKind::OtherFormat { declared: Format::Vmdk, .. }), "{error}");
}

#[test]
fn what_is_declared_raw_is_not_unpacked() {
    let bench = Bench::new();
    let raw = bench.path("disk.img");
    fs::write(&raw, Random::new(6).bytes(50_000)).unwrap();
    let packed = pack(&raw, Packing::Gzip);
    // Whoever says raw means the file's bytes; whoever says more, is taken at their word.
    assert_same(&open(&packed, Some(Format::Raw), Access::ReadOnly).unwrap(), &packed, 1);
    let options = Options { format: Some(Format::Raw), packing: Some(Packing::Gzip), ..Options::new(Access::ReadOnly) };
    assert_same(&open_with(&packed, &options).unwrap(), &raw, 1);
    let options = Options { packing: Some(Packing::None), ..options };
    assert_same(&open_with(&packed, &options).unwrap(), &packed, 1);
    // A guest may have written the magic to its disk.
    let renamed = bench.path("other.img");
    fs::copy(&packed, &renamed).unwrap();
    assert_same(&open_ro(&renamed), &renamed, 1);
}

#[test]
fn the_bytes_must_confirm_the_packing() {
    let bench = Bench::new();
    for (name, bytes, packing) in [
        ("a.img.gz", &b"BZh9 is not gzip"[..], Packing::Gzip),
        ("b.img.bz2", b"\x1f\x8b is not bzip2", Packing::Bzip2),
        ("c.img.GZ", b"", Packing::Gzip),
        ("d.img.bz2", b"BZ", Packing::Bzip2),
    ] {
        let path = bench.path(name);
        fs::write(&path, bytes).unwrap();
        let error = refusal(&path, &Options::new(Access::ReadOnly));
        assert!(matches!(error.kind(), OpenErrorKind::OtherPacking(declared) if *declared == packing), "{error}");
        assert!(error.to_string().contains(&packing.to_string()));
    }
    let path = bench.path("e.img.gz");
    fs::write(&path, b"\x1f\x8b\x08").unwrap();
    assert!(matches!(refusal(&path, &Options::new(Access::ReadOnly)).kind(), OpenErrorKind::Damaged(_)));
    assert_eq!("bzip2".parse::<Packing>(), Ok(Packing::Bzip2));
    assert!("xz".parse::<Packing>().unwrap_err().to_string().contains("none, gzip, bzip2"));
}

#[test]
fn nothing_of_it_is_written_in_place() {
    let bench = Bench::new();
    let raw = bench.path("disk.img");
    fs::write(&raw, [1; 4096]).unwrap();
    for path in [pack(&raw, Packing::Gzip), pack(&raw, Packing::Bzip2), cut(&raw, 1000)] {
        let before = fs::read(&path).unwrap();
        let error = refusal(&path, &Options::new(Access::ReadWrite));
        assert!(matches!(error.kind(), OpenErrorKind::Unsupported { .. }), "{error}");
        assert!(error.remedy().contains("overlay"));
        assert!(!is_changed_in_place(&path, None).unwrap());
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_declared_size_makes_opening_cheap_and_is_only_a_limit() {
    let bench = Bench::new();
    let raw = bench.path("disk.img");
    fs::write(&raw, Random::new(7).bytes(2 << 20)).unwrap();
    for packing in [Packing::Gzip, Packing::Bzip2] {
        let path = pack(&raw, packing);
        let sized = |size| {
            let options = Options { unpacked_size: Some(size), ..Options::new(Access::ReadOnly) };
            // Its bytes say nothing, and looking at them would unpack all of it to see its end.
            open_with(&path, &Options { format: Some(Format::Raw), packing: Some(packing), ..options }).unwrap()
        };
        assert_same(&sized(2 << 20), &raw, 1);
        let long = sized(1 << 40);
        assert_eq!(long.size(), 1 << 40);
        assert_eq!(read(long.as_ref(), (2 << 20) - 10, 10), fs::read(&raw).unwrap()[(2 << 20) - 10..]);
        let mut byte = [0];
        let error = long.read_at(1 << 30, &[vm_memory::VolatileSlice::from(&mut byte[..])]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_member_of_an_archive_is_unpacked_where_it_lies() {
    let bench = Bench::new();
    let raw = bench.path("disk.img");
    fs::write(&raw, Random::new(8).bytes(300_000)).unwrap();
    for packing in [Packing::Gzip, Packing::Bzip2] {
        let packed = fs::read(pack(&raw, packing)).unwrap();
        let archive = bench.path("archive");
        File::create(&archive).unwrap().write_all(&[&[7; 1536][..], &packed, &[7; 512]].concat()).unwrap();
        let whole: Arc<dyn Storage> = Arc::new(FileStorage::open(&archive, Access::ReadOnly).unwrap());
        let part = Part::new("disk.img", whole, 1536..1536 + packed.len() as u64).unwrap();
        let unpacked = packing.unpack(Arc::new(part), None).unwrap();
        assert!(unpacked.name().contains("disk.img in"), "{}", unpacked.name());
        let mut bytes = vec![0; 300_000];
        read_bytes(unpacked.as_ref(), 0, &mut bytes).unwrap();
        assert!(bytes == fs::read(&raw).unwrap());
    }
}

#[test]
fn what_the_programs_of_the_host_packed_is_read() {
    let bench = Bench::new();
    for (program, packing) in [("gzip", Packing::Gzip), ("bzip2", Packing::Bzip2)] {
        let raw = bench.sparse(&format!("{program}.img"), 3_000_000, 11);
        let output = std::process::Command::new(program).args(["--stdout", "--best"]).arg(&raw).output();
        let Ok(output) = output else {
            eprintln!("skipped: there is no {program} on this host");
            continue;
        };
        let path = pack(&raw, packing);
        fs::write(&path, output.stdout).unwrap();
        assert_same(&open_ro(&path), &raw, 11);
    }
}

#[test]
fn discarded_changes_may_be_many() {
    let bench = Bench::new();
    let spill = Spill::new(bench.dir.path(), 1 << 20);
    let bytes = Random::new(12).bytes(3 << 20);
    write_bytes(&spill, 1 << 40, &bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    read_bytes(&spill, 1 << 40, &mut back).unwrap();
    assert!(back == bytes);
    assert_eq!(spill.data_after(0).unwrap().start, 1 << 40);
}

#[test]
fn seeds_are_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds");
    for (name, body) in [("disk_gzip", ovum_disk::fuzz::gzip as fn(&[u8])), ("disk_bzip2", ovum_disk::fuzz::bzip2)] {
        let mut count = 0;
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            body(&bytes);
            // And what is close to it.
            let mut random = Random::new(bytes.len() as u64);
            for _ in 0..10 {
                let mut bytes = bytes.clone();
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
                bytes.truncate(bytes.len() - usize::try_from(random.below(20)).unwrap().min(bytes.len()));
                body(&bytes);
            }
            count += 1;
        }
        assert!(count >= 4, "{name} has {count} seeds");
    }
}
