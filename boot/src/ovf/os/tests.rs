use super::*;

fn family(cim: Option<u16>, vendor: Option<&str>, description: Option<&str>) -> OsFamily {
    GuestOs::new(cim, vendor, description).family
}

#[test]
fn numbers_are_those_of_cim() {
    use OsArchitecture::{Amd64, I386};
    for (number, expected, architecture, name) in [
        (36, OsFamily::Linux, None, "Linux"),
        (79, OsFamily::Linux, Some(I386), "Red Hat Enterprise Linux"),
        (80, OsFamily::Linux, Some(Amd64), "Red Hat Enterprise Linux 64-Bit"),
        (93, OsFamily::Linux, Some(I386), "Ubuntu"),
        (94, OsFamily::Linux, Some(Amd64), "Ubuntu 64-Bit"),
        (96, OsFamily::Linux, Some(Amd64), "Debian 64-Bit"),
        (99, OsFamily::Linux, Some(I386), "Linux 2.6.x"),
        (100, OsFamily::Linux, Some(Amd64), "Linux 2.6.x 64-Bit"),
        (101, OsFamily::Linux, Some(Amd64), "Linux 64-Bit"),
        (107, OsFamily::Linux, Some(Amd64), "CentOS 64-bit"),
        (109, OsFamily::Linux, Some(Amd64), "Oracle Linux 64-bit"),
        (42, OsFamily::Other("FreeBSD"), None, "FreeBSD"),
        (78, OsFamily::Other("FreeBSD 64-Bit"), Some(Amd64), "FreeBSD 64-Bit"),
        (29, OsFamily::Other("Solaris"), None, "Solaris"),
        (58, OsFamily::Other("Windows 2000"), None, "Windows 2000"),
        (103, OsFamily::Other("Microsoft Windows Server 2008 R2"), None, "Microsoft Windows Server 2008 R2"),
        (104, OsFamily::Other("VMware ESXi"), None, "VMware ESXi"),
        (105, OsFamily::Other("Microsoft Windows 7"), None, "Microsoft Windows 7"),
        (120, OsFamily::Other("Microsoft Windows 10 64-bit"), Some(Amd64), "Microsoft Windows 10 64-bit"),
        (0, OsFamily::Unknown, None, "unknown"),
        (1, OsFamily::Unknown, None, "unknown"),
        (102, OsFamily::Unknown, None, "unknown"),
        (121, OsFamily::Unknown, None, "unknown"),
        (u16::MAX, OsFamily::Unknown, None, "unknown"),
    ] {
        let os = GuestOs::new(Some(number), None, None);
        assert_eq!((os.family, os.architecture, os.name()), (expected, architecture, name), "{number}");
    }
}

