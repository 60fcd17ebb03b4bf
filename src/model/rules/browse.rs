//! What instances and subtypes may be called (RFC 6763 sections 4.1.1 and 7.1).

use icu_normalizer::ComposingNormalizerBorrowed;

use super::Refusal;
use crate::model::browse::SUBTYPE_LABEL;
use crate::model::{MARKER_LABEL, MAX_LABEL};

/// The name of an instance: one label of 1 to 63 bytes of Net-Unicode (RFC 5198), that is NFC without control
/// characters. It is meant for people: spaces and dots are part of it.
///
/// # Errors
/// When it could not be published, or would be taken for something else.
pub fn instance_name(name: &str) -> Result<String, Refusal> {
    if name.is_empty() {
        return Err(Refusal::with_help("the instance name is empty", "remove it: the host's name is taken then"));
    }
    if name.len() > MAX_LABEL {
        let message = format!("instance name `{name}` takes {} bytes in UTF-8; DNS has room for 63", name.len());
        return Err(Refusal::from(message));
    }
    if name.chars().any(char::is_control) {
        let message = format!("instance name {name:?} has a control character (RFC 6763)");
        return Err(Refusal::from(message));
    }
    if name.starts_with('_') {
        let message = format!("instance name `{name}` begins with an underscore, as services and markers do");
        return Err(Refusal::with_help(message, "begin it with something else"));
    }
    if name.trim() != name {
        let message = format!("instance name `{name}` begins or ends with a space, which nobody sees");
        return Err(Refusal::with_help(message, format!("write `{}`", name.trim())));
    }
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    if !nfc.is_normalized(name) {
        let message = format!(
            "instance name `{name}` is not in Unicode's composed form (NFC), and who types it would not find it"
        );
        return Err(Refusal::with_help(message, format!("write `{}`", nfc.normalize(name))));
    }
    Ok(name.to_owned())
}

/// A subtype, without its underscore. RFC 6763 allows any label; letters, digits, hyphens and underscores are what is in
/// use, and need no escapes.
///
/// # Errors
/// When it could not be published.
pub fn subtype(text: &str) -> Result<String, Refusal> {
    if let Some(bare) = text.strip_prefix('_') {
        let message = format!("subtype `{text}` starts with an underscore, which is added for you");
        return Err(Refusal::with_help(message, format!("write `{bare}`")));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(Refusal::from(format!("subtype `{text}` must have letters, digits, hyphens or underscores only")));
    }
    if [MARKER_LABEL, SUBTYPE_LABEL].iter().any(|label| label[1..].eq_ignore_ascii_case(text)) {
        let message = format!("subtype `{text}`: `_{text}` has a meaning of its own in the names of the zone");
        return Err(Refusal::with_help(message, "call it something else"));
    }
    if text.len() >= MAX_LABEL {
        return Err(Refusal::from(format!("subtype `{text}` has {} characters; DNS has room for 62", text.len())));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_name_is_what_people_read() {
        for good in ["Jenkins on centos9-vm", "a.b", "Büro, 3. Stock; \"alt\"", r"back\slash", "日本", &"x".repeat(63)]
        {
            assert_eq!(instance_name(good).unwrap(), good);
        }
        for (bad, why) in [
            ("", "empty"),
            (&*"x".repeat(64), "takes 64 bytes"),
            (&*"ü".repeat(32), "takes 64 bytes"),
            ("a\nb", "control character"),
            ("a\u{7f}", "control character"),
            ("_srvctl", "underscore"),
            (" a", "space"),
            ("Bu\u{308}ro", "write `Büro`"),
        ] {
            let refusal = instance_name(bad).unwrap_err();
            let said = format!("{} {}", refusal.message, refusal.help.unwrap_or_default());
            assert!(said.contains(why), "{bad:?}: {said}");
        }
    }

    #[test]
    fn a_subtype_is_a_plain_word() {
        assert_eq!(subtype("ci").unwrap(), "ci");
        for bad in ["", "_ci", "a b", "a.b", "ü", &"x".repeat(63), "sub", "Sub", "srvctl", "SRVCTL"] {
            assert!(subtype(bad).is_err(), "{bad}");
        }
    }
}
