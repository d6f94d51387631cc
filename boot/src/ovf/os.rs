//! Operating systems by the numbers and names that descriptors use.

/// A guest's operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOs {
    /// The value of CIM_OperatingSystem.OsType (`ovf:id`), where there is one.
    pub cim: Option<u16>,
    /// A vendor's identifier (`vmw:osType`, VirtualBox's or oVirt's), where there is one.
    pub vendor: Option<String>,
    /// The descriptor's own words for it.
    pub description: Option<String>,
    /// What it is, as far as the above tell.
    pub family: OsFamily,
    /// The CPU architecture that it was built for, where the above tell.
    pub architecture: Option<OsArchitecture>,
}

/// What an operating system is, as far as it matters for starting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OsFamily {
    /// Any Linux.
    Linux,
    /// Something that is known not to be Linux, by the name that people call it.
    Other(&'static str),
    /// Nobody said, or nobody knows.
    Unknown,
}

/// A CPU architecture that a descriptor names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OsArchitecture {
    /// 32-bit x86.
    I386,
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
    /// 64-bit POWER.
    Ppc64,
    /// IBM Z.
    S390x,
}
