use proptest::prelude::*;

use super::*;
use crate::model::Srv;

fn srv(port: u16) -> Rdata {
    Rdata::srv(&Srv { priority: 0, weight: 0, port, target: "a.internal.local".parse().unwrap() })
}

/// Exactly one record since `changed`, and caches that may keep what was there before for a minute.
fn track(changed: u64) -> Track {
    Track::new(Expectation::Exactly(Rrset::new(60, [srv(80)]).unwrap()), 60, changed)
}

/// These are gone since then.
fn gone(changed: u64) -> Track {
    Track::new(Expectation::NoneOf(Rrset::new(60, [80, 81, 82, 83].map(srv)).unwrap()), 60, changed)
}

fn answer(ports: &[u16], authoritative: bool, lasts: Option<u32>) -> Sight {
    let emptiness = ports.is_empty().then_some(Emptiness::NxDomain);
    Sight::Answer { rdatas: ports.iter().copied().map(srv).collect(), emptiness, authoritative, lasts }
}

fn serials(primary: u32, here: u32) -> Serials {
    Serials { primary: Some(primary), here: Some(here), last_lag: None }
}

#[test]
fn what_is_as_it_shall_be_is_in_sync_wherever_it_comes_from() {
    for sight in [answer(&[80], true, Some(60)), answer(&[80], false, Some(3)), answer(&[80], false, None)] {
        assert_eq!(track(10).take(&sight, Serials::default(), 20), State::InSync);
    }
    assert_eq!(gone(10).take(&answer(&[], false, None), Serials::default(), 20), State::InSync);
    assert_eq!(gone(10).take(&answer(&[99], true, None), Serials::default(), 20), State::InSync, "somebody else's");
}

#[test]
fn a_cache_is_stale_until_it_has_to_let_go_and_wrong_after_that() {
    let mut track = track(1_000);
    assert_eq!(track.take(&answer(&[81], false, Some(60)), Serials::default(), 1_001), State::Stale);
    assert_eq!((track.clears(), track.since()), (Some(1_061), 1_000));
    assert_eq!(
        track.reason(),
        "from a cache that lets go of it within 60 s; missing: 0 0 80 a.internal.local.; extra: 0 0 81 a.internal.local."
    );
    assert_eq!(track.take(&answer(&[81], false, Some(1)), Serials::default(), 1_060), State::Stale);
    assert_eq!(track.take(&answer(&[81], false, Some(60)), Serials::default(), 1_070), State::Wrong, "it asked again");
    assert!(track.reason().contains("whom does it ask?"), "{}", track.reason());
    assert_eq!(track.since(), 1_000);
    assert_eq!(track.take(&answer(&[80], false, Some(60)), Serials::default(), 1_200), State::InSync);
    assert_eq!((track.since(), track.clears(), track.reason()), (1_200, None, ""));
}

#[test]
fn a_cache_that_asked_a_secondary_that_lagged_is_explained_for_one_ttl_more() {
    let mut track = track(1_000);
    let lagged = Serials { last_lag: Some(1_190), ..Serials::default() };
    assert_eq!(track.take(&answer(&[81], false, Some(60)), lagged, 1_191), State::Stale);
    assert_eq!(track.take(&answer(&[81], false, Some(2)), lagged, 1_249), State::Stale, "it has caught up since");
    assert_eq!(track.take(&answer(&[81], false, Some(60)), lagged, 1_251), State::Wrong);
}

#[test]
fn caches_behind_one_address_have_one_ttl_after_the_change() {
    for mut track in [track(1_000), gone(1_000)] {
        assert_eq!(track.take(&answer(&[81], false, Some(1)), Serials::default(), 1_001), State::Stale);
        assert_eq!(track.take(&answer(&[81], false, Some(50)), Serials::default(), 1_005), State::Stale);
        assert_eq!(track.take(&answer(&[81], false, Some(60)), Serials::default(), 1_063), State::Wrong);
    }
}

#[test]
fn a_negative_answer_is_explained_by_the_negative_ttl() {
    let mut track = track(1_000);
    assert_eq!(track.take(&answer(&[], false, Some(30)), Serials::default(), 1_000), State::Stale);
    assert!(
        track.reason().ends_with("the name does not exist: missing: 0 0 80 a.internal.local."),
        "{}",
        track.reason()
    );
}

#[test]
fn nothing_explains_an_answer_from_nowhere() {
    let mut track = track(0);
    assert_eq!(track.take(&answer(&[], false, None), Serials::default(), 9), State::Wrong);
    assert!(track.reason().contains("lame"), "{}", track.reason());
}

#[test]
fn a_secondary_is_stale_with_an_older_serial_and_wrong_with_the_same() {
    let mut track = track(0);
    assert_eq!(track.take(&answer(&[81], true, Some(60)), serials(7, 5), 9), State::Stale);
    assert!(track.reason().starts_with("it has serial 5, 2 behind the primary's 7; "), "{}", track.reason());
    assert_eq!(track.take(&answer(&[81], true, Some(60)), serials(7, 7), 9), State::Wrong);
    assert_eq!(track.take(&answer(&[81], true, Some(60)), serials(1, u32::MAX), 9), State::Stale, "RFC 1982");
    assert_eq!(track.take(&answer(&[81], true, Some(60)), Serials::default(), 9), State::Wrong);
    assert!(serials(7, 8).is_ahead() && !serials(7, 7).is_ahead() && !serials(7, 6).is_ahead());
}

#[test]
fn what_is_to_be_gone_is_still_there() {
    let mut track = gone(5);
    assert_eq!(track.take(&answer(&[80, 81, 82, 83, 99], true, Some(60)), serials(2, 2), 9), State::Wrong);
    assert!(
        track.reason().contains("still there: 0 0 80 a.internal.local., ") && track.reason().ends_with(" and 1 more")
    );
    assert!(track.is_gone() && !track.is_over(80) && track.is_over(81));
}

#[test]
fn no_answer_is_unknown_and_the_trouble_began_when_it_began() {
    let mut track = track(5);
    track.take(&answer(&[80], true, None), Serials::default(), 10);
    assert_eq!(track.take(&Sight::Nothing("no answer".to_owned()), Serials::default(), 20), State::Unknown);
    assert_eq!(track.take(&answer(&[81], true, None), Serials::default(), 30), State::Wrong);
    assert_eq!(track.since(), 20, "whoever looks for the service has missed it since then");
}

proptest! {
    #[test]
    fn a_cache_is_never_believed_for_ever(looks in proptest::collection::vec((1u64..300, 0u32..400, proptest::option::of(0u64..300)), 1..60)) {
        let (mut track, mut now, mut lag) = (track(0), 0, 0);
        for (later, lasts, lagged) in looks {
            now += later;
            lag = lagged.map_or(lag, |ago| lag.max(now.saturating_sub(ago)));
            let serials = Serials { last_lag: Some(lag), ..Serials::default() };
            let state = track.take(&answer(&[81], false, Some(lasts)), serials, now);
            let is_explained = now + u64::from(lasts) <= lag + 60 + SLACK;
            prop_assert_eq!(state, if is_explained { State::Stale } else { State::Wrong });
            prop_assert!(track.since() == 0 && track.clears().is_some() == is_explained);
        }
    }
}
