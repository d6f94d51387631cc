//! `cargo xtask bench`: Ovum beside QEMU, in figures.

mod boot;
mod disk;
mod ova;

use std::process::ExitCode;

use ovum_tests::failure::{Failure, Result};

pub(crate) const HELP: &str = "
Usage: cargo xtask bench boot [--runs N] [--stock-runs N] [--json FILE] [--qemu MACHINE] [--also WORDS]...
       cargo xtask bench disk [--runs N] [--json FILE]
       cargo xtask bench ova [--size GIB] [--data GIB] [--runs N] [--usual-runs N] [--json FILE]

boot: boots the same guest with ovum and with this distribution's QEMU (`-M microvm`), in a lab whose clock counts
instructions, so that the figures repeat on any host, however busy. The guest: 128 MiB, 1 vCPU, the bench kernel (built from
linux-source with resources/kernel/microvm.config on first use, about ten minutes) and a busybox initramfs. Beside it: the
stock kernel, with the unpacked kernel in ovum's cache and (cold) without.

  --runs N        runs of each VMM with the bench kernel, interleaved (5); with 0 it is not even built
  --stock-runs N  runs of each VMM with the stock kernel (1)
  --json FILE     write all figures there, too
  --qemu MACHINE  another microvm for QEMU, for those who think this one unfair (see below); `none` leaves QEMU out
  --also WORDS    boots with ovum once more, with these words besides: those that begin with `--` for `ovum run`, the
                  others for the guest's kernel. Can be repeated, to see what each word saves or costs

Reported, as median (minimum to maximum): million instructions from the start of the process to the first line of the
guest's init; exits by kind until then; memory of the VMM beside the guest's, KiB of Pss; CPU until the first guest
instruction, ms, by ovum's own account.

disk: reads the same images with ovum and with `qemu-img`, on this host, one after the other: sequentially, and 4 KiB at a
time; and opens images of 100 GiB.

  --runs N        runs of each, interleaved (5)
  --json FILE     write all figures there, too

Reported, as median (minimum to maximum): wall time in ms, and how many times as fast ovum is.

ova: starts a machine from a large package, on this host, whose KVM may be of any kind: the guest is a few instructions that
read the first sector of its disk. Beside it: the same machine from a plain kernel with a small disk, and the usual way:
`tar -xf`, `qemu-img convert`, a plain kernel. The package is made with `ovum pack`, once, and kept in target/bench-ova.

  --size GIB      size of the package's disk (10)
  --data GIB      how much of the disk holds data that does not compress (2): the package is as large. The usual way needs
                  twice as much again
  --runs N        runs with the package and with the plain kernel, interleaved (5)
  --usual-runs N  runs of the usual way (1); with 0 it is left out
  --json FILE     write all figures there, too

Reported, as median (minimum to maximum): ms from the command to the guest's first instruction, by ovum's own account, and
to the machine's end; the most memory that a process had resident, in MiB, the guest's included.

Examples: cargo xtask bench boot --runs 3 --json boot.json
          cargo xtask bench boot --runs 0 --qemu none --also mitigations=auto
          cargo xtask bench disk
          cargo xtask bench ova --data 10
";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("boot") => boot::run(rest),
        Some("disk") => disk::run(rest),
        Some("ova") => ova::run(rest),
        _ => {
            Err(Failure::new("there are three benches, `boot`, `disk` and `ova`")
                .remedy("see `cargo xtask bench --help`"))
        }
    }
}
