//! Operating systems by the numbers and names that descriptors use.
//!
//! Numbers are CIM's (`cim.rs`), names are those of three vendors or the words of a description (`names.rs`).

mod cim;
mod names;

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

impl GuestOs {
    /// What a descriptor's number, vendor's identifier and description mean together.
    ///
    /// The identifier is believed most, as it is the most exact; then a description that is an identifier (oVirt writes it
    /// there), the number, and words in the description. Each is asked only for what those before it leave open.
    #[must_use]
    pub fn new(cim: Option<u16>, vendor: Option<&str>, description: Option<&str>) -> Self {
        let vendor = vendor.map(str::trim).filter(|text| !text.is_empty());
        let description = description.map(str::trim).filter(|text| !text.is_empty());
        let number = cim.and_then(cim::system);
        let by_number = || number.map(|(family, ..)| family).filter(|family| *family != OsFamily::Unknown);
        let family = vendor
            .and_then(names::by_identifier)
            .or_else(|| description.and_then(names::by_identifier))
            .or_else(by_number)
            .or_else(|| description.and_then(names::by_words))
            .unwrap_or(OsFamily::Unknown);
        let architecture = vendor
            .and_then(names::architecture)
            .or_else(|| number.and_then(|(_, architecture, _)| architecture))
            .or_else(|| description.and_then(names::architecture));
        Self {
            cim,
            vendor: vendor.map(str::to_owned),
            description: description.map(str::to_owned),
            family,
            architecture,
        }
    }

    /// What to call it: the descriptor's own words, else the name that goes with its number, else the vendor's identifier.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Some(description) = &self.description {
            return description;
        }
        let number = self.cim.and_then(cim::system);
        match (number, self.family, &self.vendor) {
            (Some((family, _, name)), ..) if family != OsFamily::Unknown => name,
            (_, OsFamily::Other(name), _) => name,
            (_, _, Some(vendor)) => vendor,
            (_, OsFamily::Linux, _) => "Linux",
            _ => "unknown",
        }
    }
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

/// A CPU architecture that a descriptor names. It is a label: many 64-bit guests are labelled as 32-bit ones, and the kernel
/// that is found inside says what is true.
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

#[cfg(test)]
mod tests;
