//! A seed for cloud-init's NoCloud datasource: the files of a volume labelled `cidata`.
//!
//! It is made from what the user gave, and from those properties that cloud-init's OVF datasource would have taken from
//! `ovf-env.xml`: `instance-id`, `hostname` or `local-hostname`, `public-keys`, `user-data`, `password`, `seedfrom` and
//! `network-config`. They are names without a class, as that datasource wants them.

use super::properties::Seen;
use super::text::{base64, yaml};
use super::{EnvironmentError, Options, keys};

/// The label that NoCloud looks for, on any block device.
pub const LABEL: &str = "cidata";

/// The names of properties that cloud-init takes.
const KNOWN: [&str; 8] =
    ["instance-id", "hostname", "local-hostname", "public-keys", "user-data", "password", "seedfrom", "network-config"];

/// What cloud-init takes for no user-data that it would warn of.
const NO_USER_DATA: &[u8] = b"#cloud-config\n{}\n";

/// Why a guest is given a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The user gave something for it.
    Asked,
    /// The appliance has such properties.
    Properties,
}

/// Whether there is something to tell cloud-init.
pub(super) fn reason(properties: &[Seen], options: &Options<'_>) -> Option<Reason> {
    if options.user_data.is_some() || options.hostname.is_some() || !options.ssh_keys.is_empty() {
        return Some(Reason::Asked);
    }
    properties.iter().any(|property| KNOWN.contains(&property.key.as_str())).then_some(Reason::Properties)
}

/// The files of the volume. `identity` tells this appliance with these settings from others.
///
/// # Errors
/// For a hostname or key that is none.
pub(super) fn files(
    properties: &[Seen],
    options: &Options<'_>,
    identity: u64,
) -> Result<Vec<(String, Vec<u8>)>, EnvironmentError> {
    let property = |key: &str| properties.iter().find(|seen| seen.key == key && !seen.value.trim().is_empty());
    let value = |key: &str| property(key).map(|seen| seen.value.as_str());
    let given_keys = keys::public_keys(&options.ssh_keys)?;
    if let Some(hostname) = &options.hostname {
        keys::check_hostname(hostname)?;
    }

    let mut meta_data = format!("instance-id: {}\n", yaml(&instance_id(property("instance-id"), options, identity)));
    let hostname = options.hostname.as_deref().or_else(|| value("hostname")).or_else(|| value("local-hostname"));
    if let Some(hostname) = hostname {
        meta_data.push_str(&format!("local-hostname: {}\n", yaml(hostname.trim())));
    }
    // NoCloud refuses to work with an empty one, the OVF datasource ignores it.
    if let Some(seed) = value("seedfrom") {
        meta_data.push_str(&format!("seedfrom: {}\n", yaml(seed.trim())));
    }
    let offered = value("public-keys").unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    let all_keys: Vec<&str> = offered.chain(given_keys.iter().copied()).collect();
    meta_data.push_str(&list("public-keys", &all_keys));

    let user_data = match (&options.user_data, value("user-data")) {
        (Some(given), _) => given.clone(),
        (None, Some(text)) => base64(text).unwrap_or_else(|| text.as_bytes().to_vec()),
        (None, None) if given_keys.is_empty() => NO_USER_DATA.to_vec(),
        (None, None) => format!("#cloud-config\n{}", list("ssh_authorized_keys", &given_keys)).into_bytes(),
    };
    let mut files = vec![("meta-data".to_owned(), meta_data.into_bytes()), ("user-data".to_owned(), user_data)];
    if let Some(password) = value("password") {
        // Beside the user-data, whatever that is, and weaker than it.
        let vendor_data = format!("#cloud-config\npassword: {}\n", yaml(password));
        files.push(("vendor-data".to_owned(), vendor_data.into_bytes()));
    }
    if let Some(network) = value("network-config").and_then(base64).and_then(|bytes| String::from_utf8(bytes).ok()) {
        files.push(("network-config".to_owned(), without_network_key(&network).into_bytes()));
    }
    Ok(files)
}

/// What cloud-init takes a machine for: it does its first-boot work once for each.
///
/// The user's own word stands as it is, and so does the appliance's while the user adds nothing. Otherwise it changes with the
/// settings, so that new settings are obeyed by a disk that was started before.
fn instance_id(property: Option<&Seen>, options: &Options<'_>, identity: u64) -> String {
    match property {
        Some(seen) if seen.set || reason(&[], options).is_none() => seen.value.trim().to_owned(),
        Some(seen) => format!("{}-{identity:016x}", seen.value.trim()),
        None => format!("iid-ovum-{identity:016x}"),
    }
}

/// A list of texts in YAML, or nothing.
fn list(key: &str, texts: &[&str]) -> String {
    if texts.is_empty() {
        return String::new();
    }
    let items: String = texts.iter().map(|text| format!("  - {}\n", yaml(text))).collect();
    format!("{key}:\n{items}")
}

/// The OVF datasource wants the configuration under the key `network`, NoCloud wants what is under it. All other text stays as
/// it is.
fn without_network_key(text: &str) -> String {
    let says_something = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#') && *line != "---";
    let mut lines = text.lines().filter(says_something);
    if lines.next().map(str::trim_end) != Some("network:") {
        return text.to_owned();
    }
    let indents = || lines.clone().map(|line| line.len() - line.trim_start_matches(' ').len());
    match indents().next() {
        Some(indent) if indent > 0 && indents().all(|other| other >= indent) => {
            lines.filter_map(|line| line.get(indent..)).map(|line| format!("{line}\n")).collect()
        }
        _ => text.to_owned(),
    }
}
