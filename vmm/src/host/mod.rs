//! What this host can do: the examination behind `ovum doctor`.
//!
//! Each [`Check`] looks at one thing and carries one remedy for what is missing. [`kvm`] tells hardware KVM, software KVM
//! and no KVM apart; [`system`] looks at everything beside it.

mod kvm;
mod probe;
mod system;

use std::fmt;

use serde::Serialize;

pub use kvm::KvmKind;

/// Whether this host's CPU runs guests by itself.
pub(crate) fn cpu_runs_guests() -> bool {
    kvm::cpu_flag().is_some()
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Machines run without it, but something that they can have is missing.
    Limited,
    /// Stock kernels do not run like this.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing where all is good.
    pub remedy: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, found: found.into(), remedy: None }
    }

    fn limited(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Limited, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn missing(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Missing, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// What was found out about this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostReport {
    /// The kind of KVM.
    pub kvm: KvmKind,
    /// Whether an unmodified distribution's kernel runs in a machine here.
    pub runs_stock_kernels: bool,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

impl HostReport {
    /// Looks at this host. Nothing is changed; a VM is created for a moment and dropped.
    pub fn take() -> Self {
        let (kvm, mut checks) = kvm::examine();
        checks.extend(system::examine());
        let runs_stock_kernels = checks.iter().all(|check| check.verdict != Verdict::Missing);
        Self { kvm, runs_stock_kernels, checks }
    }
}

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let mark = match check.verdict {
                Verdict::Good => "ok     ",
                Verdict::Limited => "limited",
                Verdict::Missing => "MISSING",
            };
            writeln!(f, "{mark}  {:<18} {}", check.name, check.found)?;
            if let Some(remedy) = &check.remedy {
                writeln!(f, "         {:<18} -> {remedy}", "")?;
            }
        }
        let conclusion = match (self.kvm, self.runs_stock_kernels) {
            (_, true) => "Stock Linux kernels run here.",
            (KvmKind::Software, false) => "Stock Linux kernels do not run here; small bare-metal guests may.",
            (_, false) => "Stock Linux kernels do not run here.",
        };
        writeln!(f, "\n{conclusion}")
    }
}
