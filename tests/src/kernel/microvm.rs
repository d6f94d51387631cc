//! The bench kernel: Debian's linux-source with `resources/kernel/microvm.config`, built once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::cache;
use crate::failure::{Context as _, Failure, Result};
use crate::packages;

const FRAGMENT: &str = include_str!("../../../resources/kernel/microvm.config");

/// The small kernel in both of its shapes.
#[derive(Debug, Clone)]
pub struct MicrovmKernel {
    /// The ELF kernel, without debug information.
    pub vmlinux: PathBuf,
    /// The same as a bzImage.
    pub bzimage: PathBuf,
}

/// The bench kernel from the cache; built on first use, which takes eight to twelve minutes on two cores.
///
/// # Errors
/// When the source cannot be had, or does not build.
pub fn microvm() -> Result<MicrovmKernel> {
    let source = packages::resolve(&["linux-source"], "linux-source-")?;
    let version = packages::candidate_version(&source)?;
    let name = format!("microvm-{}", cache::digest(&[FRAGMENT.as_bytes(), version.as_bytes()]));
    let folder = cache::entry(&name, |folder| {
        packages::ensure(packages::KERNEL)?;
        build(&source, &version, folder)
    })?;
    Ok(MicrovmKernel { vmlinux: folder.join("vmlinux"), bzimage: folder.join("bzImage") })
}

fn build(source: &str, version: &str, folder: &Path) -> Result<()> {
    let package = packages::unpacked(&[source])?;
    let archive = package.join(format!("usr/src/{source}.tar.xz"));
    let tree = folder.join("tree");
    fs::create_dir(&tree).doing(format!("making {}", tree.display()))?;
    println!("building the bench kernel from {source} {version}; this takes about five minutes and is kept");
    run(Command::new("tar").arg("-xf").arg(&archive).arg("--strip-components=1").arg("-C").arg(&tree))?;
    run(make(&tree).arg("tinyconfig"))?;
    let fragment = folder.join("microvm.config");
    fs::write(&fragment, FRAGMENT).doing(format!("writing {}", fragment.display()))?;
    run(Command::new("scripts/kconfig/merge_config.sh").args(["-m", ".config"]).arg(&fragment).current_dir(&tree))?;
    run(make(&tree).arg("olddefconfig"))?;
    check_configuration(&tree)?;
    let jobs = thread::available_parallelism().map_or(2, usize::from);
    run(make(&tree).arg(format!("-j{jobs}")).args(["vmlinux", "bzImage"]))?;
    run(Command::new("strip").arg("--strip-all").arg("-o").arg(folder.join("vmlinux")).arg(tree.join("vmlinux")))?;
    let bzimage = tree.join("arch/x86/boot/bzImage");
    fs::copy(&bzimage, folder.join("bzImage")).doing(format!("copying {}", bzimage.display()))?;
    // A built tree is about 1 GB; only the two kernels are kept.
    fs::remove_dir_all(&tree).doing(format!("removing {}", tree.display()))
}

fn make(tree: &Path) -> Command {
    let mut command = Command::new("make");
    // Names and dates would make each build another file.
    command.current_dir(tree).args(["ARCH=x86_64", "KBUILD_BUILD_TIMESTAMP=1970-01-01", "KBUILD_BUILD_USER=ovum"]);
    command.arg("KBUILD_BUILD_HOST=ovum");
    command
}

fn run(command: &mut Command) -> Result<()> {
    let what = format!("{:?} {:?}", command.get_program(), command.get_args().collect::<Vec<_>>());
    let output = command.output().doing(&what)?;
    packages::succeeded(&output, &what)
}

/// Kconfig drops a setting whose dependencies are not met without a word, so each is looked for in what came out.
fn check_configuration(tree: &Path) -> Result<()> {
    let path = tree.join(".config");
    let written = fs::read_to_string(&path).doing(format!("reading {}", path.display()))?;
    let lost: Vec<&str> = FRAGMENT
        .lines()
        .filter(|line| line.starts_with("CONFIG_"))
        .filter(|line| !written.lines().any(|other| other == *line))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the kernel does not take these settings: {}", lost.join(" ")))
        .remedy("see what they depend on, and change resources/kernel/microvm.config"))
}
