//! What DNS-SD's clients read out of records (RFC 6763): names for people, and the pairs of a TXT record.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::Rdata;

/// TXT data above this size does not fit a packet beside the other records (RFC 6763 section 6.2).
pub const RECOMMENDED_TEXT: usize = 1_300;

/// One string of a TXT record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// As it is written there; compared without case.
    pub key: String,
    /// What follows the `=`; none when there is no `=`, which is another thing than an empty value (section 6.4).
    pub value: Option<Vec<u8>>,
}

/// Reads TXT data as a client does, and says what is wrong with it; an empty list of pairs is nothing wrong.
///
/// A string without a key and a key that was there before are passed over (section 6.4).
pub fn pairs(text: &Rdata) -> (Vec<Pair>, Vec<String>) {
    let (mut pairs, mut problems, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let Some(strings) = text.as_txt().filter(|strings| !strings.is_empty()) else {
        return (pairs, vec!["its TXT data is damaged".to_owned()]);
    };
    for string in strings.into_iter().filter(|string| !string.is_empty()) {
        let at = string.iter().position(|&byte| byte == b'=');
        let (key, value) = at.map_or((string, None), |at| (&string[..at], Some(&string[at + 1..])));
        let shown = readable(string);
        if key.is_empty() {
            problems.push(format!("the TXT string \"{shown}\" has no key"));
            continue;
        }
        if !key.iter().all(|byte| (0x20..=0x7e).contains(byte)) {
            problems.push(format!("the key of the TXT string \"{shown}\" is not printable ASCII"));
            continue;
        }
        let key = String::from_utf8_lossy(key).into_owned();
        if seen.insert(key.to_ascii_lowercase()) {
            pairs.push(Pair { key, value: value.map(<[u8]>::to_vec) });
        } else {
            problems.push(format!("the TXT key `{key}` is there more than once, and the first counts"));
        }
    }
    let size = text.as_wire().len();
    if size > RECOMMENDED_TEXT {
        problems
            .push(format!("its TXT data takes {size} bytes, and above {RECOMMENDED_TEXT} not every client reads it"));
    }
    (pairs, problems)
}

/// Bytes as people read them: UTF-8, with `\DDD` for what no terminal should be sent.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(&mut text, byte));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut text, byte));
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    let _ = write!(text, "\\{byte:03}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::RecordType;

    fn shown(strings: &[&str]) -> (Vec<String>, Vec<String>) {
        let (pairs, problems) = pairs(&Rdata::txt(strings));
        let pair = |Pair { key, value }: Pair| match value {
            Some(value) => format!("{key}={}", readable(&value)),
            None => key,
        };
        (pairs.into_iter().map(pair).collect(), problems)
    }

    #[test]
    fn pairs_are_read_as_the_rfc_says() {
        let (pairs, problems) = shown(&["txtvers=1", "flag", "empty=", "a=b=c", "A=again", "=none", "", "ü=x"]);
        assert_eq!(pairs, ["txtvers=1", "flag", "empty=", "a=b=c"]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert_eq!(shown(&[]), (vec![], vec![]), "one empty string says nothing, and is right");
        assert_eq!(super::pairs(&Rdata::from_wire(RecordType::TXT, [])).1, ["its TXT data is damaged"]);
        assert_eq!(super::pairs(&Rdata::from_wire(RecordType::TXT, [5, b'a'])).1, ["its TXT data is damaged"]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_and_nothing_reaches_the_terminal(wire in prop::collection::vec(any::<u8>(), 0..80)) {
            let (pairs, problems) = pairs(&Rdata::from_wire(RecordType::TXT, wire.clone()));
            let texts = pairs.iter().map(|pair| &pair.key).chain(&problems);
            for text in texts.chain([&readable(&wire)]) {
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }
}
