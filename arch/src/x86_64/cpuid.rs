//! CPUID: what a vCPU is told about itself. KVM says what it supports; this adds what depends on the machine.
//!
//! Every vCPU is a core of its own in one package. The frequencies are handed over, so that the guest calibrates nothing.

use kvm_bindings::{CpuId, kvm_cpuid_entry2};

/// Leaf 1, ECX.
const X2APIC: u32 = 1 << 21;
const TSC_DEADLINE: u32 = 1 << 24;
const HYPERVISOR: u32 = 1 << 31;
/// Leaf 1, EDX: several logical processors in this package.
const HTT: u32 = 1 << 28;
/// Level types of leaf 0xb, ECX bits 8 to 15.
const LEVEL_THREAD: u32 = 1 << 8;
const LEVEL_CORE: u32 = 2 << 8;

/// KVM's own first leaf, whose EAX names the last.
const KVM_SIGNATURE: u32 = 0x4000_0000;
/// The leaf by which hypervisors hand over frequencies: EAX the TSC's, EBX the APIC timer's, in kHz.
const FREQUENCIES: u32 = 0x4000_0010;
/// KVM's APIC timer counts nanoseconds.
const APIC_TIMER_KHZ: u32 = 1_000_000;

/// What distinguishes a vCPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub apic_id: u8,
    pub cpus: u8,
    /// Frequency of the time-stamp counter, where KVM knows it.
    pub tsc_khz: Option<u32>,
    pub deadline_timer: bool,
    /// Whether the CPU follows AMD's leaves.
    pub amd: bool,
}

/// Whether `supported` is the CPUID of a CPU that follows AMD's leaves: AMD itself, and Hygon.
pub(super) fn is_amd(supported: &CpuId) -> bool {
    let vendor = supported.as_slice().iter().find(|entry| entry.function == 0).map(|entry| entry.ebx.to_le_bytes());
    vendor.is_some_and(|vendor| vendor == *b"Auth" || vendor == *b"Hygo")
}

impl Identity {
    /// How many bits of an APIC ID number the cores of the package.
    fn core_bits(&self) -> u32 {
        u32::from(self.cpus).next_power_of_two().trailing_zeros()
    }

    fn last_core(&self) -> u32 {
        u32::from(self.cpus).saturating_sub(1)
    }
}

/// The CPUID of one vCPU.
pub(super) fn for_vcpu(supported: &CpuId, identity: &Identity) -> Result<CpuId, kvm_ioctls::Error> {
    // The topology leaf is written anew, level by level.
    let mut entries: Vec<_> =
        supported.as_slice().iter().filter(|e| e.function != 0xb && e.function != 0x1f).copied().collect();
    let has_topology = supported.as_slice().iter().any(|e| e.function == 0xb);
    for entry in &mut entries {
        adapt(entry, identity);
    }
    if has_topology {
        entries.extend(topology(identity));
    }
    if let Some(tsc_khz) = identity.tsc_khz {
        entries.retain(|entry| entry.function != FREQUENCIES);
        entries.push(kvm_cpuid_entry2 {
            function: FREQUENCIES,
            eax: tsc_khz,
            ebx: APIC_TIMER_KHZ,
            ..Default::default()
        });
    }
    CpuId::from_entries(&entries).map_err(|_| invalid())
}

/// "Invalid argument", for what KVM's crate refuses without an error number of its own.
pub(super) fn invalid() -> kvm_ioctls::Error {
    const EINVAL: i32 = 22;
    kvm_ioctls::Error::new(EINVAL)
}

