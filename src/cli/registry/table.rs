//! Columns for people.

use crate::cli::output::{self, Paint};

/// Rows under their headings, each column as wide as it needs to be.
pub(super) fn show<const N: usize>(headings: [&str; N], rows: &[[String; N]]) {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    output::line(Paint::for_stdout().strong(line(&headings, &widths)));
    for row in rows {
        output::line(line(&row.each_ref().map(String::as_str), &widths));
    }
}

fn line(cells: &[&str], widths: &[usize]) -> String {
    let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}
