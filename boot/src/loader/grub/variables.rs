//! GRUB's environment: variables, some of which go on into submenus and other configuration files.

use std::collections::BTreeMap;

/// The most that names and values may take together, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// What every GRUB of today has (grub-core/normal/main.c, features).
const FEATURES: [&str; 9] = [
    "feature_chainloader_bpb",
    "feature_ntldr",
    "feature_platform_search_hint",
    "feature_default_font_path",
    "feature_all_video_module",
    "feature_menuentry_id",
    "feature_menuentry_options",
    "feature_200_final",
    "feature_nativedisk_cmd",
];

/// Variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, Variable>,
    bytes: usize,
}

#[derive(Debug, Clone, Default)]
struct Variable {
    value: String,
    exported: bool,
}

impl Variables {
    /// As they are when GRUB begins to read its configuration.
    pub fn at_start(efi: bool) -> Self {
        let mut variables = Self::default();
        let platform = if efi { "efi" } else { "pc" };
        let cpu = if efi { "x86_64" } else { "i386" };
        let known = [("grub_platform", platform), ("grub_cpu", cpu), ("feature_timeout_style", "y"), ("lang", "")];
        for (name, value) in FEATURES.iter().map(|name| (*name, "y")).chain(known) {
            variables.set(name, value);
            variables.export(name);
        }
        for name in ["root", "prefix"] {
            variables.export(name);
        }
        variables
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|variable| variable.value.as_str())
    }

    /// Gives `name` a value; false if there is no more room.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let old = self.values.get(name).map_or(0, |variable| name.len() + variable.value.len());
        let bytes = self.bytes - old + name.len() + value.len();
        if bytes > MAX_BYTES {
            return false;
        }
        self.bytes = bytes;
        value.clone_into(&mut self.values.entry(name.to_owned()).or_default().value);
        true
    }

    /// How many bytes names and values have together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn unset(&mut self, name: &str) {
        if let Some(variable) = self.values.remove(name) {
            self.bytes -= name.len() + variable.value.len();
        }
    }

    /// From now on it is seen in submenus and in files that `configfile` reads.
    pub fn export(&mut self, name: &str) {
        if self.values.contains_key(name) || self.set(name, "") {
            self.values.entry(name.to_owned()).or_default().exported = true;
        }
    }

    /// What a submenu sees.
    pub fn exported(&self) -> Self {
        let values: BTreeMap<_, _> = self
            .values
            .iter()
            .filter(|(_, variable)| variable.exported)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let bytes = values.iter().map(|(name, variable)| name.len() + variable.value.len()).sum();
        Self { values, bytes }
    }
}
