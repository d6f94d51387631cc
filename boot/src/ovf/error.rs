//! What can be wrong with a descriptor, and what to do about it.

use std::fmt;

/// A descriptor that cannot be read, or that describes what cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptorError {
    /// Line in the descriptor, from 1.
    pub line: Option<u32>,
    /// The element, or the element and the attribute, that is wrong: `File ovf:href`.
    pub element: Option<String>,
    /// What is wrong, in one line, without the place.
    pub cause: String,
    /// What to do about it, in one line.
    pub remedy: String,
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(element) = &self.element {
            write!(f, "{element}: ")?;
        }
        f.write_str(&self.cause)
    }
}

impl std::error::Error for DescriptorError {}
