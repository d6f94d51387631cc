//! What a user decides about a package.

use std::collections::{BTreeMap, BTreeSet};

/// Gives the bytes of a file of the package, by its href.
pub type MessageFile<'c> = dyn Fn(&str) -> Option<Vec<u8>> + 'c;

/// What a descriptor leaves open, as far as somebody decided it.
#[derive(Default)]
pub struct Choices<'c> {
    /// The id of a configuration of the DeploymentOptionSection; without one, the descriptor's default.
    pub configuration: Option<String>,
    /// Values for properties, by whole key (`CLASS.KEY.INSTANCE`), or by a shorter one that means one property only.
    pub properties: BTreeMap<String, String>,
    /// Languages in the order of preference (`de`, `en-US`), for texts that exist in several.
    pub locales: Vec<String>,
    /// Sections that are not obeyed though they are required (`--ignore-section`): local name of the element. `Item` stands for
    /// items of hardware that cannot be had.
    pub ignored_sections: BTreeSet<String>,
    /// Gives the bytes of a message file (Strings with `ovf:fileRef`), by the file's href. Without it, texts in such files
    /// are not found, and a warning says so.
    pub message_file: Option<&'c MessageFile<'c>>,
}
