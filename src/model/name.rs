//! Domain names: absolute, case-preserving, compared without case.
//!
//! Does not know messages: compression belongs to [`crate::protocol::wire`].

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// An absolute domain name in uncompressed wire format (RFC 1035 section 3.1), spelt as it was given.
///
/// Equality, order and hash ignore ASCII case (RFC 4343); the order is the canonical one of RFC 4034
/// section 6.1, so that a zone's names sort below their parents. Own type instead of the DNS library's:
/// 16 bytes plus the name itself, which clones share, and a relative name cannot exist.
#[derive(Clone)]
pub struct Name(Arc<[u8]>);

/// Longest name in wire format, root label included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Longest label (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// Why a text or byte string is not a domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, a leading dot, or nothing at all.
    #[error("has an empty label")]
    EmptyLabel,
    /// More than [`MAX_LABEL`] bytes between two dots.
    #[error("has a label of {0} bytes; DNS allows 63")]
    LongLabel(usize),
    /// More than [`MAX_NAME`] bytes on the wire.
    #[error("takes {0} bytes on the wire; DNS allows 255")]
    LongName(usize),
    /// A backslash at the end, or `\DDD` above 255.
    #[error("has a broken backslash escape")]
    BadEscape,
}

impl Name {
    /// The root name, `.`.
    pub fn root() -> Self {
        Self(Arc::from([0u8]))
    }

    /// Takes ownership of uncompressed wire bytes.
    ///
    /// # Errors
    /// When the bytes are not exactly one well-formed name.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName(wire.len()));
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                Some(0) if at + 1 == wire.len() => return Ok(Self(Arc::from(wire))),
                None | Some(0) => return Err(NameError::EmptyLabel),
                Some(&length) if usize::from(length) > MAX_LABEL => {
                    return Err(NameError::LongLabel(usize::from(length)));
                }
                Some(&length) => at += 1 + usize::from(length),
            }
        }
    }

    /// Reads presentation format; without a trailing dot, `origin` is appended (RFC 1035 section 5.1).
    ///
    /// # Errors
    /// When a label or the whole is too long, empty, or badly escaped.
    pub fn parse_relative(text: &str, origin: &Self) -> Result<Self, NameError> {
        if text == "@" {
            return Ok(origin.clone());
        }
        let (mut wire, absolute) = labels_from_text(text)?;
        if absolute {
            wire.push(0);
        } else {
            wire.extend_from_slice(&origin.0);
        }
        Self::checked(wire)
    }

    /// One more label in front, the bytes taken literally.
    ///
    /// # Errors
    /// When the label or the result is too long.
    pub fn prepend(&self, label: &[u8]) -> Result<Self, NameError> {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        let Ok(length @ 1..=63) = u8::try_from(label.len()) else {
            return Err(NameError::LongLabel(label.len()));
        };
        let mut wire = Vec::with_capacity(1 + label.len() + self.0.len());
        wire.push(length);
        wire.extend_from_slice(label);
        wire.extend_from_slice(&self.0);
        Self::checked(wire)
    }

    fn checked(wire: Vec<u8>) -> Result<Self, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName(wire.len()));
        }
        Ok(Self(wire.into()))
    }

    /// The uncompressed wire format, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Bytes on the wire without compression.
    #[expect(clippy::len_without_is_empty, reason = "a name is never empty: the root has one byte")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The labels from the left, without the root's.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            if length == 0 {
                return None;
            }
            let (label, tail) = tail.split_at(usize::from(length));
            rest = tail;
            Some(label)
        })
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The name without its first label; none for the root.
    pub fn parent(&self) -> Option<Self> {
        self.strip_first().map(|wire| Self(Arc::from(wire)))
    }

    fn strip_first(&self) -> Option<&[u8]> {
        let first = usize::from(self.0[0]);
        (first != 0).then(|| &self.0[1 + first..])
    }

    /// Whether this name is `ancestor` or below it, on label boundaries and without case:
    /// `notinternal.local.` is not inside `internal.local.`.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        let Some(start) = self.0.len().checked_sub(ancestor.0.len()) else {
            return false;
        };
        let mut at = 0;
        while at < start {
            at += 1 + usize::from(self.0[at]);
        }
        at == start && self.0[start..].eq_ignore_ascii_case(&ancestor.0)
    }

    /// How many bytes lie before `ancestor` on the wire, when this name is within it.
    pub fn prefix_len(&self, ancestor: &Self) -> Option<usize> {
        self.is_within(ancestor).then(|| self.0.len() - ancestor.0.len())
    }

    /// Presentation format without the final dot, for tables that people read.
    pub fn without_final_dot(&self) -> String {
        let mut text = self.to_string();
        if text.len() > 1 {
            text.pop();
        }
        text
    }

    /// Where the labels begin, from the left, of a name with at most `MOST` labels.
    fn offsets<const MOST: usize>(&self) -> Option<([u8; MOST], usize)> {
        let mut offsets = [0u8; MOST];
        let (mut at, mut count) = (0usize, 0usize);
        while self.0[at] != 0 {
            *offsets.get_mut(count)? = u8::try_from(at).ok()?;
            count += 1;
            at += 1 + usize::from(self.0[at]);
        }
        Some((offsets, count))
    }

    fn label_at(&self, offset: u8) -> &[u8] {
        let at = usize::from(offset);
        &self.0[at + 1..at + 1 + usize::from(self.0[at])]
    }

    /// Compares from the right, when both have at most `MOST` labels.
    fn compare<const MOST: usize>(&self, other: &Self) -> Option<Ordering> {
        let (mine, my_count) = self.offsets::<MOST>()?;
        let (theirs, their_count) = other.offsets::<MOST>()?;
        for (&a, &b) in mine[..my_count].iter().rev().zip(theirs[..their_count].iter().rev()) {
            let (a, b) = (self.label_at(a), other.label_at(b));
            if a == b {
                continue; // nearly always, of the labels that are the zone's
            }
            match a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase)) {
                Ordering::Equal => {}
                unequal => return Some(unequal),
            }
        }
        Some(my_count.cmp(&their_count))
    }
}

