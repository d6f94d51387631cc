//! All runs together, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ovum_tests::failure::{Context as _, Result};
use serde::Serialize;

use super::figures::Figures;
use super::run::Guest;
use super::vmm::Vmm;

/// The runs of one VMM with one kernel.
#[derive(Debug, Serialize)]
struct Series {
    kernel: &'static str,
    vmm: String,
    command: Vec<String>,
    runs: Vec<Figures>,
}

/// All runs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    series: Vec<Series>,
}

/// The middle of some numbers, and their ends.
struct Spread {
    median: f64,
    minimum: f64,
    maximum: f64,
}

fn spread(numbers: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let median = *numbers.get(numbers.len() / 2)?;
    Some(Spread { median, minimum: *numbers.first()?, maximum: *numbers.last()? })
}

impl Series {
    fn spread(&self, of: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
        spread(self.runs.iter().filter_map(of))
    }

    fn instructions(&self) -> Option<Spread> {
        self.spread(|run| Some(run.instructions))
    }

    /// The median of each kind of exit.
    fn exits(&self) -> BTreeMap<&str, f64> {
        let names = self.runs.iter().flat_map(|run| run.exits.keys().map(String::as_str));
        names
            .filter_map(|name| {
                let spread = self.spread(|run| run.exits.get(name).map(|count| *count as f64))?;
                (spread.median > 0.0).then_some((name, spread.median))
            })
            .collect()
    }
}

impl Report {
    pub(super) fn add(&mut self, guest: Guest, vmm: &Vmm, figures: Figures) {
        let (kernel, name) = (guest.name(), vmm.name());
        match self.series.iter_mut().find(|series| series.kernel == kernel && series.vmm == name) {
            Some(series) => series.runs.push(figures),
            None => self.series.push(Series { kernel, vmm: name, command: vmm.command(guest), runs: vec![figures] }),
        }
    }

    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:<7} {:<13} {:>4} {:>28} {:>6} {:>12} {:>9}\n",
            "kernel", "vmm", "runs", "million instructions", "ratio", "memory KiB", "CPU ms"
        );
        for series in &self.series {
            let Some(instructions) = series.instructions() else { continue };
            let other = self.series.iter().find(|other| other.kernel == series.kernel && other.vmm != series.vmm);
            let ratio =
                other.and_then(Series::instructions).map_or(f64::NAN, |other| instructions.median / other.median);
            let range =
                format!("{:.1} ({:.1} to {:.1})", instructions.median, instructions.minimum, instructions.maximum);
            let number =
                |spread: Option<Spread>| spread.map_or("-".to_owned(), |spread| format!("{:.1}", spread.median));
            let memory = series.spread(|run| Some(run.memory_kib as f64)).map_or(f64::NAN, |spread| spread.median);
            let cpu = number(series.spread(|run| run.cpu_ms));
            let (kernel, vmm, runs) = (series.kernel, &series.vmm, series.runs.len());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{kernel:<7} {vmm:<13} {runs:>4} {range:>28} {ratio:>6.2} {memory:>12.0} {cpu:>9}");
        }
        text += "\nexits until init\n";
        for series in &self.series {
            let exits: Vec<String> = series.exits().iter().map(|(name, count)| format!("{name} {count:.0}")).collect();
            let _ = writeln!(text, "{:<7} {:<13} {}", series.kernel, series.vmm, exits.join(", "));
        }
        text
    }

    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).doing("writing the figures as JSON")
    }
}
