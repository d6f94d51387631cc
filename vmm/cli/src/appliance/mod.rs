//! Appliances: packages of machines.
//!
//! * [`pack`]: `ovum pack`.

pub mod pack;
