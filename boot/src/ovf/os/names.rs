//! Operating systems by the identifiers of VMware (`debian10_64Guest`), VirtualBox (`Ubuntu_64`) and oVirt (`rhel_9x64`), and
//! by the words of a description.

use super::{OsArchitecture, OsFamily};

/// How identifiers of Linux systems begin, in small letters, without `_`, `-`, `.` and blanks.
const LINUX: &[&str] = &[
    "almalinux",
    "alpine",
    "amazonlinux",
    "archlinux",
    "asianux",
    "centos",
    "clearlinux",
    "cloudlinux",
    "coreos",
    "crxpod",
    "crxsys",
    "debian",
    "fedora",
    "flatcar",
    "genericlinux",
    "gentoo",
    "kylin",
    "linux",
    "mandrake",
    "mandriva",
    "miraclelinux",
    "nixos",
    "nld",
    "oes",
    "openeuler",
    "openmandriva",
    "opensuse",
    "openwrt",
    "oracle",
    "other24xlinux",
    "other26xlinux",
    "other3xlinux",
    "other4xlinux",
    "other5xlinux",
    "other6xlinux",
    "other7xlinux",
    "otherlinux",
    "pclinuxos",
    "photon",
    "redhat",
    "rhcos",
    "rhel",
    "rocky",
    "sjds",
    "slackware",
    "sles",
    "suse",
    "turbolinux",
    "ubuntu",
    "vmwarephoton",
    "xandros",
];

/// How identifiers of other systems begin, written in the same way, and what people call them. A longer one goes first.
/// VMware numbers Windows by generations of its own: 9 is Windows 10, 9Server is Windows Server 2016.
const OTHERS: &[(&str, &str)] = &[
    ("beos", "BeOS"),
    ("darwin", "macOS"),
    ("dos", "MS-DOS"),
    ("ecomstation", "eComStation"),
    ("ecs", "eComStation"),
    ("freebsd", "FreeBSD"),
    ("haiku", "Haiku"),
    ("jrockitve", "JRockit VE"),
    ("macos", "macOS"),
    ("minix", "Minix"),
    ("netbsd", "NetBSD"),
    ("netware", "Novell NetWare"),
    ("openbsd", "OpenBSD"),
    ("openindiana", "OpenIndiana"),
    ("openserver", "SCO OpenServer"),
    ("opensolaris", "Oracle Solaris"),
    ("os2", "OS/2"),
    ("qnx", "QNX"),
    ("reactos", "ReactOS"),
    ("solaris", "Oracle Solaris"),
    ("unixware", "SCO UnixWare"),
    ("vmkernel", "VMware ESXi"),
    ("win2000", "Windows 2000"),
    ("win31", "Windows 3.1"),
    ("win95", "Windows 95"),
    ("win98", "Windows 98"),
    ("windows10", "Windows 10"),
    ("windows11", "Windows 11"),
    ("windows12", "Windows 12"),
    ("windows2000", "Windows 2000"),
    ("windows2003", "Windows Server 2003"),
    ("windows2008r2", "Windows Server 2008 R2"),
    ("windows2008", "Windows Server 2008"),
    ("windows2012r2", "Windows Server 2012 R2"),
    ("windows2012", "Windows Server 2012"),
    ("windows2016", "Windows Server 2016"),
    ("windows2019srvnext", "Windows Server 2022"),
    ("windows2019", "Windows Server 2019"),
    ("windows2022srvnext", "Windows Server 2025"),
    ("windows2022", "Windows Server 2022"),
    ("windows2025", "Windows Server 2025"),
    ("windows31", "Windows 3.1"),
    ("windows7server", "Windows Server 2008 R2"),
    ("windows7", "Windows 7"),
    ("windows81", "Windows 8.1"),
    ("windows8server", "Windows Server 2012"),
    ("windows8", "Windows 8"),
    ("windows95", "Windows 95"),
    ("windows98", "Windows 98"),
    ("windows9server", "Windows Server 2016"),
    ("windows9", "Windows 10"),
    ("windowshyperv", "Microsoft Hyper-V Server"),
    ("windowsme", "Windows Me"),
    ("windowsnt", "Windows NT"),
    ("windowsvista", "Windows Vista"),
    ("windowsxp", "Windows XP"),
    ("windows", "Microsoft Windows"),
    ("winlonghorn", "Windows Server 2008"),
    ("winme", "Windows Me"),
    ("winnet", "Windows Server 2003"),
    ("winnt", "Windows NT"),
    ("winvista", "Windows Vista"),
    ("winxp", "Windows XP"),
];

