//! The manifest: a digest for each file of the package (DSP0243 1.1, 5.1; SHA-256 as later versions and VMware have it).

use super::member::Finished;
use crate::integrity::hex;

/// `SHA256(NAME)= DIGEST`, a line for each of `files`.
pub(super) fn write(files: &[Finished]) -> Vec<u8> {
    let line = |file: &Finished| format!("SHA256({})= {}\n", file.name, hex(&file.digest));
    files.iter().map(line).collect::<String>().into_bytes()
}
