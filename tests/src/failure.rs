//! The one way in which the test tools fail: a cause, and where there is one, a remedy.

use std::fmt;

/// What went wrong, in words. `Debug` prints the same words, so that a test that ends with `?` reads well.
pub struct Failure {
    cause: String,
    remedy: Option<String>,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with a cause only.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: None }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{remedy}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Puts `doing` before the error's own text.
    ///
    /// # Errors
    /// The same error, with more words.
    fn doing(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure::new(format!("{doing}: {error}")))
    }
}
