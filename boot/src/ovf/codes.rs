//! The codes of warnings. Programs rely on them: a code is never renamed, and never means something else.

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)+) => {
        $(#[doc = $meaning] pub const $name: &str = $code;)+

        /// Every code, with what it means.
        pub const ALL: &[(&str, &str)] = &[$(($code, $meaning)),+];
    };
}

codes! {
    ADDRESS_DUPLICATE = "address-duplicate", "Two drives have the same address on the same controller.";
    ALTERNATIVE_SKIPPED = "alternative-skipped", "A VirtualHardwareSection was passed over for one that comes after it.";
    CAPACITY_MISSING = "capacity-missing", "A disk does not say how big it is; its image does.";
    CONFIGURATION_DEFAULT = "configuration-default", "No configuration, or more than one, is marked as the default.";
    CONFIGURATION_UNKNOWN = "configuration-unknown", "An element belongs to a configuration that is not declared.";
    CPUS_MISSING = "cpus-missing", "No item says how many vCPUs the machine has.";
    DISK_FORMAT_MISSING = "disk-format-missing", "A disk with a file does not say what format its image has.";
    DISK_FORMAT_UNKNOWN = "disk-format-unknown", "The format of a disk is a URI that is not known.";
    DISK_SHARED = "disk-shared", "A disk of a SharedDiskSection is used by several drives; each gets a copy of its own.";
    DISK_UNUSABLE = "disk-unusable", "A disk that no drive uses is described wrongly, or is not in the package.";
    DRIVE_CONTROLLER_MISSING = "drive-controller-missing", "A drive hangs on a controller that is not there.";
    HARDWARE_MISSING = "hardware-missing", "A machine has no VirtualHardwareSection.";
    HARDWARE_TYPE_UNKNOWN = "hardware-type-unknown", "The machine was made for a family of virtual hardware that is not known.";
    HREF_REMOTE = "href-remote", "A file lies outside of the package, on a server; it cannot be read.";
    ID_MISSING = "id-missing", "An element that must have an id has none.";
    INSTANCE_ID_DUPLICATE = "instance-id-duplicate", "Two items have the same InstanceID.";
    INSTANCE_ID_MISSING = "instance-id-missing", "An item has no InstanceID.";
    ITEM_LEFT_OUT = "item-left-out", "Something that the machine shall have is left out, because a guest can do without it.";
    ITEM_VALUE_IGNORED = "item-value-ignored", "A part of an item could not be understood and was ignored.";
    ITEMS_SUMMED = "items-summed", "Several items give a machine vCPUs or memory; they were added up.";
    MEMORY_MISSING = "memory-missing", "No item says how much memory the machine has.";
    MEMORY_UNIT_MISSING = "memory-unit-missing", "An item of memory has no unit; MiB were taken.";
    MESSAGE_FILE = "message-file", "A file with translated texts could not be read.";
    MESSAGE_MISSING = "message-missing", "A text is not there in any language.";
    NAMESPACE_MISSING = "namespace-missing", "The envelope has no XML namespace.";
    NETWORK_DUPLICATE = "network-duplicate", "A network is declared twice.";
    NETWORK_UNDECLARED = "network-undeclared", "A network card is plugged into a network that is not declared.";
    OS_ID_INVALID = "os-id-invalid", "The id of an operating system is not a number of CIM.";
    POPULATED_SIZE = "populated-size", "A disk is said to be fuller than it is big, or not to be filled by a whole number.";
    PROPERTY_DUPLICATE = "property-duplicate", "Two properties of a machine have the same key.";
    PROPERTY_KEY = "property-key", "The key of a property has characters in it that the standard does not allow.";
    PROPERTY_REFERENCE = "property-reference", "The value of a property refers to a property that is not there.";
    PROPERTY_TYPE = "property-type", "The type or a qualifier of a property is not understood.";
    PROPERTY_VALUE = "property-value", "The value that the package gives a property is not of the property's type.";
    SCALE_OUT = "scale-out", "A machine may run several times; one is started.";
    SECTION_IGNORED = "section-ignored", "A section that must be obeyed was passed over, because the user said so.";
    SECTION_MISPLACED = "section-misplaced", "A section stands where the standard has none of its kind.";
    SECTION_OPTIONAL = "section-optional", "A section that is not known, or cannot be obeyed, was passed over; it is not required.";
    STARTUP_ID = "startup-id", "A StartupSection names something that is not in its collection.";
    STARTUP_VALUE = "startup-value", "A value of a StartupSection could not be understood; its default was taken.";
    SYSTEMS_MISSING = "systems-missing", "There is no machine in the package.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unlike_and_in_kebab_case() {
        let codes: BTreeSet<&str> = super::ALL.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), super::ALL.len());
        for (code, meaning) in super::ALL {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert!(meaning.ends_with('.'), "{code}");
        }
    }
}
