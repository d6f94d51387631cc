//! From a path, and what the user said, to an appliance.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ovum_boot::ovf::{self, Appliance, Choices};
use ovum_boot::package::Package;

use super::args::PackageArgs;
use crate::failure::Failure;

/// The longest value that a file can hold for a property, in bytes.
const VALUE_LIMIT: u64 = 1 << 20;

/// A package, and what it describes with what the user chose.
pub struct Opened {
    /// The package.
    pub package: Package,
    /// What it describes.
    pub appliance: Appliance,
}

/// Opens the package at `path`; of its files, only the descriptor and message files are read.
pub fn open(path: &Path, args: &PackageArgs) -> Result<Opened, Failure> {
    open_with(path, args, &[])
}

/// The same, with more values for properties: what was asked for at the terminal.
pub fn open_with(path: &Path, args: &PackageArgs, answers: &[(String, String)]) -> Result<Opened, Failure> {
    let package = Package::open(path)?;
    let message_file = |href: &str| message_file(&package, href);
    let mut choices = Choices {
        configuration: args.config.clone(),
        locales: args.locale.clone().map_or_else(locales_of_environment, |locale| vec![locale]),
        ignored_sections: args.ignored_sections.iter().cloned().collect(),
        message_file: Some(&message_file),
        ..Choices::default()
    };
    for (key, value) in args.settings.iter().chain(answers) {
        choices.properties.insert(key.clone(), value.clone());
    }
    for (key, file) in &args.setting_files {
        choices.properties.insert(key.clone(), value_in(Path::new(file))?);
    }
    let appliance = ovf::read(package.descriptor(), &choices).map_err(|error| Failure::descriptor(&package, &error))?;
    Ok(Opened { package, appliance })
}

/// The bytes of a message file, as far as there is one of reasonable size.
fn message_file(package: &Package, href: &str) -> Option<Vec<u8>> {
    let storage = package.storage(href).ok()?;
    let len = usize::try_from(storage.size().min(VALUE_LIMIT)).ok()?;
    let mut bytes = vec![0; len];
    ovum_disk::storage::read_bytes(storage.as_ref(), 0, &mut bytes).ok()?;
    Some(bytes)
}

fn value_in(path: &Path) -> Result<String, Failure> {
    let read = || -> io::Result<String> {
        let mut value = String::new();
        File::open(path)?.take(VALUE_LIMIT + 1).read_to_string(&mut value)?;
        Ok(value)
    };
    let mut value = read().map_err(|error| Failure::io("cannot read", path, &error))?;
    if u64::try_from(value.len()).is_ok_and(|len| len > VALUE_LIMIT) {
        let cause = format!("{} is too long for a property: more than {VALUE_LIMIT} bytes", path.display());
        return Err(Failure::usage(cause, "give --set-file a file that holds a single value"));
    }
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    Ok(value)
}

/// The user's language, as POSIX has it: `de_AT.UTF-8` is `de-AT`, then `de`.
fn locales_of_environment() -> Vec<String> {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set).unwrap_or_default();
    let tag = locale.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
    let language = tag.split('-').next().unwrap_or_default().to_owned();
    match tag.as_str() {
        "" | "C" | "POSIX" => Vec::new(),
        _ if tag == language => vec![tag],
        _ => vec![tag, language],
    }
}

impl Failure {
    /// The descriptor of `package` is wrong.
    fn descriptor(package: &Package, error: &ovf::DescriptorError) -> Self {
        let name = package.descriptor_name();
        Self::usage(format!("{}: {name}: {error}", package.path().display()), error.remedy.clone())
    }
}
