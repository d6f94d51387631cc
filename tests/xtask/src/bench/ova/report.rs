//! The figures as a table, and for programs.

use std::fmt::Write as _;

use ovum_tests::failure::{Context as _, Result};
use serde::Serialize;

/// All figures.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
}

/// One way to start the machine.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    what: String,
    pub(super) samples: Vec<Sample>,
}

/// One start.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sample {
    /// From the command to the guest's first instruction, ms.
    pub(super) first_ms: f64,
    /// From the command to the machine's end, ms.
    pub(super) end_ms: f64,
    /// The most memory that any process of it had resident, KiB.
    pub(super) peak_kib: u64,
}

impl Row {
    pub(super) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), samples: Vec::new() }
    }

    /// Median, least and most.
    fn spread(&self, of: impl Fn(&Sample) -> f64) -> String {
        let mut values: Vec<f64> = self.samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        match (values.first(), values.get(values.len() / 2), values.last()) {
            (Some(least), Some(median), Some(most)) if values.len() > 1 => {
                format!("{median:.1} ({least:.1} to {most:.1})")
            }
            (Some(only), ..) => format!("{only:.1}"),
            _ => String::new(),
        }
    }
}

impl Report {
    pub(super) fn table(&self) -> String {
        let mut text =
            String::from("| what | first instruction after, ms | end after, ms | peak MiB |\n|---|---|---|---|\n");
        for row in &self.rows {
            let peak = row.spread(|sample| sample.peak_kib as f64 / 1024.0);
            let (first, end) = (row.spread(|sample| sample.first_ms), row.spread(|sample| sample.end_ms));
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {} | {first} | {end} | {peak} |", row.what);
        }
        text
    }

    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).doing("writing the figures as JSON")
    }
}
