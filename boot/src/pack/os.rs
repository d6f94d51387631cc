//! The operating systems that a package can be marked with: what OVF calls them (CIM_OperatingSystem.OSType, 2.22), and what
//! VMware's products do (VirtualMachineGuestOsIdentifier).

/// An operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOs {
    /// `ovf:id`.
    pub cim: u16,
    /// `vmw:osType`.
    pub vmware: String,
    /// For people.
    pub description: String,
}

impl Default for NewOs {
    /// Any Linux, 64 bits.
    fn default() -> Self {
        Self { cim: 101, vmware: "otherLinux64Guest".into(), description: "Linux (64-bit)".into() }
    }
}

/// Name, `ovf:id`, `vmw:osType` around the version, what people call it, and the versions that VMware has a name for; none
/// if it tells no versions apart.
type Family = (&'static str, u16, [&'static str; 2], &'static str, &'static [u8]);

const FAMILIES: [Family; 16] = [
    ("linux", 101, ["other", "xLinux64Guest"], "Linux", &[3, 4, 5, 6]),
    ("debian", 96, ["debian", "_64Guest"], "Debian GNU/Linux", &[8, 9, 10, 11, 12, 13]),
    ("ubuntu", 94, ["ubuntu64Guest", ""], "Ubuntu Linux", &[]),
    ("rhel", 80, ["rhel", "_64Guest"], "Red Hat Enterprise Linux", &[6, 7, 8, 9, 10]),
    ("centos", 107, ["centos", "_64Guest"], "CentOS Linux", &[7, 8, 9]),
    ("rocky", 101, ["rockylinux_64Guest", ""], "Rocky Linux", &[]),
    ("almalinux", 101, ["almalinux_64Guest", ""], "AlmaLinux", &[]),
    ("oracle", 109, ["oracleLinux", "_64Guest"], "Oracle Linux", &[7, 8, 9]),
    ("fedora", 101, ["fedora64Guest", ""], "Fedora Linux", &[]),
    ("sles", 85, ["sles", "_64Guest"], "SUSE Linux Enterprise Server", &[11, 12, 15]),
    ("opensuse", 83, ["opensuse64Guest", ""], "openSUSE Linux", &[]),
    ("amazonlinux", 101, ["amazonlinux", "_64Guest"], "Amazon Linux", &[2, 3]),
    ("photon", 101, ["vmwarePhoton64Guest", ""], "Photon OS", &[]),
    ("coreos", 101, ["coreos64Guest", ""], "CoreOS", &[]),
    ("alpine", 101, ["other5xLinux64Guest", ""], "Alpine Linux", &[]),
    ("arch", 101, ["other5xLinux64Guest", ""], "Arch Linux", &[]),
];

impl NewOs {
    /// The operating system that people call `name`: a family, and its version where it matters (`debian12`, `ubuntu`).
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        if name == "linux" {
            return Some(Self::default());
        }
        let digits = name.len() - name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
        let (family, version) = name.split_at_checked(name.len() - digits)?;
        let (_, cim, [front, back], description, versions) = FAMILIES.iter().find(|entry| entry.0 == family)?;
        if versions.is_empty() {
            let spaced = if version.is_empty() { String::new() } else { format!(" {version}") };
            let description = format!("{description}{spaced} (64-bit)");
            return Some(Self { cim: *cim, vmware: (*front).into(), description });
        }
        let version: u8 = if version.is_empty() { *versions.last()? } else { version.parse().ok()? };
        versions.contains(&version).then(|| Self {
            cim: *cim,
            vmware: format!("{front}{version}{back}"),
            description: format!("{description} {version} (64-bit)"),
        })
    }

    /// All names, for messages.
    #[must_use]
    pub fn names() -> String {
        let name = |(name, _, _, _, versions): &Family| match (versions.first(), versions.last()) {
            (Some(first), Some(last)) => format!("{name}[{first} to {last}]"),
            _ => (*name).to_owned(),
        };
        FAMILIES.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_what_others_call_it() {
        let of = |name| NewOs::of_name(name).map(|os| (os.cim, os.vmware));
        let is = |cim: u16, vmware: &str| Some((cim, vmware.to_owned()));
        assert_eq!(of("linux"), is(101, "otherLinux64Guest"));
        assert_eq!(of("linux6"), is(101, "other6xLinux64Guest"));
        assert_eq!(of("debian12"), is(96, "debian12_64Guest"));
        assert_eq!(of("debian"), is(96, "debian13_64Guest"));
        assert_eq!(of("ubuntu24.04"), is(94, "ubuntu64Guest"));
        assert_eq!(of("rhel9"), is(80, "rhel9_64Guest"));
        assert_eq!(NewOs::of_name("ubuntu24.04").unwrap().description, "Ubuntu Linux 24.04 (64-bit)");
        for unknown in ["", "windows", "debian1", "debian12.5", "debian-12", "12", "rhel300", "Debian12"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        assert!(NewOs::names().contains("debian[8 to 13], ubuntu,"));
    }
}
