//! Columns for people.

use crate::cli::output::{self, Paint};

/// Rows under their headings, each column as wide as it needs to be.
pub(super) fn show<const N: usize>(headings: [&str; N], rows: &[[String; N]]) {
    show_painted(headings, rows, |_, _, cell| cell);
}

/// The same, with each cell painted as `paint` does, which gets its row, its column and its text, filled up already.
pub(super) fn show_painted<const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
    paint: impl Fn(usize, usize, String) -> String,
) {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    output::line(Paint::for_stdout().strong(line(&headings, &widths, |_, cell| cell)));
    for (number, row) in rows.iter().enumerate() {
        output::line(line(&row.each_ref().map(String::as_str), &widths, |column, cell| paint(number, column, cell)));
    }
}

fn line(cells: &[&str], widths: &[usize], paint: impl Fn(usize, String) -> String) -> String {
    // What is empty at the end of a line is not filled up.
    let last = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    let filled = |(column, (cell, width)): (usize, (&&str, &usize))| match column + 1 {
        number if number == last => paint(column, (*cell).to_owned()),
        _ => paint(column, format!("{cell:width$}")),
    };
    let filled: Vec<_> = cells.iter().zip(widths).enumerate().take(last).map(filled).collect();
    filled.join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_nothing_hangs_over() {
        let plain = |cells: &[&str]| line(cells, &[4, 3, 2], |_, cell| cell);
        assert_eq!(plain(&["a", "b", "c"]), "a     b    c");
        assert_eq!((plain(&["a", "b", ""]), plain(&["", "", ""])), ("a     b".to_owned(), String::new()));
        assert_eq!(line(&["a", "b"], &[3, 3], |column, cell| format!("<{column}{cell}>")), "<0a  >  <1b>");
    }
}
