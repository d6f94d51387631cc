//! The manifest: a digest for each file of the package (DSP0243 1.1, 5.1; SHA-256 as later versions and VMware have it).

use std::fmt::Write as _;

use super::member::Finished;

/// `SHA256(NAME)= DIGEST`, a line for each of `files`.
pub(super) fn write(files: &[Finished]) -> Vec<u8> {
    let mut text = String::new();
    for file in files {
        // Writing to a string does not fail.
        let _ = write!(text, "SHA256({})= ", file.name);
        for byte in file.digest {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text.into_bytes()
}
