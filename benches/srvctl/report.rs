//! What was measured: medians and spreads, beside the reference and the target.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::scale::Scale;

/// What srvctl should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// Ours is at most so many times the reference.
    AtMost(f64),
    /// Ours is at least so many times the reference.
    AtLeast(f64),
    /// Ours is at most so much above the reference.
    Within(f64),
    /// Ours is at least so much, whatever the reference is.
    Least(f64),
    /// Ours is at most so much, whatever the reference is.
    Most(f64),
    /// Ours is at most so many times the reference, or so little above it that nobody can tell.
    About(f64, f64),
}

impl Target {
    fn is_met(self, ours: f64, reference: f64) -> bool {
        match self {
            Self::AtMost(factor) => ours <= reference * factor,
            Self::AtLeast(factor) => ours >= reference * factor,
            Self::Within(difference) => ours - reference <= difference,
            Self::Least(least) => ours >= least,
            Self::Most(most) => ours <= most,
            Self::About(factor, difference) => ours <= reference * factor || ours - reference <= difference,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(factor) => write!(f, "<= {factor}x"),
            Self::AtLeast(factor) => write!(f, ">= {factor}x"),
            Self::Within(difference) => write!(f, "<= +{difference}"),
            Self::Least(least) => write!(f, ">= {least}"),
            Self::Most(most) => write!(f, "<= {most}"),
            Self::About(factor, difference) => write!(f, "<= {factor}x or +{difference}"),
        }
    }
}

/// The measurements of one side.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    what: String,
    samples: Vec<f64>,
}

impl Series {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), samples: Vec::new() }
    }

    pub(crate) fn push(&mut self, sample: f64) {
        self.samples.push(sample);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], sorted[middle]) } else { sorted[middle] }
    }

    fn spread(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted[0], sorted[sorted.len() - 1])
    }

    fn shown(&self) -> String {
        let (least, most) = self.spread();
        format!("{} ({}..{})", short(self.median()), short(least), short(most))
    }

    fn json(&self) -> Value {
        let (least, most) = self.spread();
        json!({ "what": self.what, "median": self.median(), "min": least, "max": most, "samples": self.samples })
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Series,
    pub(crate) reference: Series,
    pub(crate) target: Target,
    /// What was measured on, and what there is to know about it.
    pub(crate) note: String,
}

impl Row {
    fn is_met(&self) -> bool {
        self.target.is_met(self.ours.median(), self.reference.median())
    }

    fn verdict(&self) -> &'static str {
        if self.is_met() { "met" } else { "missed" }
    }

    fn ratio(&self) -> f64 {
        self.ours.median() / self.reference.median()
    }

    fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            self.unit.to_owned(),
            self.ours.shown(),
            self.reference.shown(),
            short(self.ratio()),
            self.target.to_string(),
            self.verdict().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let ratio = Some(self.ratio()).filter(|ratio| ratio.is_finite());
        json!({
            "name": self.name, "unit": self.unit, "ours": self.ours.json(), "reference": self.reference.json(),
            "ratio": ratio, "target": self.target.to_string(), "met": self.is_met(), "note": self.note,
        })
    }
}

const HEAD: [&str; 7] = ["BENCHMARK", "UNIT", "SRVCTL", "REFERENCE", "RATIO", "TARGET", ""];

/// Everything that one call measured.
pub(crate) struct Report {
    machine: Machine,
    scale: Scale,
    rows: Vec<Row>,
    failed: Vec<&'static str>,
}

impl Report {
    pub(crate) fn new(machine: Machine, scale: Scale) -> Self {
        Self { machine, scale, rows: Vec::new(), failed: Vec::new() }
    }

    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        for row in &rows {
            eprintln!("    {}", row.cells().join("  "));
        }
        self.rows.extend(rows);
    }

    /// A benchmark ended early; why has been shown.
    pub(crate) fn failed(&mut self, name: &'static str) {
        self.failed.push(name);
    }

    /// Whether every result was right, fast or not.
    pub(crate) fn is_valid(&self) -> bool {
        self.failed.is_empty()
    }

    #[allow(clippy::print_stdout, reason = "this is what the program is for")]
    pub(crate) fn print(&self) {
        let table: Vec<_> = [HEAD.map(str::to_owned)].into_iter().chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or_default();
        let widths: [usize; 7] = std::array::from_fn(width);
        println!("\n{}", self.machine);
        if self.scale.quick {
            println!("--quick: these sizes are too small to say anything about speed");
        }
        println!("median (least..most), {} runs\n", self.scale.runs());
        for row in &table {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        println!();
        for Row { name, ours, reference, note, .. } in &self.rows {
            println!("{name}: {} beside {}; {note}", ours.what, reference.what);
        }
        for name in &self.failed {
            println!("{name}: FAILED");
        }
    }

    pub(crate) fn write_json(&self, path: &Path) {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let document = json!({
            "machine": self.machine.json(), "quick": self.scale.quick, "runs": self.scale.runs(), "results": rows,
            "failed": self.failed,
        });
        let text = serde_json::to_string_pretty(&document).unwrap();
        fs::write(path, text + "\n").unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
