//! Which names a lookup asks for, in which order, and how such a name becomes wire bytes.
//!
//! Candidates are texts, not [`Name`]s: Prometheus' library joins strings, and what it joined badly
//! (`name..`) is tried, fails when packed, and makes the lookup's end an error instead of an emptiness.

use crate::model::{Name, NameError};

/// `ndots` where nothing sets it (resolv.conf(5)).
pub const DEFAULT_NDOTS: usize = 1;

/// The names to try for one configured name (miekg/dns `clientconfig.go`, `NameList`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList(Vec<String>);

impl NameList {
    /// The configured name and the search list, combined.
    ///
    /// A name that ends in an unescaped dot stands alone. Else one with at least `ndots` dots is tried as it
    /// is before the suffixes, any other after them. Nothing is validated, shortened or de-duplicated.
    pub fn new(name: &str, search: &[String], ndots: usize) -> Self {
        if is_absolute(name) {
            return Self(vec![name.to_owned()]);
        }
        let bare_first = count_labels(name) > ndots;
        let bare = absolute(name);
        let mut names: Vec<String> = search.iter().map(|suffix| absolute(&format!("{bare}{suffix}"))).collect();
        let place = if bare_first { 0 } else { names.len() };
        names.insert(place, bare);
        Self(names)
    }

    /// The candidate at a place in the order.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(String::as_str)
    }

    /// All of them, in order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Turns a candidate into a name as the library's packer does (miekg/dns `msg.go`, `packDomainName`).
///
/// Unlike in a zone file, `\999` is a byte (modulo 256), `\1` is `1`, and `@` is an ordinary character. A name
/// of more than 255 bytes is refused here; Prometheus would send it, to servers that can only refuse it.
///
/// # Errors
/// For an empty label, a label or name that is too long, and a backslash at the end.
pub(super) fn pack(candidate: &str) -> Result<Name, NameError> {
    let text = absolute(candidate);
    if text == "." {
        return Ok(Name::root());
    }
    let mut wire = Vec::with_capacity(text.len() + 1);
    let mut label = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'.' if label.is_empty() => return Err(NameError::EmptyLabel),
            b'.' => {
                let Ok(length @ 1..=63) = u8::try_from(label.len()) else {
                    return Err(NameError::LongLabel(label.len()));
                };
                wire.push(length);
                wire.append(&mut label);
            }
            b'\\' => label.extend(unescape(&mut rest)),
            other => label.push(other),
        }
    }
    if !label.is_empty() {
        return Err(NameError::BadEscape); // the final dot was escaped after all
    }
    wire.push(0);
    Name::from_wire(&wire)
}

/// What a backslash stands for together with what follows it.
fn unescape(rest: &mut &[u8]) -> Option<u8> {
    if let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', tail @ ..] = *rest {
        *rest = tail;
        let digit = |byte: &u8| byte - b'0';
        return Some(digit(a).wrapping_mul(100).wrapping_add(digit(b) * 10).wrapping_add(digit(c)));
    }
    let (&literal, tail) = rest.split_first()?;
    *rest = tail;
    Some(literal)
}

/// Whether the text ends in a dot that an even number of backslashes precedes (miekg/dns `IsFqdn`).
fn is_absolute(text: &str) -> bool {
    text.strip_suffix('.').is_some_and(|before| trailing_backslashes(before).is_multiple_of(2))
}

fn trailing_backslashes(text: &str) -> usize {
    text.len() - text.trim_end_matches('\\').len()
}

/// The text with a dot at its end unless it has one (miekg/dns `Fqdn`).
fn absolute(text: &str) -> String {
    if is_absolute(text) { text.to_owned() } else { format!("{text}.") }
}

