//! Writes every guest as a kernel file into a folder: `cargo run -p ovum-payloads --example payloads -- FOLDER`, and then
//! `ovum run --kernel FOLDER/hello.elf`.

use std::path::PathBuf;
use std::{env, fs, io};

#[cfg(target_arch = "x86_64")]
fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    fs::create_dir_all(&folder)?;
    ovum_payloads::Payload::ALL
        .iter()
        .try_for_each(|payload| fs::write(folder.join(format!("{}.elf", payload.name())), payload.elf()))
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {}
