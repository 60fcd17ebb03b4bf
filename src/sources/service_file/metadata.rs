//! Service metadata: `key=value` pairs that become the strings of one TXT record.

use std::collections::BTreeMap;

use crate::model::MAX_STRING;

use crate::sources::toml_fields::Fields;

/// Longest TXT data that is published, bytes: "a general-purpose upper limit" of RFC 6763 section 6.2.
const MAX_TXT: usize = 8_900;

/// Reads `metadata = { team = "devops" }`.
///
/// # Standards
/// RFC 6763 section 6.4: keys are printable ASCII without `=`, at least one character, and differ by more than
/// case. Section 6.1: a pair is one character-string, so what passes 255 bytes cannot be split and is refused.
/// The advice of at most nine characters per key is not enforced.
pub(super) fn read(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    let Some(words) = fields.words("metadata") else {
        return metadata;
    };
    let span = words.span();
    let mut spellings: BTreeMap<String, String> = BTreeMap::new();
    let mut size = 0;
    for (key, value) in words.into_inner() {
        let name = key.get_ref();
        if let Err(reason) = check_key(name) {
            fields.report(key.span(), reason);
            continue;
        }
        if let Some(first) = spellings.insert(name.to_ascii_lowercase(), name.clone()) {
            let message = format!("`{name}` and `{first}` are the same key: DNS-SD ignores case in keys");
            fields.report_with_help(key.span(), message, "remove one of the two");
            continue;
        }
        let length = name.len() + 1 + value.get_ref().len();
        if length > MAX_STRING {
            let message = format!("`{name}=…` takes {length} bytes; a TXT string holds {MAX_STRING}");
            fields.report_with_help(value.span(), message, "shorten the value: a pair cannot be split (RFC 6763)");
        }
        size += 1 + length;
        metadata.insert(key.into_inner(), value.into_inner());
    }
    if size > MAX_TXT {
        let message = format!("the metadata takes {size} bytes as TXT; {MAX_TXT} is the limit (RFC 6763)");
        fields.report_with_help(span, message, "keep in DNS what finds targets, and the rest elsewhere");
    }
    metadata
}

fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("a metadata key needs at least one character".to_owned());
    }
    if !key.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'=') {
        return Err(format!("metadata key `{key}` must be printable ASCII without `=` (RFC 6763)"));
    }
    Ok(())
}
