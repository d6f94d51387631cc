//! The images that are read, made once and kept in the target folder.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::{binaries, packages};

/// The size of the disks that are read, in bytes.
const SIZE: u64 = 1 << 30;
/// How much of them holds data.
const DATA: u64 = 640 << 20;
/// Where the package's member begins, in bytes: not at a page, as in tar files.
const MEMBER: u64 = (9 << 30) + 512;

/// An image that is read.
pub(super) struct Image {
    pub(super) name: &'static str,
    /// As `qemu-img` calls it.
    pub(super) format: &'static str,
    pub(super) path: PathBuf,
    /// The part of the file that it is, for `disk-read`.
    pub(super) part: Option<String>,
}

/// Name in the report, format and options for `qemu-img`, file name.
const KINDS: &[(&str, &str, &[&str], &str)] = &[
    ("VMDK streamOptimized", "vmdk", &["-o", "subformat=streamOptimized"], "stream.vmdk"),
    ("VMDK monolithicSparse", "vmdk", &[], "sparse.vmdk"),
    ("qcow2", "qcow2", &[], "plain.qcow2"),
    ("qcow2, zlib", "qcow2", &["-c"], "zlib.qcow2"),
    ("qcow2, zstd", "qcow2", &["-c", "-o", "compression_type=zstd"], "zstd.qcow2"),
    ("VHD dynamic", "vpc", &["-o", "subformat=dynamic"], "dynamic.vhd"),
    ("VHDX dynamic", "vhdx", &[], "dynamic.vhdx"),
    ("VDI", "vdi", &[], "dynamic.vdi"),
];

/// The images, made.
pub(super) struct Images {
    folder: PathBuf,
}

impl Images {
    /// Makes what is missing.
    pub(super) fn make() -> Result<Self> {
        let folder = binaries::target().join("bench-disk");
        fs::create_dir_all(&folder).doing(format!("making {}", folder.display()))?;
        let images = Self { folder };
        once(&images.raw(), fill)?;
        for (_, format, options, file) in KINDS {
            let raw = images.raw();
            once(&images.folder.join(file), |path| convert(&raw, format, options, path))?;
            let huge = images.folder.join(format!("huge-{file}"));
            once(&huge, |path| make_huge(&images.folder, format, options, path))?;
        }
        let stream = images.folder.join("huge-stream.vmdk");
        once(&images.package(), |path| wrap(&stream, path))?;
        Ok(images)
    }

    /// A raw image with data.
    pub(super) fn raw(&self) -> PathBuf {
        self.folder.join("data.raw")
    }

    fn package(&self) -> PathBuf {
        self.folder.join("package.tar.part")
    }

    /// Images with data.
    pub(super) fn filled(&self) -> Vec<Image> {
        let image = |(name, format, _, file): &(&'static str, &'static str, _, &str)| Image {
            name,
            format,
            path: self.folder.join(file),
            part: None,
        };
        KINDS.iter().map(image).collect()
    }

    /// Images of 100 GiB with little data, and one of them in a file of 10 GiB.
    pub(super) fn huge(&self) -> Vec<Image> {
        let mut images = self.filled();
        for image in &mut images {
            let file = image.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            image.path = self.folder.join(format!("huge-{file}"));
        }
        let len = fs::metadata(self.folder.join("huge-stream.vmdk")).map_or(0, |metadata| metadata.len());
        images.push(Image {
            name: "VMDK streamOptimized inside of 10 GiB",
            format: "vmdk",
            path: self.package(),
            part: Some(format!("{MEMBER}+{len}")),
        });
        images
    }
}

/// Makes `path`, if it is not there, under another name at first.
fn once(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    eprintln!("making {}", path.display());
    let draft = path.with_extension("draft");
    let _ = fs::remove_file(&draft);
    make(&draft)?;
    fs::rename(&draft, path).doing(format!("naming {}", path.display()))
}

/// Fills a raw image with this machine's programs and libraries, with holes between, as a guest's disk has them.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path).doing(format!("making {}", path.display()))?;
    file.set_len(SIZE).doing("sizing the raw image")?;
    let mut folders = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/bin"), PathBuf::from("/usr/share")];
    let mut left = DATA;
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && left > 0 {
                let Ok(source) = File::open(entry.path()) else { continue };
                left -= io::copy(&mut source.take(left.min(16 << 20)), &mut file).doing("filling the raw image")?;
                // Files begin at blocks of 4 KiB, and now and then there is a gap.
                let at = file.stream_position().doing("filling the raw image")?.next_multiple_of(4096);
                file.seek(SeekFrom::Start(at)).doing("filling the raw image")?;
            }
        }
    }
    if left > DATA / 2 {
        return Err(Failure::new("this machine has too few programs to make a disk of"));
    }
    file.flush().doing("filling the raw image")
}

fn convert(raw: &Path, format: &str, options: &[&str], path: &Path) -> Result<()> {
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", "raw", "-O", format]).args(options).arg(raw).arg(path);
    let output = command.output().doing("running qemu-img")?;
    packages::succeeded(&output, "qemu-img convert")
}

/// 100 GiB with 1 MiB of data at either end.
fn make_huge(folder: &Path, format: &str, options: &[&str], path: &Path) -> Result<()> {
    let raw = folder.join("huge.raw");
    once(&raw, |path| {
        let file = File::create(path).doing("making the huge raw image")?;
        file.set_len(100 << 30).doing("making the huge raw image")?;
        for at in [0, (100 << 30) - (1 << 20)] {
            file.write_all_at(&[7; 1 << 20], at).doing("making the huge raw image")?;
        }
        Ok(())
    })?;
    convert(&raw, format, options, path)
}

/// Puts an image into the middle of a sparse file of 10 GiB.
fn wrap(image: &Path, path: &Path) -> Result<()> {
    let bytes = fs::read(image).doing(format!("reading {}", image.display()))?;
    let file = File::create(path).doing("making the package")?;
    file.set_len(10 << 30).doing("making the package")?;
    file.write_all_at(&bytes, MEMBER).doing("making the package")
}
