//! Values of arguments, from how people write them.

use crate::model::health::Verdict;
use crate::model::{Shards, rules};
use crate::sources::parse_duration;

/// Longest wait for DNS that a daemon grants, seconds.
const MAX_WAIT: u32 = 300;

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub u32);

/// What a TTL is set to: seconds, or nothing for the zone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(pub Option<u32>);

fn whole_seconds(text: &str) -> Result<u32, String> {
    let time = parse_duration(text)?;
    if time.subsec_nanos() != 0 {
        return Err(format!("`{text}` is not a whole number of seconds"));
    }
    u32::try_from(time.as_secs()).map_err(|_| format!("`{text}` is too long"))
}

/// How long something is registered. What is too short or too long, the daemon says.
pub(super) fn lease(text: &str) -> Result<Seconds, String> {
    whole_seconds(text).map(Seconds)
}

/// How long to wait for DNS.
pub(super) fn wait(text: &str) -> Result<Seconds, String> {
    match whole_seconds(text)? {
        seconds @ 0..=MAX_WAIT => Ok(Seconds(seconds)),
        _ => Err(format!("nobody waits longer than {MAX_WAIT} s")),
    }
}

/// How an instance says it is.
pub(super) fn verdict(text: &str) -> Result<Verdict, String> {
    match text.parse()? {
        Verdict::Unknown => Err("an instance that does not know how it is says nothing".to_owned()),
        verdict => Ok(verdict),
    }
}

/// `key=value`; the value may have more of them.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: write it as key=value"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A number of seconds, or `zone`.
pub(super) fn ttl(text: &str) -> Result<Ttl, String> {
    if text == "zone" {
        return Ok(Ttl(None));
    }
    text.parse().map(|seconds| Ttl(Some(seconds))).map_err(|_| format!("`{text}` is neither seconds nor `zone`"))
}

/// A number, `auto` or `off`.
pub(super) fn shards(text: &str) -> Result<Shards, String> {
    if text == "off" {
        return Ok(Shards::Off);
    }
    rules::shards(text).map_err(|_| format!("`{text}` is no number from 1 to 128, nor `auto` or `off`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_split_at_the_first_sign() {
        let pair = |text| super::pair(text).map(|(key, value)| format!("{key}|{value}"));
        assert_eq!(pair("team=devops"), Ok("team|devops".to_owned()));
        assert_eq!(pair("query=a=b"), Ok("query|a=b".to_owned()));
        assert_eq!(pair("empty="), Ok("empty|".to_owned()));
        assert!(pair("team").unwrap_err().contains("key=value"));
    }

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(lease("10m"), Ok(Seconds(600)));
        assert_eq!(wait("5m"), Ok(Seconds(300)));
        for wrong in ["500ms", "1s500ms", "10", "0s", "99999d"] {
            assert!(lease(wrong).is_err(), "{wrong}");
        }
        assert!(wait("301s").unwrap_err().contains("300 s"));
    }

    #[test]
    fn who_speaks_knows_what_to_say() {
        assert_eq!(verdict("warning"), Ok(Verdict::Warning));
        assert!(verdict("unknown").unwrap_err().contains("says nothing"));
        assert!(verdict("ok").unwrap_err().contains("passing, warning, failing"));
    }

    #[test]
    fn settings_can_be_taken_back() {
        assert_eq!((ttl("60"), ttl("zone")), (Ok(Ttl(Some(60))), Ok(Ttl(None))));
        assert_eq!((shards("off"), shards("auto")), (Ok(Shards::Off), Ok(Shards::Auto)));
        assert_eq!(shards("4"), Ok(Shards::Fixed(4)));
        for wrong in ["0", "129", "many", ""] {
            assert!(shards(wrong).is_err() && ttl(&format!("{wrong}x")).is_err(), "{wrong}");
        }
    }
}