#[test]
fn identifiers_of_three_vendors_are_known() {
    use OsArchitecture::{Amd64, Arm64, I386, Ppc64, S390x};
    let linux = OsFamily::Linux;
    for (identifier, expected, architecture) in [
        ("debian10_64Guest", linux, Some(Amd64)),
        ("otherLinux64Guest", linux, Some(Amd64)),
        ("other3xLinux64Guest", linux, Some(Amd64)),
        ("other26xLinuxGuest", linux, Some(I386)),
        ("centosGuest", linux, Some(I386)),
        ("rhel6Guest", linux, Some(I386)),
        ("vmwarePhoton64Guest", linux, Some(Amd64)),
        ("arm-ubuntu64Guest", linux, Some(Arm64)),
        ("windows9_64Guest", OsFamily::Other("Windows 10"), Some(Amd64)),
        ("windows9Server64Guest", OsFamily::Other("Windows Server 2016"), Some(Amd64)),
        ("windows7Server64Guest", OsFamily::Other("Windows Server 2008 R2"), Some(Amd64)),
        ("windows7Guest", OsFamily::Other("Windows 7"), Some(I386)),
        ("winNetEnterprise64Guest", OsFamily::Other("Windows Server 2003"), Some(Amd64)),
        ("vmkernel65Guest", OsFamily::Other("VMware ESXi"), None),
        ("freebsd12_64Guest", OsFamily::Other("FreeBSD"), Some(Amd64)),
        ("solaris11_64Guest", OsFamily::Other("Oracle Solaris"), Some(Amd64)),
        ("darwin21_64Guest", OsFamily::Other("macOS"), Some(Amd64)),
        ("otherGuest", OsFamily::Unknown, None),
        ("otherGuest64", OsFamily::Unknown, None),
        ("Ubuntu_64", linux, Some(Amd64)),
        ("Ubuntu22_LTS_64", linux, Some(Amd64)),
        ("Debian_arm64", linux, Some(Arm64)),
        ("ArchLinux_64", linux, Some(Amd64)),
        ("Linux26", linux, None),
        ("Oracle_64", linux, Some(Amd64)),
        ("Windows10_64", OsFamily::Other("Windows 10"), Some(Amd64)),
        ("Windows81", OsFamily::Other("Windows 8.1"), None),
        ("Windows98", OsFamily::Other("Windows 98"), None),
        ("MacOS1013_64", OsFamily::Other("macOS"), Some(Amd64)),
        ("OS2Warp45", OsFamily::Other("OS/2"), None),
        ("Other_64", OsFamily::Unknown, None),
        ("rhel_9x64", linux, Some(Amd64)),
        ("debian_9", linux, None),
        ("other_linux", linux, None),
        ("other_linux_ppc64", linux, Some(Ppc64)),
        ("sles_12_s390x", linux, Some(S390x)),
        ("windows_2019x64", OsFamily::Other("Windows Server 2019"), Some(Amd64)),
        ("windows_2012R2x64", OsFamily::Other("Windows Server 2012 R2"), Some(Amd64)),
        ("OtherOS", OsFamily::Unknown, None),
        ("Unassigned", OsFamily::Unknown, None),
        ("", OsFamily::Unknown, None),
    ] {
        let os = GuestOs::new(None, Some(identifier), None);
        assert_eq!((os.family, os.architecture), (expected, architecture), "{identifier}");
        // oVirt has nothing but a description.
        assert_eq!(family(None, None, Some(identifier)), expected, "{identifier}");
    }
}

#[test]
fn each_source_is_asked_for_what_the_better_ones_leave_open() {
    assert_eq!(family(Some(105), Some("debian10_64Guest"), Some("Windows")), OsFamily::Linux);
    assert_eq!(family(Some(100), Some("otherGuest"), Some("IOSv")), OsFamily::Linux);
    let hass = GuestOs::new(Some(102), Some("otherGuest64"), Some("Linux"));
    assert_eq!((hass.family, hass.architecture, hass.name()), (OsFamily::Linux, None, "Linux"));
    assert_eq!(family(None, None, Some("Red Hat Enterprise Linux 6 (32-bit)")), OsFamily::Linux);
    assert_eq!(family(None, None, Some("Microsoft Windows 7 (32-bit)")), OsFamily::Other("Microsoft Windows"));
    assert_eq!(family(Some(58), None, Some("OS")), OsFamily::Other("Windows 2000"));
    assert_eq!(family(Some(1), None, Some("Other (32-bit)")), OsFamily::Unknown);
    assert_eq!(family(None, None, None), OsFamily::Unknown);
    let known = GuestOs::new(None, Some(" windows9_64Guest "), Some(" "));
    assert_eq!((known.name(), known.vendor.as_deref()), ("Windows 10", Some("windows9_64Guest")));
    assert_eq!(family(None, None, Some(&"x".repeat(1 << 20))), OsFamily::Unknown);
}

#[test]
fn a_longer_beginning_is_not_hidden_by_a_shorter_one() {
    let prefixes: Vec<&str> = names::tests_prefixes().collect();
    for (index, prefix) in prefixes.iter().enumerate() {
        assert!(!prefixes.iter().take(index).any(|before| prefix.starts_with(before)), "{prefix} is never reached");
    }
}
