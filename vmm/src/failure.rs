//! What every error of the library can say beside its cause.

/// Who has to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request: configuration, kernel, disk, package.
    Request,
    /// The host: no KVM, no permission, no memory.
    Host,
}

/// An error that tells a person what to do. Its `Display` is the cause, in one line.
pub trait Explain: std::error::Error {
    /// The remedy, in one line.
    fn remedy(&self) -> String;
    /// Who has to change something.
    fn blame(&self) -> Blame;
}
