//! Any text as a key file: a key, or errors that do not show the secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::dns::{Sha1, TsigKey};

const SECRET: &str = "c2VjcmV0c2VjcmV0";

fuzz_target!(|text: &str| {
    // The secret may stand anywhere.
    let text = text.replace('$', SECRET);
    for sha1 in [Sha1::Refused, Sha1::Allowed] {
        match TsigKey::parse(&"fuzz.key".into(), &text, sha1) {
            Ok(key) => assert!(!key.secret().is_empty()),
            Err(errors) => {
                assert!(!errors.is_empty());
                for error in errors {
                    assert!(!format!("{error}{error:?}").contains(SECRET));
                }
            }
        }
    }
});
