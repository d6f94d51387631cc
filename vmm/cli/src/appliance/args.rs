//! What can be said about a package.

use std::path::PathBuf;

use clap::Args;

/// What a package leaves open, as far as the user decides it. Every command that reads a package takes these.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Appliance")]
pub struct PackageArgs {
    /// Configuration of the package to take, in place of its default
    #[arg(long, value_name = "ID")]
    pub config: Option<String>,
    /// Value for a property of the package. Can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Value for a property of the package: what the file holds, without a line end at its end. Can be repeated
    #[arg(long = "set-file", value_name = "KEY=FILE", value_parser = setting)]
    pub setting_files: Vec<(String, String)>,
    /// Go on without a section that the package says is required. Can be repeated
    #[arg(long = "ignore-section", value_name = "NAME")]
    pub ignored_sections: Vec<String>,
    /// Language of texts, for packages that bring several [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANGUAGE")]
    pub locale: Option<String>,
}

/// `ovum inspect`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ovum inspect appliance.ova\n  ovum inspect appliance.ovf --config large --json\n  \
                        ovum inspect appliance.ova --boot\n\n\
                        Nothing is unpacked, checked or changed; ovum verify checks the files."
)]
pub struct InspectArgs {
    /// The package: an .ova, an .ovf with its files beside it, or the folder they are in
    #[arg(value_name = "PACKAGE")]
    pub package: PathBuf,
    #[command(flatten)]
    pub choices: PackageArgs,
    /// Look into the disks as well: what the guests' own boot loaders would start, every entry, and why this one
    #[arg(long)]
    pub boot: bool,
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
}

/// Reads `KEY=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("give it as KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything_and_a_key_must_be_there() {
        assert_eq!(setting("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert_eq!(setting("a="), Ok(("a".into(), String::new())));
        for bad in ["", "a", "=b"] {
            assert!(setting(bad).is_err(), "{bad}");
        }
    }
}