/// One more than the unescaped dots before the last character (miekg/dns `CountLabel`).
fn count_labels(text: &str) -> usize {
    let last = text.len().saturating_sub(1);
    let is_separator = |&(at, _): &(usize, &str)| at < last && trailing_backslashes(&text[..at]).is_multiple_of(2);
    1 + text.match_indices('.').filter(is_separator).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, search: &[&str], ndots: usize) -> Vec<String> {
        let search: Vec<String> = search.iter().map(|&suffix| suffix.to_owned()).collect();
        NameList::new(name, &search, ndots).as_slice().to_vec()
    }

    #[test]
    fn an_absolute_name_stands_alone() {
        assert_eq!(names("miek.nl.", &["test"], 1), ["miek.nl."]);
        assert_eq!(names(".", &["test"], 1), ["."]);
        assert_eq!(names(r"a\\.", &["test"], 1), [r"a\\."]);
    }

    #[test]
    fn dots_decide_what_comes_first() {
        // miekg/dns clientconfig_test.go.
        assert_eq!(names("miek.nl", &["test"], 1), ["miek.nl.", "miek.nl.test."]);
        assert_eq!(names("miek.nl", &["test"], 2), ["miek.nl.test.", "miek.nl."]);
        assert_eq!(names("miek", &["test"], 0), ["miek.", "miek.test."]);
    }

    #[test]
    fn a_single_label_goes_last_by_default() {
        assert_eq!(names("miek", &["a", "b"], 1), ["miek.a.", "miek.b.", "miek."]);
    }

    #[test]
    fn suffixes_are_neither_capped_nor_deduplicated() {
        let many = ["a", "a.", "b", "c", "d", "e", "f", "g"];
        let expected = ["x.y.", "x.y.a.", "x.y.a.", "x.y.b.", "x.y.c.", "x.y.d.", "x.y.e.", "x.y.f.", "x.y.g."];
        assert_eq!(names("x.y", &many, 1), expected);
    }

    #[test]
    fn without_a_search_list_the_name_is_alone() {
        assert_eq!(names("_jenkins._tcp.internal.local", &[], 1), ["_jenkins._tcp.internal.local."]);
        assert_eq!(names("miek", &[], 1), ["miek."]);
    }

    #[test]
    fn a_dot_in_the_search_list_makes_a_name_that_cannot_be_sent() {
        assert_eq!(names("a.b", &["."], 1), ["a.b.", "a.b.."]);
        assert_eq!(pack("a.b.."), Err(NameError::EmptyLabel));
    }

    #[test]
    fn escaped_dots_do_not_count() {
        assert_eq!(names(r"a\.b", &["s"], 1), [r"a\.b.s.", r"a\.b."]);
        assert_eq!(names(r"a\\.b", &["s"], 1), [r"a\\.b.", r"a\\.b.s."]);
        assert_eq!(names(r"a.b\.", &["s"], 1), [r"a.b\..", r"a.b\..s."]);
    }

    #[test]
    fn the_empty_name_becomes_the_root() {
        assert_eq!(names("", &["s"], 1), [".s.", "."]);
        assert_eq!(pack(".s."), Err(NameError::EmptyLabel));
        assert_eq!(pack("."), Ok(Name::root()));
    }

    #[test]
    fn bad_labels_fail_when_packed() {
        assert_eq!(pack("a..b."), Err(NameError::EmptyLabel));
        assert_eq!(pack(&"x".repeat(64)), Err(NameError::LongLabel(64)));
        assert!(pack(&"x".repeat(63)).is_ok());
        let long = format!("{0}.{0}.{0}.{0}.", "x".repeat(63));
        assert_eq!(pack(&long), Err(NameError::LongName(257)));
    }

    #[test]
    fn escapes_are_the_go_librarys() {
        let wire = |text: &str| pack(text).unwrap().as_wire().to_vec();
        assert_eq!(wire(r"a\.b."), b"\x03a.b\0");
        assert_eq!(wire(r"\065."), b"\x01A\0");
        assert_eq!(wire(r"\256."), b"\x01\x00\0");
        assert_eq!(wire(r"\1x."), b"\x021x\0");
        assert_eq!(wire(r"a\."), b"\x02a.\0");
        assert_eq!(pack(r"a\"), Err(NameError::BadEscape));
        assert_eq!(wire("@."), b"\x01@\0");
        assert_eq!(wire("_Jenkins._TCP."), b"\x08_Jenkins\x04_TCP\0");
    }

    proptest::proptest! {
        #[test]
        fn any_text_packs_or_fails(text in r"[a.\\0-9é@]{0,80}", search in proptest::collection::vec(r"[a.\\]{0,4}", 0..4)) {
            let list = NameList::new(&text, &search, 1);
            proptest::prop_assert!(!list.as_slice().is_empty() && list.as_slice().len() <= 1 + search.len());
            for candidate in list.as_slice() {
                let _ = pack(candidate);
            }
        }

        #[test]
        fn ordinary_names_pack_to_what_zone_files_mean(text in "[a-z]{1,9}([.][a-z]{1,9}){0,4}[.]?") {
            proptest::prop_assert_eq!(pack(&text).unwrap(), text.parse::<Name>().unwrap());
        }
    }
}
