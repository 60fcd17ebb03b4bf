use proptest::prelude::*;

use super::*;
use crate::model::Srv;

fn srv(port: u16) -> Rdata {
    Rdata::srv(&Srv { priority: 0, weight: 0, port, target: "a.internal.local".parse().unwrap() })
}

fn expected() -> Option<Rrset> {
    Rrset::new(60, [srv(80)])
}

fn answer(ports: &[u16], authoritative: bool, lasts: Option<u32>) -> Sight {
    let emptiness = ports.is_empty().then_some(Emptiness::NxDomain);
    Sight::Answer { rdatas: ports.iter().copied().map(srv).collect(), emptiness, authoritative, lasts }
}

fn serials(primary: u32, here: u32) -> Serials {
    Serials { primary: Some(primary), here: Some(here), some_lag: false }
}

#[test]
fn what_is_as_it_shall_be_is_in_sync_wherever_it_comes_from() {
    for sight in [answer(&[80], true, Some(60)), answer(&[80], false, Some(3)), answer(&[80], false, None)] {
        assert_eq!(Track::new(expected(), 10).take(&sight, Serials::default(), 20), State::InSync);
    }
    assert_eq!(Track::new(None, 10).take(&answer(&[], false, None), Serials::default(), 20), State::InSync);
}

#[test]
fn a_cache_is_stale_until_it_has_to_let_go_and_wrong_after_that() {
    let mut track = Track::new(expected(), 1_000);
    assert_eq!(track.take(&answer(&[81], false, Some(100)), Serials::default(), 1_001), State::Stale);
    assert_eq!((track.clears(), track.since()), (Some(1_101), 1_000));
    assert_eq!(
        track.reason(),
        "from a cache that lets go of it within 100 s; missing: 0 0 80 a.internal.local.; extra: 0 0 81 a.internal.local."
    );
    assert_eq!(track.take(&answer(&[81], false, Some(1)), Serials::default(), 1_100), State::Stale);
    assert_eq!(track.take(&answer(&[81], false, Some(60)), Serials::default(), 1_102), State::Wrong, "it asked again");
    assert!(track.reason().contains("whom does it ask?"), "{}", track.reason());
    assert_eq!(track.take(&answer(&[80], false, Some(60)), Serials::default(), 1_200), State::InSync);
    assert_eq!((track.since(), track.clears(), track.reason()), (1_200, None, ""));
}

#[test]
fn a_cache_that_asked_a_secondary_that_lags_is_explained() {
    let mut track = Track::new(expected(), 1_000);
    track.take(&answer(&[81], false, Some(10)), Serials::default(), 1_000);
    let lagging = Serials { some_lag: true, ..Serials::default() };
    assert_eq!(track.take(&answer(&[81], false, Some(60)), lagging, 1_200), State::Stale);
    assert!(track.reason().contains("maybe a secondary that is behind"), "{}", track.reason());
}

#[test]
fn caches_behind_one_address_have_one_ttl_after_the_change() {
    let mut track = Track::new(expected(), 1_000);
    assert_eq!(track.take(&answer(&[81], false, Some(1)), Serials::default(), 1_001), State::Stale);
    assert_eq!(track.take(&answer(&[81], false, Some(50)), Serials::default(), 1_005), State::Stale);
    assert_eq!(track.take(&answer(&[81], false, Some(60)), Serials::default(), 1_063), State::Wrong);
}

#[test]
fn a_negative_answer_is_explained_by_the_negative_ttl() {
    let mut track = Track::new(expected(), 1_000);
    assert_eq!(track.take(&answer(&[], false, Some(30)), Serials::default(), 1_000), State::Stale);
    assert!(
        track.reason().ends_with("the name does not exist: missing: 0 0 80 a.internal.local."),
        "{}",
        track.reason()
    );
}

#[test]
fn nothing_explains_an_answer_from_nowhere() {
    let mut track = Track::new(expected(), 0);
    assert_eq!(track.take(&answer(&[], false, None), Serials::default(), 9), State::Wrong);
    assert!(track.reason().contains("lame"), "{}", track.reason());
}

#[test]
fn a_secondary_is_stale_with_an_older_serial_and_wrong_with_the_same() {
    let mut track = Track::new(expected(), 0);
    assert_eq!(track.take(&answer(&[81], true, Some(60)), serials(7, 5), 9), State::Stale);
    assert!(track.reason().starts_with("it has serial 5, 2 behind the primary's 7; "), "{}", track.reason());
    assert_eq!(track.take(&answer(&[81], true, Some(60)), serials(7, 7), 9), State::Wrong);
    assert_eq!(track.take(&answer(&[81], true, Some(60)), serials(1, u32::MAX), 9), State::Stale, "RFC 1982");
    assert_eq!(track.take(&answer(&[81], true, Some(60)), Serials::default(), 9), State::Wrong);
}

#[test]
fn what_is_to_be_gone_is_still_there() {
    let mut track = Track::new(None, 5);
    assert_eq!(track.take(&answer(&[80, 81, 82, 83], true, Some(60)), serials(2, 2), 9), State::Wrong);
    assert!(
        track.reason().contains("still there: 0 0 80 a.internal.local., ") && track.reason().ends_with(" and 1 more")
    );
}

#[test]
fn no_answer_is_unknown_and_the_trouble_began_when_it_began() {
    let mut track = Track::new(expected(), 5);
    track.take(&answer(&[80], true, None), Serials::default(), 10);
    assert_eq!(track.take(&Sight::Nothing("no answer".to_owned()), Serials::default(), 20), State::Unknown);
    assert_eq!(track.take(&answer(&[81], true, None), Serials::default(), 30), State::Wrong);
    assert_eq!(track.since(), 20, "whoever looks for the service has missed it since then");
}

proptest! {
    #[test]
    fn a_cache_is_never_believed_for_ever(looks in proptest::collection::vec((1u64..300, 0u32..400), 1..60)) {
        let mut track = Track::new(expected(), 0);
        let (mut now, mut first) = (0, None);
        for (later, lasts) in looks {
            now += later;
            let state = track.take(&answer(&[81], false, Some(lasts)), Serials::default(), now);
            let end = *first.get_or_insert(now + u64::from(lasts)).max(&mut 60);
            prop_assert_eq!(state, if now + u64::from(lasts) <= end + SLACK { State::Stale } else { State::Wrong });
            prop_assert!(track.since() == 0);
        }
    }
}
