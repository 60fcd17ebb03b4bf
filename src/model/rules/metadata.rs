//! Metadata: `key=value` pairs that become the strings of one TXT record (RFC 6763 section 6).

use std::collections::BTreeMap;

use super::Refusal;
use crate::model::MAX_STRING;

/// Longest TXT data that is published, bytes: "a general-purpose upper limit" of RFC 6763 section 6.2.
const MAX_TXT: usize = 8_900;

/// Whether a key can be published: printable ASCII without `=`, at least one character (RFC 6763 section 6.4). The advice
/// of at most nine characters is not enforced.
///
/// # Errors
/// When it cannot.
pub fn metadata_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() {
        return Err(Refusal::from("a metadata key needs at least one character".to_owned()));
    }
    if !key.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'=') {
        return Err(Refusal::from(format!("metadata key `{key}` must be printable ASCII without `=` (RFC 6763)")));
    }
    Ok(())
}

/// Whether a pair fits: it is one character-string, so what passes 255 bytes cannot be split (RFC 6763 section 6.1).
///
/// # Errors
/// When it does not.
pub fn metadata_pair(key: &str, value: &str) -> Result<(), Refusal> {
    let length = key.len() + 1 + value.len();
    if length > MAX_STRING {
        let message = format!("`{key}=…` takes {length} bytes; a TXT string holds {MAX_STRING}");
        return Err(Refusal::with_help(message, "shorten the value: a pair cannot be split (RFC 6763)"));
    }
    Ok(())
}

/// Bytes that a pair takes in TXT data, with its length byte.
pub fn txt_len(key: &str, value: &str) -> usize {
    1 + key.len() + 1 + value.len()
}

/// Whether pairs that together take so many bytes fit into one TXT record.
///
/// # Errors
/// When they do not.
pub fn metadata_size(bytes: usize) -> Result<(), Refusal> {
    if bytes > MAX_TXT {
        let message = format!("the metadata takes {bytes} bytes as TXT; {MAX_TXT} is the limit (RFC 6763)");
        return Err(Refusal::with_help(message, "keep in DNS what finds targets, and the rest elsewhere"));
    }
    Ok(())
}

/// All of the rules on what comes without a place in a text. Keys differ by more than case.
///
/// # Errors
/// The first rule that is broken.
pub fn metadata(pairs: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let mut spellings = BTreeMap::new();
    let mut size = 0;
    for (key, value) in pairs {
        metadata_key(key)?;
        metadata_pair(key, value)?;
        if let Some(first) = spellings.insert(key.to_ascii_lowercase(), key) {
            let message = format!("`{key}` and `{first}` are the same key: DNS-SD ignores case in keys");
            return Err(Refusal::with_help(message, "remove one of the two"));
        }
        size += txt_len(key, value);
    }
    metadata_size(size)
}
