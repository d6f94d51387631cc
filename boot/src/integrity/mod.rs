//! Whether a package is what its maker packed: manifests, and who signed them (DSP0243 1.1.0, 5.1 and 5.2).
//!
//! ```text
//! descriptor, disks <--digests-- manifest (.mf) <--signature-- .cert <--issued by-- what the user trusts
//! ```
//!
//! * [`manifest`]: reads a manifest.
//! * [`certificate`]: reads a signature with its certificates and confirms it; makes one.
//! * [`Trust`]: the certificates that a user vouches for.
//! * [`check_descriptor`]: what is checked before anything else is done; cheap.
//! * [`verify`]: all files against their digests; what takes as long as reading them does.
//! * [`IntegrityError`]: what is wrong, where, and what to do about it.
//!
//! A digest shows damage and nothing more: whoever changes a file changes its digest as well. A signature shows who vouches
//! for the digests. Whether that one is to be believed nobody but the user knows.

pub mod certificate;
mod descriptor;
mod digest;
mod error;
mod line;
pub mod manifest;
mod read;
#[cfg(test)]
pub(crate) mod testing;
pub mod verify;

pub use certificate::{SignError, Signer, Standing, Trust, Validity, sign};
pub use descriptor::{DescriptorCheck, Signature, check_descriptor};
pub use digest::{Algorithm, Digest, hex};
pub use error::IntegrityError;
pub use manifest::{Manifest, ManifestError};
pub use verify::{FileCheck, FileState, Pace, Plan};

#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;
