//! Patterns as Prometheus has them (RE2), in the words of the library that is at hand here.

/// Classes in words, as in `[[:alpha:]]`.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// The same pattern where both understand it in different ways: `\Q…\E`, and `[`, `&` and `~` inside of a class, which are
/// letters there.
pub(super) fn translated(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '[']) {
        let (before, special) = rest.split_at(at);
        text += before;
        rest = if special.starts_with('[') { class(special, &mut text) } else { escape(special, &mut text) };
    }
    text + rest
}

/// Takes an escape from the beginning. What is escaped is no beginning of another escape.
fn escape<'p>(special: &'p str, text: &mut String) -> &'p str {
    if let Some(quoted) = special.strip_prefix(r"\Q") {
        // Without its end it goes up to that of the pattern.
        let (quoted, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
        *text += &regex::escape(quoted);
        return after;
    }
    let length = special.chars().take(2).map(char::len_utf8).sum();
    *text += &special[..length];
    &special[length..]
}

/// Takes a class from the beginning.
fn class<'p>(special: &'p str, text: &mut String) -> &'p str {
    let inner = special[1..].strip_prefix('^').unwrap_or(&special[1..]);
    *text += &special[..special.len() - inner.len()];
    // The first one is a letter.
    let mut rest = inner.strip_prefix(']').unwrap_or(inner);
    if rest.len() < inner.len() {
        *text += r"\]";
    }
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '\\' => escape(rest, text),
            '[' if let Some(length) = named(rest) => {
                *text += &rest[..length];
                &rest[length..]
            }
            '[' | '&' | '~' => {
                text.extend(['\\', first]);
                after
            }
            _ => {
                text.push(first);
                after
            }
        };
        if first == ']' {
            break;
        }
    }
    rest
}

/// The length of a class in words at the beginning.
fn named(text: &str) -> Option<usize> {
    let (name, _) = text.strip_prefix("[:")?.split_once(":]")?;
    NAMED.contains(&name.strip_prefix('^').unwrap_or(name)).then_some(name.len() + 4)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_prometheus() {
        for (pattern, matching, other) in [
            (r"\Qa.b\E:\d+", "a.b:80", "axb:80"),
            (r"\Qa.(b", "a.(b", "ax(b"),
            (r"\\Q.", r"\Q.", r"Q"),
            (r"\Qü\E\.\Q\E.", "ü.x", "üxx"),
            (r"\.\Q*\E", ".*", ".."),
            (r"[[ab]c]", "ac]", "c"),
            (r"[^[]+", "abc", "a[b"),
            (r"[]a&&b~~]+", "]&~", "c"),
            (r"[^]a]", "b", "]"),
            (r"[[:digit:]_[:^alpha:]]+", "1_2", "a"),
            (r"[\]\[x]+:", "[x]:", "y:"),
        ] {
            let regex = Regex::new(&format!("^(?s:{})$", translated(pattern))).unwrap();
            assert!(regex.is_match(matching) && !regex.is_match(other), "{pattern}: {regex}");
        }
        for pattern in ["[", "[^", "\\", "[a", "[[:", "a[b\\"] {
            assert!(Regex::new(&translated(pattern)).is_err(), "{pattern}");
        }
    }
}
