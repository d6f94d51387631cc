//! Packages: what the commands that read or make one have in common, and the commands.
//!
//! * [`args`]: what can be said about a package.
//! * [`open`]: from a path and what was said to an appliance.
//! * [`inspect`], [`card`], [`menu`], [`json`]: what a package describes, for a person and for a program.
//! * [`verify`], [`verify_report`]: whether its files are those that its maker packed.
//! * [`pack`]: making one.
//! * [`eula`]: licences, shown and accepted once.

pub mod args;
mod card;
pub mod eula;
pub mod inspect;
mod json;
mod menu;
pub mod open;
pub mod pack;
pub mod verify;
mod verify_report;