/// Words in a description, in small letters, and the system that they mean; none is Linux. The first that is found counts.
const WORDS: &[(&str, Option<&str>)] = &[
    ("linux", None),
    ("windows", Some("Microsoft Windows")),
    ("freebsd", Some("FreeBSD")),
    ("openbsd", Some("OpenBSD")),
    ("netbsd", Some("NetBSD")),
    ("solaris", Some("Oracle Solaris")),
    ("openindiana", Some("OpenIndiana")),
    ("esxi", Some("VMware ESXi")),
    ("macos", Some("macOS")),
    ("mac os", Some("macOS")),
    ("netware", Some("Novell NetWare")),
    ("ms-dos", Some("MS-DOS")),
    ("os/2", Some("OS/2")),
    ("ubuntu", None),
    ("debian", None),
    ("centos", None),
    ("red hat", None),
    ("redhat", None),
    ("rhel", None),
    ("fedora", None),
    ("suse", None),
    ("sles", None),
    ("photon os", None),
    ("openwrt", None),
];

/// No identifier is longer; what is longer is a text.
const MAX_IDENTIFIER: usize = 64;

/// What a vendor's identifier means, if it is one.
pub(super) fn by_identifier(text: &str) -> Option<OsFamily> {
    let text = text.trim();
    if text.len() > MAX_IDENTIFIER || text.contains(char::is_whitespace) {
        return None;
    }
    let mut plain: String =
        text.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect();
    if let Some(rest) = plain.strip_prefix("arm") {
        plain = rest.to_owned();
    }
    if let Some((_, name)) = OTHERS.iter().find(|(prefix, _)| plain.starts_with(prefix)) {
        return Some(OsFamily::Other(name));
    }
    LINUX.iter().any(|prefix| plain.starts_with(prefix)).then_some(OsFamily::Linux)
}

/// What the words of a description mean.
pub(super) fn by_words(text: &str) -> Option<OsFamily> {
    let text = text.to_lowercase();
    let (_, name) = WORDS.iter().find(|(word, _)| text.contains(word))?;
    Some(name.map_or(OsFamily::Linux, OsFamily::Other))
}

/// The architecture that an identifier or a description names.
pub(super) fn architecture(text: &str) -> Option<OsArchitecture> {
    let text = text.trim().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["arm64", "aarch64"]) || (text.starts_with("arm-") && has(&["64"])) {
        return Some(OsArchitecture::Arm64);
    }
    if has(&["ppc64"]) {
        return Some(OsArchitecture::Ppc64);
    }
    if has(&["s390"]) {
        return Some(OsArchitecture::S390x);
    }
    // Nothing but its width is known of the first two.
    if has(&["otherguest64", "other_64", "other (64", "other 64"]) {
        return None;
    }
    if has(&["x86_64", "amd64", "x64", "64-bit", "64 bit", "(64", "64guest"]) || text.ends_with("_64") {
        return Some(OsArchitecture::Amd64);
    }
    // Only VMware says 32 bits by silence, and not for systems that have one width only.
    let one_width = has(&["vmkernel", "hyperv", "crxpod", "crxsys", "otherguest"]);
    let vmware = text.ends_with("guest") && !text.contains(char::is_whitespace) && !one_width;
    (vmware || has(&["32-bit", "32 bit", "(32", "i386", "i686"])).then_some(OsArchitecture::I386)
}

#[cfg(test)]
pub(super) fn tests_prefixes() -> impl Iterator<Item = &'static str> {
    OTHERS.iter().map(|(prefix, _)| *prefix)
}
