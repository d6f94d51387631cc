//! Whole-VM tests in a few lines:
//!
//! ```no_run
//! # use ovum_tests::harness::Guest;
//! # fn test() -> ovum_tests::failure::Result<()> {
//! let mut guest = Guest::stock().cpus(2).runs("nproc").boot()?;
//! guest.expect("2")?;
//! assert_eq!(guest.exit_status()?, 0);
//! # Ok(())
//! # }
//! ```
//!
//! [`Guest`] says what is booted, [`Running`] is the machine under way, [`host`] is where it runs and [`Folder`] holds
//! its files there. [`Ovum`] runs the command without a guest's help, for everything that ends before a boot.

mod folder;
mod guest;
mod ovum;
mod running;
mod setting;

pub use folder::Folder;
pub use guest::{Guest, initramfs};
pub use ovum::{Ended, Ovum};
pub use running::Running;
pub use setting::{Choice, choice, host, setting};
