//! Why machines could not be built together.

use super::MAX_MEMBERS;
use crate::builder::BuildError;
use crate::failure::{Blame, Explain};

/// Machines that could not be built together; none of them was started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// More than a process should run.
    #[error("{0} machines were asked for; one process runs up to {MAX_MEMBERS}")]
    TooMany(usize),
    /// One of them.
    #[error("machine {name}: {error}")]
    Build {
        /// Its name.
        name: String,
        /// What is wrong.
        error: Box<BuildError>,
    },
}

impl Explain for FleetError {
    fn remedy(&self) -> String {
        match self {
            Self::TooMany(_) => "start them one by one, with --vm".into(),
            Self::Build { error, .. } => error.remedy(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::TooMany(_) => Blame::Request,
            Self::Build { error, .. } => error.blame(),
        }
    }
}
