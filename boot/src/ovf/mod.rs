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
//!
//! Tolerant where the world is sloppy (and then with a [`Warning`]), strict where a guest could be wrong. Nothing here opens
//! a file.

pub mod appliance;
mod choices;
mod error;
pub mod number;
pub mod os;
pub mod property;
pub mod units;

pub use appliance::{Appliance, Warning};
pub use choices::Choices;
pub use error::DescriptorError;
