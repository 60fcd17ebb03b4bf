//! What a text looks like inside a URI (RFC 3986).

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text as one segment of a path, or one part of a query.
pub fn percent_encoded(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, RESERVED)
}