/// Labels in wire format without the root's, and whether the text ended in an unescaped dot.
fn labels_from_text(text: &str) -> Result<(Vec<u8>, bool), NameError> {
    let mut wire = Vec::with_capacity(text.len() + 2);
    if text == "." {
        return Ok((wire, true));
    }
    let mut label = Vec::with_capacity(MAX_LABEL);
    let mut bytes = text.bytes();
    let mut ended = true;
    while let Some(byte) = bytes.next() {
        ended = byte == b'.';
        match byte {
            b'.' => push_label(&mut wire, &mut label)?,
            b'\\' => label.push(unescape(&mut bytes)?),
            other => label.push(other),
        }
    }
    if !ended || text.is_empty() {
        push_label(&mut wire, &mut label)?;
    }
    Ok((wire, ended))
}

fn push_label(wire: &mut Vec<u8>, label: &mut Vec<u8>) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    let Ok(length @ 1..=63) = u8::try_from(label.len()) else {
        return Err(NameError::LongLabel(label.len()));
    };
    wire.push(length);
    wire.append(label);
    Ok(())
}

/// What follows a backslash: any character, or three decimal digits (RFC 1035 section 5.1).
fn unescape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads presentation format; the trailing dot is optional, the name is absolute either way.
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse_relative(text, &Self::root())
    }
}

