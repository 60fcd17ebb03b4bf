//! How lengths of time are written everywhere: whole numbers, each with its unit, `1h30m`. Which units there are, and whether
//! zero is one, is said by who reads it.

/// Reads one as milliseconds. `units` are names with their milliseconds, from the longest; each may be there once, in this
/// order. None when it is written otherwise, or too long to count. Nothing at all is zero.
pub fn read_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut milliseconds = 0u64;
    let mut units = units.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        // Walking the units once keeps them in order and each at most once.
        let (_, each) = units.find(|(name, _)| *name == unit)?;
        milliseconds = digits.parse::<u64>().ok()?.checked_mul(*each)?.checked_add(milliseconds)?;
        rest = after;
    }
    Some(milliseconds)
}