fn adapt(entry: &mut kvm_cpuid_entry2, identity: &Identity) {
    match entry.function {
        0x1 => {
            let logical = u32::from(identity.cpus);
            entry.ebx = (entry.ebx & 0xffff) | logical << 16 | u32::from(identity.apic_id) << 24;
            entry.ecx |= HYPERVISOR | X2APIC;
            set(&mut entry.ecx, TSC_DEADLINE, identity.deadline_timer);
            set(&mut entry.edx, HTT, identity.cpus > 1);
        }
        // Intel's caches: EAX 14..25 sharing threads less one, 26..31 cores of the package less one.
        0x4 if entry.eax & 0x1f != 0 => {
            let sharing = shared_by(entry.eax >> 5 & 0x7, identity);
            entry.eax = (entry.eax & 0x3fff) | sharing << 14 | identity.last_core().min(63) << 26;
        }
        KVM_SIGNATURE => entry.eax = entry.eax.max(FREQUENCIES),
        // AMD's cores: ECX 0..7 cores less one, 12..15 bits of an APIC ID that number them.
        0x8000_0008 if identity.amd => {
            entry.ecx = (entry.ecx & !0xf0ff) | identity.last_core() | identity.core_bits() << 12
        }
        // AMD's caches: EAX 14..25 sharing threads less one.
        0x8000_001d if entry.eax & 0x1f != 0 => {
            entry.eax = (entry.eax & !0x03ff_c000) | shared_by(entry.eax >> 5 & 0x7, identity) << 14;
        }
        // AMD's place of this core: EAX its APIC ID, EBX its core (one thread each), ECX its node.
        0x8000_001e => {
            (entry.eax, entry.ebx, entry.ecx) = (identity.apic_id.into(), identity.apic_id.into(), 0);
        }
        _ => {}
    }
}

/// How many other vCPUs share a cache of this level: none the first two, all the third.
fn shared_by(level: u32, identity: &Identity) -> u32 {
    if level < 3 { 0 } else { identity.last_core() }
}

/// Leaf 0xb: threads (one for each core), then cores.
fn topology(identity: &Identity) -> [kvm_cpuid_entry2; 2] {
    const SIGNIFICANT_INDEX: u32 = 1;
    let level = |index: u32, shift: u32, count: u32, kind: u32| kvm_cpuid_entry2 {
        function: 0xb,
        index,
        flags: SIGNIFICANT_INDEX,
        eax: shift,
        ebx: count,
        ecx: kind | index,
        edx: identity.apic_id.into(),
        ..Default::default()
    };
    [level(0, 0, 1, LEVEL_THREAD), level(1, identity.core_bits(), identity.cpus.into(), LEVEL_CORE)]
}

fn set(register: &mut u32, bit: u32, on: bool) {
    *register = if on { *register | bit } else { *register & !bit };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(cpuid: &CpuId, function: u32, index: u32) -> kvm_cpuid_entry2 {
        *cpuid.as_slice().iter().find(|e| e.function == function && e.index == index).unwrap()
    }

    #[test]
    fn each_vcpu_is_a_core_of_one_package_and_knows_its_clock() {
        let entry = |function| kvm_cpuid_entry2 { function, ..Default::default() };
        let supported =
            CpuId::from_entries(&[entry(1), entry(0xb), entry(KVM_SIGNATURE), entry(0x8000_0008), entry(0x8000_001e)])
                .unwrap();
        let identity = Identity { apic_id: 4, cpus: 6, tsc_khz: Some(2_450_000), deadline_timer: true, amd: true };
        let cpuid = for_vcpu(&supported, &identity).unwrap();

        let one = leaf(&cpuid, 1, 0);
        assert_eq!((one.ebx >> 24, one.ebx >> 16 & 0xff), (4, 6));
        assert_eq!(one.ecx & (X2APIC | TSC_DEADLINE | HYPERVISOR), X2APIC | TSC_DEADLINE | HYPERVISOR);
        assert_eq!(leaf(&cpuid, 0xb, 1).eax, 3, "three bits number six cores");
        assert_eq!(leaf(&cpuid, 0xb, 0).edx, 4);
        assert_eq!(leaf(&cpuid, 0x8000_0008, 0).ecx, 5 | 3 << 12);
        assert_eq!(leaf(&cpuid, 0x8000_001e, 0).eax, 4);
        assert_eq!(leaf(&cpuid, FREQUENCIES, 0).eax, 2_450_000);
        assert!(leaf(&cpuid, KVM_SIGNATURE, 0).eax >= FREQUENCIES);
    }
}