impl fmt::Display for Name {
    /// Presentation format with the trailing dot, escaped as the Go DNS library that Prometheus uses
    /// escapes (`\.`, `\032` is written `\ `), so that labels formed from it are equal to Prometheus'.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                        write!(f, "\\{}", char::from(byte))?;
                    }
                    0x21..=0x7e => write!(f, "{}", char::from(byte))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Length bytes are below b'A', so ignoring case cannot confuse them.
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut folded = [0; MAX_NAME];
        let folded = &mut folded[..self.0.len()];
        folded.copy_from_slice(&self.0);
        folded.make_ascii_lowercase();
        state.write(folded);
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        // Most names that are compared stand side by side below the same one.
        if let (Some(parent), Some(others)) = (self.strip_first(), other.strip_first())
            && parent == others
        {
            let (label, others_label) = (self.label_at(0), other.label_at(0));
            return label.iter().map(u8::to_ascii_lowercase).cmp(others_label.iter().map(u8::to_ascii_lowercase));
        }
        // Few names have more than 12 labels, and none more than 127.
        let short = self.compare::<12>(other);
        short.or_else(|| self.compare::<128>(other)).expect("a name has at most 127 labels")
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn case_is_kept_but_never_compared() {
        let mixed = name("_Case._TCP.Internal.local.");
        assert_eq!(mixed, name("_case._tcp.internal.LOCAL"));
        assert_eq!(mixed.to_string(), "_Case._TCP.Internal.local.");
        assert_eq!(mixed.cmp(&name("_case._tcp.internal.local")), Ordering::Equal);
    }

    #[test]
    fn within_respects_label_boundaries() {
        let zone = name("internal.local");
        assert!(name("a.INTERNAL.local").is_within(&zone));
        assert!(zone.is_within(&zone));
        assert!(!name("notinternal.local").is_within(&zone));
        assert!(!name("local").is_within(&zone));
        // A label whose content looks like a length byte and a name must not match.
        let tricky = Name::root().prepend(b"local").unwrap().prepend(b"x\x08internal").unwrap();
        assert!(!tricky.is_within(&zone));
    }

    #[test]
    fn canonical_order_of_rfc_4034_section_6_1() {
        let sorted = [
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
            r"\001.z.example.",
            "*.z.example.",
            r"\200.z.example.",
        ];
        for pair in sorted.windows(2) {
            assert!(name(pair[0]) < name(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn refuses_what_dns_refuses() {
        assert_eq!("a..b".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!("".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(".a".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!("x".repeat(64).parse::<Name>(), Err(NameError::LongLabel(64)));
        assert_eq!(r"a\".parse::<Name>(), Err(NameError::BadEscape));
        assert_eq!(r"a\256".parse::<Name>(), Err(NameError::BadEscape));
        let long = format!("{0}.{0}.{0}.{0}", "x".repeat(63));
        assert_eq!(long.parse::<Name>(), Err(NameError::LongName(257)));
    }

    #[test]
    fn escapes_as_the_go_library_does() {
        assert_eq!(Name::root().prepend(b"bad name").unwrap().to_string(), r"bad\ name.");
        assert_eq!(Name::root().prepend("ü".as_bytes()).unwrap().to_string(), r"\195\188.");
        assert_eq!(Name::root().prepend(b"a.b").unwrap().to_string(), r"a\.b.");
    }

    proptest::proptest! {
        #[test]
        fn presentation_round_trips(labels in proptest::collection::vec(proptest::collection::vec(0u8..=255, 1..20), 0..8)) {
            let mut built = Name::root();
            for label in &labels {
                built = built.prepend(label).unwrap();
            }
            let again: Name = built.to_string().parse().unwrap();
            proptest::prop_assert_eq!(again.as_wire(), built.as_wire());
            proptest::prop_assert_eq!(Name::from_wire(built.as_wire()).unwrap(), built);
        }

        #[test]
        fn any_text_is_a_name_or_an_error(text in ".{0,300}") {
            if let Ok(parsed) = text.parse::<Name>() {
                proptest::prop_assert!(parsed.len() <= MAX_NAME);
            }
        }

        #[test]
        fn order_agrees_with_equality(a in "[aAbB.]{1,6}", b in "[aAbB.]{1,6}") {
            if let (Ok(a), Ok(b)) = (a.parse::<Name>(), b.parse::<Name>()) {
                proptest::prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            }
        }
    }
}
