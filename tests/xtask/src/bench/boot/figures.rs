//! What one run tells: counted from outside, the same way for every VMM.

use std::collections::BTreeMap;

use ovum_tests::host::Process;
use ovum_tests::userspace::MARKER;
use serde::Serialize;
use serde_json::Value;

use super::run::MEMORY_MIB;

/// The figures of one run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    /// Million instructions from process start to init's first line.
    pub(super) instructions: f64,
    /// KiB of Pss in all mappings but the guest's memory.
    pub(super) memory_kib: u64,
    /// Milliseconds of CPU until the first guest instruction, where the VMM says so.
    pub(super) cpu_ms: Option<f64>,
    /// KVM's counters until init.
    pub(super) exits: BTreeMap<String, u64>,
}

impl Figures {
    /// The figures of a process that was probed at the marker.
    pub(super) fn of(process: &Process) -> Option<Self> {
        let probe = process.probe()?;
        let nanoseconds = marker_at(process)?.checked_sub(process.started_at())?;
        Some(Self {
            // One nanosecond of the counting lab is one instruction.
            instructions: nanoseconds as f64 / 1e6,
            memory_kib: beside_guest_memory(&probe.smaps),
            cpu_ms: first_instruction_cpu_ms(&process.text(true)),
            exits: probe
                .kvm
                .iter()
                .filter(|(name, _)| is_exit(name))
                .map(|(name, count)| (name.clone(), *count))
                .collect(),
        })
    }
}

/// Counters that are exits, or kinds of them; the rest is about the MMU and about halt polling.
fn is_exit(name: &str) -> bool {
    name.ends_with("exits") || matches!(name, "exits" | "insn_emulation" | "irq_injections" | "hypercalls")
}

/// When the piece of output came with which the marker was complete.
fn marker_at(process: &Process) -> Option<u64> {
    let mut text = Vec::new();
    process.chunks().iter().filter(|chunk| !chunk.error).find_map(|chunk| {
        text.extend_from_slice(&chunk.bytes);
        String::from_utf8_lossy(&text).contains(MARKER).then_some(chunk.at)
    })
}

/// The sum of Pss over all mappings but that of guest memory, KiB. The guest's is the one mapping that is as large as its
/// memory; the kernel may have joined a small neighbour to it.
fn beside_guest_memory(smaps: &str) -> u64 {
    let mut sum = 0;
    let mut size = 0;
    for line in smaps.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let Some(kib) = value.trim().strip_suffix(" kB").and_then(|digits| digits.trim().parse::<u64>().ok()) else {
            continue;
        };
        match key {
            "Size" => size = kib,
            "Pss" if size < MEMORY_MIB << 10 => sum += kib,
            _ => {}
        }
    }
    sum
}

/// From ovum's report, one line of JSON on standard error.
fn first_instruction_cpu_ms(errors: &str) -> Option<f64> {
    let report: Value = errors.lines().find_map(|line| serde_json::from_str(line).ok())?;
    let timeline = report.get("timeline")?.as_array()?;
    let moment =
        timeline.iter().find(|moment| moment.get("event").is_some_and(|event| event == "first_instruction"))?;
    Some(moment.get("cpu_us")?.as_f64()? / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{beside_guest_memory, first_instruction_cpu_ms};

    #[test]
    fn guest_memory_is_left_out() {
        let smaps = "7f00-7f01 rw-p 0 00:00 0 \nSize:             131072 kB\nPss:               40000 kB\n\
            7f02-7f03 r-xp 0 00:00 0 /bin/ovum\nSize:               900 kB\nPss:                 500 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(beside_guest_memory(smaps), 500);
    }

    #[test]
    fn cpu_time_is_read_from_the_report() {
        let report = "noise\n{\"end\":\"PowerOff\",\"timeline\":[{\"event\":\"first_instruction\",\"at_us\":9,\"cpu_us\":2500}]}";
        assert_eq!(first_instruction_cpu_ms(report), Some(2.5));
    }
}
