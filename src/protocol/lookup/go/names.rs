//! Which names Go accepts, which it tries, and how it packs them. It knows no escapes: a name is its bytes.

use crate::model::{MAX_LABEL, Name, NameError};

/// Longest name as a text, its final dot included.
const MAX_TEXT: usize = 254;

/// Whether a text is a name to Go: letters, digits, `-` inside labels, `_`, and not digits alone
/// (`net/dnsclient.go`, `isDomainName`). Both the name asked for and every target have to be.
pub(super) fn is_domain_name(text: &[u8]) -> bool {
    if text == b"." {
        return true;
    }
    if text.is_empty() || text.len() > MAX_TEXT || (text.len() == MAX_TEXT && !text.ends_with(b".")) {
        return false;
    }
    let labels = text.strip_suffix(b".").unwrap_or(text);
    let is_numeric = labels.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    !is_numeric && labels.split(|&byte| byte == b'.').all(is_label)
}

fn is_label(label: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // Go looks for a dash after a dot and before a dot or the end; a label of nothing is refused on the way.
    (1..=MAX_LABEL).contains(&label.len())
        && label.iter().all(is_allowed)
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
}

/// The names to try for one, in order (`net/dnsclient_unix.go`, `nameList`).
pub(super) fn name_list(name: &str, search: &[String], ndots: usize) -> Vec<String> {
    let to_be_asked = |name: &String| !is_onion(name);
    if name.ends_with('.') {
        return Some(name.to_owned()).filter(to_be_asked).into_iter().collect();
    }
    let bare_first = name.matches('.').count() >= ndots;
    let bare = format!("{name}.");
    let suffixed = search.iter().map(|suffix| format!("{bare}{suffix}"));
    let mut names: Vec<_> = suffixed.filter(to_be_asked).filter(|name| name.len() <= MAX_TEXT).collect();
    if to_be_asked(&bare) {
        names.insert(if bare_first { 0 } else { names.len() }, bare);
    }
    names
}

/// Such names are not for DNS (RFC 7686).
fn is_onion(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let start = name.len().saturating_sub(".onion".len());
    name.as_bytes()[start..].eq_ignore_ascii_case(b".onion")
}

/// Turns a candidate into a name (x/net `dnsmessage`, `Name.pack`).
///
/// # Errors
/// For an empty label, and for a label or a name that is too long.
pub(super) fn pack(candidate: &str) -> Result<Name, NameError> {
    if candidate == "." {
        return Ok(Name::root());
    }
    let mut wire = Vec::with_capacity(candidate.len() + 1);
    for label in candidate.strip_suffix('.').unwrap_or(candidate).split('.') {
        match u8::try_from(label.len()) {
            Ok(0) => return Err(NameError::EmptyLabel),
            Ok(length @ 1..=63) => wire.push(length),
            _ => return Err(NameError::LongLabel(label.len())),
        }
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    Name::from_wire(&wire)
}

/// A name as Go has it, with a dot after every label and nothing escaped.
pub(super) fn text(name: &Name) -> Vec<u8> {
    if name.is_root() {
        return b".".to_vec();
    }
    name.labels().flat_map(|label| label.iter().copied().chain([b'.'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, search: &[&str], ndots: usize) -> Vec<String> {
        let search: Vec<String> = search.iter().map(|&suffix| suffix.to_owned()).collect();
        name_list(name, &search, ndots)
    }

    #[test]
    fn domain_names_are_gos() {
        // net/dnsname_test.go, and targets that consumers meet.
        let long_label = "a".repeat(63);
        for good in ["_xmpp-server._tcp", "foo.com", "1foo.com", "26.0.0.73.com", "10-0-0-1", "fo-o.com", ".", "a.b."] {
            assert!(is_domain_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "..", "a..b", "10.0.0.5", "10.0.0.5.", "fo1o-.com", "-a.com", "a.-b", "b!r.com", "1", "fe80::1"]
        {
            assert!(!is_domain_name(bad.as_bytes()), "{bad}");
        }
        assert!(is_domain_name(long_label.as_bytes()) && !is_domain_name(format!("{long_label}a").as_bytes()));
        let long = format!("{0}.{0}.{0}.{1}", long_label, "a".repeat(61));
        assert_eq!(long.len(), 253);
        assert!(is_domain_name(long.as_bytes()) && is_domain_name(format!("{long}.").as_bytes()));
        assert!(!is_domain_name(format!("{long}a").as_bytes()));
    }

    #[test]
    fn dots_decide_what_comes_first() {
        assert_eq!(names("a.b", &["test."], 1), ["a.b.", "a.b.test."]);
        assert_eq!(names("a.b", &["test."], 2), ["a.b.test.", "a.b."]);
        assert_eq!(names("a", &["x.", "y."], 1), ["a.x.", "a.y.", "a."]);
        assert_eq!(names("a", &["x."], 0), ["a.", "a.x."]);
        assert_eq!(names("a.b.", &["test."], 1), ["a.b."]);
    }

    #[test]
    fn long_suffixes_and_onions_are_left_out() {
        let long = format!("{}.", "a.".repeat(126));
        assert_eq!(names("a.b", &[&long, "c."], 1), ["a.b.", "a.b.c."]);
        assert_eq!(names("a.b", &["ONION."], 1), ["a.b."]);
        assert!(names("a.onion", &[], 1).is_empty() && names("a.onion.", &[], 1).is_empty());
    }

    #[test]
    fn names_pack_without_escapes() {
        let wire = |text: &str| pack(text).unwrap().as_wire().to_vec();
        assert_eq!(wire("a.b."), b"\x01a\x01b\0");
        assert_eq!(wire("."), b"\0");
        assert_eq!(wire("a.#."), b"\x01a\x01#\0");
        assert_eq!(wire(r"\065."), b"\x04\\065\0");
        assert_eq!(pack("a.."), Err(NameError::EmptyLabel));
        assert_eq!(pack(&format!("{}.", "a".repeat(64))), Err(NameError::LongLabel(64)));
    }

    #[test]
    fn a_name_becomes_its_text() {
        assert_eq!(text(&"a.b".parse().unwrap()), b"a.b.");
        assert_eq!(text(&Name::root()), b".");
        assert_eq!(text(&r"a\.b.c".parse().unwrap()), b"a.b.c.");
    }

    proptest::proptest! {
        #[test]
        fn what_is_a_domain_name_can_be_sent(text in "[a-z0-9._-]{1,80}") {
            if is_domain_name(text.as_bytes()) {
                let candidate = names(&text, &[], 1).remove(0);
                proptest::prop_assert!(pack(&candidate).is_ok());
            }
        }
    }
}
