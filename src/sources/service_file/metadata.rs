//! Service metadata: `key=value` pairs that become the strings of one TXT record.

use std::collections::BTreeMap;

use crate::model::rules;
use crate::sources::toml_fields::Fields;

/// Reads `metadata = { team = "devops" }`.
///
/// # Standards
/// See [`rules::metadata_key`] and its neighbours.
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
        if let Err(refusal) = rules::metadata_key(name) {
            fields.refuse(key.span(), refusal);
            continue;
        }
        if let Some(first) = spellings.insert(name.to_ascii_lowercase(), name.clone()) {
            let message = format!("`{name}` and `{first}` are the same key: DNS-SD ignores case in keys");
            fields.report_with_help(key.span(), message, "remove one of the two");
            continue;
        }
        if let Err(refusal) = rules::metadata_pair(name, value.get_ref()) {
            fields.refuse(value.span(), refusal);
        }
        size += rules::txt_len(name, value.get_ref());
        metadata.insert(key.into_inner(), value.into_inner());
    }
    if let Err(refusal) = rules::metadata_size(size) {
        fields.refuse(span, refusal);
    }
    metadata
}
