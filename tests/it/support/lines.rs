//! Zones as lines of text, compared as sets.

use std::collections::BTreeSet;

/// Fails with the difference line by line; the order does not matter.
pub(crate) fn assert_lines<E: AsRef<str>>(what: &str, actual: &[String], expected: impl IntoIterator<Item = E>) {
    let expected: BTreeSet<String> = expected.into_iter().map(|line| line.as_ref().to_owned()).collect();
    let actual: BTreeSet<String> = actual.iter().cloned().collect();
    let missing: Vec<_> = expected.difference(&actual).collect();
    let extra: Vec<_> = actual.difference(&expected).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{what}\nmissing: {missing:#?}\nextra: {extra:#?}");
}

/// `dig` aligns its columns with tabs; the data, which may contain any blanks, stays as it is.
pub(crate) fn single_spaced(line: &str) -> String {
    let mut rest = line;
    let mut fields = Vec::new();
    for _ in 0..4 {
        let (field, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        fields.push(field);
        rest = tail.trim_start();
    }
    format!("{} {rest}", fields.join(" "))
}
