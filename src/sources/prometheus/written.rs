//! Values that nobody interprets here: the same ones are the same text.

use std::fmt::{self, Display};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Any value as one text, whatever the order of its keys. Not to be shown: there may be secrets in it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written(pub(super) String);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

fn scalar(value: impl Display) -> Written {
    Written(value.to_string())
}

impl<'de> Visitor<'de> for Any {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
        Ok(scalar(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
        Ok(scalar(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
        Ok(scalar(value))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Written, E> {
        Ok(scalar(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Written, E> {
        Ok(scalar(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
        Ok(scalar(value))
    }

    /// In quotes and escaped, unless a word could be no other value: `"30s"` and `30s` are the same.
    fn visit_str<E>(self, value: &str) -> Result<Written, E> {
        let is_word = value.chars().all(|letter| letter.is_alphanumeric() || "_-./".contains(letter));
        Ok(if is_word && !value.is_empty() { scalar(value) } else { scalar(format_args!("{value:?}")) })
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Written, E> {
        Ok(scalar(format_args!("{value:?}")))
    }

    fn visit_none<E>(self) -> Result<Written, E> {
        Ok(scalar("null"))
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(scalar("null"))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Written, D::Error> {
        Written::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Written, D::Error> {
        Written::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
        let mut all = Vec::new();
        while let Some(Written(value)) = list.next_element()? {
            all.push(value);
        }
        Ok(scalar(format_args!("[{}]", all.join(", "))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut all = Vec::new();
        while let Some((Written(key), Written(value))) = map.next_entry()? {
            all.push(format!("{key}: {value}"));
        }
        all.sort_unstable();
        Ok(scalar(format_args!("{{{}}}", all.join(", "))))
    }
}
