//! Guest kernels: the distribution's own, and a small one for the benchmarks.

mod microvm;
mod modules;
mod stock;

pub use microvm::{MicrovmKernel, microvm};
pub use modules::{Module, Modules};
pub use stock::{StockKernel, stock};
