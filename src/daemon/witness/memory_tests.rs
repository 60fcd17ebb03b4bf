use std::collections::VecDeque;

use super::*;
use crate::model::RecordType;

fn key(name: &str) -> RrsetKey {
    RrsetKey::new(name.parse().unwrap(), RecordType::TXT)
}

fn set(text: &str) -> Arc<Rrset> {
    Arc::new(Rrset::new(60, [Rdata::txt([text])]).unwrap())
}

fn waiting(changed: &[(&str, Option<&str>)], round: Vec<Item>) -> Waiting {
    let at = Instant::now();
    let changed = changed.iter().map(|(name, text)| (key(name), Changed { rrset: text.map(set), at })).collect();
    Waiting { changed, round: VecDeque::from(round), ..Waiting::default() }
}

/// The server says this at that name: one text, or nothing at all.
fn says(name: &str, text: Option<&str>, round: Option<&str>) -> Looked {
    let rdatas = text.into_iter().map(|text| Rdata::txt([text])).collect();
    let sight = Sight::Answer { rdatas, emptiness: None, authoritative: true, lasts: Some(60) };
    Looked { key: key(name), rrset: round.map(set), sight, at: Instant::now(), took: Duration::ZERO }
}

fn take(memory: &mut Memory, looked: Looked) -> State {
    memory.take(looked, Serials::default(), 100).state
}

fn counts(memory: &Memory, rrsets: usize) -> (usize, usize, usize) {
    let told = memory.told(rrsets);
    (told.in_sync, told.wrong, told.unknown)
}

#[tokio::test]
async fn only_what_was_seen_is_in_sync() {
    let mut memory = Memory::default();
    let round = vec![Item::Rrset(key("a"), set("a")), Item::Rrset(key("b"), set("b")), Item::End { skipped: 7 }];
    let batch = memory.batch(waiting(&[], round));
    assert_eq!(batch.len(), 2);
    take(&mut memory, says("a", Some("a"), Some("a")));
    take(&mut memory, says("b", Some("other"), Some("b")));
    assert_eq!(counts(&memory, 9), (1, 1, 0), "and nobody looked at the seven others");
    let nothing = Sight::Nothing("no answer".to_owned());
    take(&mut memory, Looked { sight: nothing, ..says("b", None, None) });
    assert_eq!(counts(&memory, 9), (1, 0, 1));
}

#[tokio::test]
async fn a_change_is_looked_at_until_it_shows_and_says_how_long_that_took() {
    let mut memory = Memory::default();
    memory.batch(waiting(&[], vec![Item::Rrset(key("a"), set("a")), Item::End { skipped: 0 }]));
    take(&mut memory, says("a", Some("a"), Some("a")));
    let batch = memory.batch(waiting(&[("a", Some("new")), ("gone", None)], Vec::new()));
    assert_eq!(batch, [(key("a"), None), (key("gone"), None)]);
    assert_eq!(take(&mut memory, says("a", Some("a"), None)), State::Wrong);
    assert_eq!(take(&mut memory, says("gone", Some("x"), None)), State::Wrong);
    assert_eq!(counts(&memory, 1), (0, 2, 0));
    assert!(memory.next_look().is_some());
    let seen = memory.take(says("a", Some("new"), None), Serials::default(), 100);
    assert!(seen.state == State::InSync && seen.propagation.is_some());
    take(&mut memory, says("gone", None, None));
    assert_eq!((counts(&memory, 1), memory.next_look()), ((1, 0, 0), None));
    assert!(memory.told(1).propagation_ms.is_some());
}

#[tokio::test]
async fn what_the_round_does_not_come_by_is_ours_no_more() {
    let mut memory = Memory::default();
    memory.batch(waiting(&[("a", Some("a")), ("b", Some("b")), ("gone", None)], Vec::new()));
    for name in ["a", "b", "gone"] {
        take(&mut memory, says(name, Some("other"), None));
    }
    memory.batch(waiting(&[], vec![Item::End { skipped: 0 }])); // they came after the round had begun
    assert_eq!(memory.told(2).wrong, 3);
    memory.batch(waiting(&[], vec![Item::Rrset(key("a"), set("a")), Item::End { skipped: 1 }]));
    assert_eq!(memory.told(2).wrong, 3, "the round has not come by everything");
    memory.batch(waiting(&[], vec![Item::Rrset(key("a"), set("a")), Item::End { skipped: 0 }]));
    let left: Vec<_> = memory.problems("s").into_iter().map(|problem| problem.name.to_string()).collect();
    assert_eq!(left, ["a.", "gone."]);
}

#[tokio::test]
async fn an_unexpected_answer_for_the_zone_asks_for_its_serial() {
    let mut memory = Memory::default();
    assert!(!memory.needs_serial(&[says("a", Some("a"), Some("a"))]));
    assert!(memory.needs_serial(&[says("a", Some("b"), Some("a"))]));
    memory.batch(waiting(&[("a", Some("new"))], Vec::new()));
    assert!(memory.needs_serial(&[says("a", Some("a"), None)]));
    assert!(!memory.needs_serial(&[says("a", Some("new"), None)]));
}
