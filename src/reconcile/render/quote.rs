//! Text between quotes, in the languages of configuration files.

use std::fmt::Write as _;

/// Text in double quotes as YAML, Alloy and TOML read it alike: what cannot stand there as it is becomes `\n`, `\uNNNN` or
/// `\UNNNNNNNN`, and so do the characters of `avoided`.
pub(super) fn double(text: &str, avoided: &[char]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if is_plain(letter) && !avoided.contains(&letter) => quoted.push(letter),
            _ => push_number(&mut quoted, letter),
        }
    }
    quoted.push('"');
    quoted
}

fn push_number(quoted: &mut String, letter: char) {
    let number = u32::from(letter);
    let _ = if number > 0xffff { write!(quoted, "\\U{number:08X}") } else { write!(quoted, "\\u{number:04X}") };
}

/// Text in single quotes as YAML reads it, which people write where they can; in double ones where it has to be.
pub(super) fn yaml(text: &str, avoided: &[char]) -> String {
    if text.chars().all(|letter| is_plain(letter) && !avoided.contains(&letter)) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    double(text, avoided)
}

/// Whether a character is one that every reader takes as it is: no control character, nothing that YAML 1.1, which
/// Prometheus reads, takes for the end of a line, and nothing that is no character at all.
pub(super) fn is_plain(letter: char) -> bool {
    let is_line_end = matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}');
    let is_mark = matches!(letter, '\u{feff}' | '\u{fdd0}'..='\u{fdef}') || u32::from(letter) & 0xfffe == 0xfffe;
    !letter.is_control() && !is_line_end && !is_mark
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_see_single_quotes_where_they_can() {
        assert_eq!(yaml("it's $1 \"so\" \\ ü", &[]), "'it''s $1 \"so\" \\ ü'");
        assert_eq!(yaml("a\nb\u{85}\u{1F600}\u{7f}", &[]), "\"a\\nb\\u0085\u{1F600}\\u007F\"");
        assert_eq!(yaml("50 %{HOME}", &['%']), "\"50 \\u0025{HOME}\"");
        assert_eq!(double("\u{1FFFE}\"\\$", &['$']), "\"\\U0001FFFE\\\"\\\\\\u0024\"");
    }

    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn yaml_is_read_back_as_it_was(text in any_text(), avoids in any::<bool>()) {
            let avoided: &[char] = if avoids { &['%'] } else { &[] };
            let document = format!("{}: {}\n", yaml(&text, avoided), yaml(&text, avoided));
            let read: std::collections::BTreeMap<String, String> = serde_saphyr::from_str(&document).unwrap();
            prop_assert_eq!(read.get(&text), Some(&text));
            prop_assert!(!avoids || !document.contains('%'));
        }

        #[test]
        fn toml_is_read_back_as_it_was(text in any_text()) {
            let document = format!("key = {}\n", double(&text, &['$']));
            let read: toml::Table = document.parse().unwrap();
            prop_assert_eq!(read["key"].as_str(), Some(&*text));
            prop_assert!(!document.contains('$'));
        }
    }
}
