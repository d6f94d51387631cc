//! OVF: from the bytes of a descriptor to the machines that it describes (DSP0243).
//!
//! ```text
//! bytes --read(choices)--> Appliance
//! ```
//!
//! * [`appliance`]: the result. Plain data.
//! * [`os`]: operating systems by number and name.
//! * [`property`]: what an appliance can be told.
//! * [`units`], [`number`]: quantities.
//! * [`codes`]: the codes of warnings.
//!
//! The steps stand in `envelope.rs`: bytes become text, and text becomes a tree of elements, within limits (`xml/`); then the
//! sections that others refer to are read (files, texts, configurations, networks, disks); then the tree of machines
//! (`content.rs`), each with its hardware (`hardware/`); and at last properties get their values (`properties.rs`).
//!
//! Tolerant where the world is sloppy (and then with a [`Warning`]), strict where a guest could be wrong. Nothing here opens
//! a file.

mod about;
pub mod appliance;
mod choices;
pub mod codes;
mod content;
mod deployment;
mod dialect;
mod disk_format;
mod disks;
mod envelope;
mod error;
mod fill;
mod hardware;
mod near;
pub mod number;
pub mod os;
mod properties;
pub mod property;
mod reader;
mod references;
mod startup;
mod strings;
mod system_sections;
pub mod units;
mod vendor;
mod xml;

pub use appliance::{Appliance, Warning};
pub use choices::Choices;
pub use error::DescriptorError;

/// Reads a descriptor, with what the user decided about it.
///
/// Files are only named, never opened: a file that lies on a server (`http://`) is kept, with a warning, and is refused when
/// somebody wants to read it; a name that leads out of the package is an error.
///
/// # Errors
/// When the bytes are not an OVF descriptor; when it asks for something that cannot be had, or contradicts itself; when a
/// choice is none that it leaves open.
pub fn read(bytes: &[u8], choices: &Choices<'_>) -> Result<Appliance, DescriptorError> {
    envelope::read(bytes, choices)
}
