//! The figures as a table, and for programs.

use std::fmt::Write as _;

use ovum_tests::failure::{Context as _, Result};
use serde::Serialize;

/// All figures.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
}

/// One thing that was done several times.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    what: String,
    /// Milliseconds of each run.
    pub(super) ovum: Vec<f64>,
    /// Milliseconds of each run of whoever it is compared with.
    pub(super) peer: Vec<f64>,
    /// The largest resident memory of any run, in KiB, where it was asked.
    pub(super) peak_kib: u64,
}

impl Row {
    pub(super) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), ovum: Vec::new(), peer: Vec::new(), peak_kib: 0 }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.1} ({least:.1} to {most:.1})", median(values))
}

impl Report {
    pub(super) fn table(&self) -> String {
        let mut text =
            String::from("| what | ovum, ms | peer, ms | times as fast | peak MiB |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let ratio = median(&row.peer) / median(&row.ovum);
            let ratio = if row.peer.is_empty() { String::new() } else { format!("{ratio:.2}") };
            let peak = if row.peak_kib == 0 { String::new() } else { format!("{:.1}", row.peak_kib as f64 / 1024.0) };
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "| {} | {} | {} | {ratio} | {peak} |", row.what, spread(&row.ovum), spread(&row.peer));
        }
        text
    }

    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).doing("writing the figures as JSON")
    }
}
