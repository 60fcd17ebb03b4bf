use super::*;
use crate::model::{Rdata, RecordType};

const WALL: u64 = 1_000;

fn key(name: &str) -> RrsetKey {
    RrsetKey::new(name.parse().unwrap(), RecordType::TXT)
}

fn set(text: &str) -> Arc<Rrset> {
    Arc::new(Rrset::new(60, [Rdata::txt([text])]).unwrap())
}

fn item(name: &str) -> Item {
    Item::Rrset(key(name), set(name))
}

fn here(name: &str, text: &str) -> (RrsetKey, Changed) {
    (key(name), Changed { after: After::Here(set(text)), ttl: 60, at: Instant::now() })
}

fn gone(name: &str, text: &str) -> (RrsetKey, Changed) {
    (key(name), Changed { after: After::Gone(set(text)), ttl: 60, at: Instant::now() })
}

fn changes(changed: impl IntoIterator<Item = (RrsetKey, Changed)>) -> Waiting {
    Waiting { changed: changed.into_iter().collect(), ..Waiting::default() }
}

fn round(items: impl IntoIterator<Item = Item>) -> Waiting {
    Waiting { round: items.into_iter().collect(), ..Waiting::default() }
}

fn look(memory: &mut Memory, name: &str) -> Look {
    let mut looks = memory.looks(usize::MAX);
    let at = looks.iter().position(|look| look.key == key(name)).unwrap_or_else(|| panic!("{name} in {looks:?}"));
    let chosen = looks.swap_remove(at);
    // The others wait again.
    for other in looks {
        match other.rrset {
            Some(rrset) => memory.round.push((other.key, rrset)),
            None => {
                let case = memory.cases.remove(&other.key).unwrap();
                memory.put(other.key, Case { next: Some(Instant::now()), ..case });
            }
        }
    }
    chosen
}

fn at(wall: u64, memory: &mut Memory, look: Look, sight: Sight) -> Taken {
    let looked = Looked { look, sight, at: Instant::now(), took: Duration::ZERO };
    memory.take(looked, Serials::default(), false, wall)
}

fn says(text: Option<&str>) -> Sight {
    let rdatas = text.into_iter().map(|text| Rdata::txt([text])).collect();
    Sight::Answer { rdatas, emptiness: None, authoritative: true, lasts: Some(60) }
}

/// Looks a name up, at which the server has one text, or nothing at all.
fn see(memory: &mut Memory, name: &str, text: Option<&str>) -> Option<State> {
    let look = look(memory, name);
    at(WALL, memory, look, says(text)).state
}

/// Waits until something is due again.
async fn rest() {
    tokio::time::sleep(LONGEST_WAIT).await;
}

fn counts(memory: &Memory, rrsets: usize) -> (usize, usize, usize) {
    let told = memory.told(rrsets);
    (told.in_sync, told.wrong, told.unknown)
}

#[tokio::test(start_paused = true)]
async fn only_what_was_seen_is_in_sync() {
    let mut memory = Memory::default();
    memory.hear(round([item("a"), item("b"), Item::End { skipped: 7 }]), WALL);
    see(&mut memory, "a", Some("a"));
    see(&mut memory, "b", Some("other"));
    assert_eq!(counts(&memory, 9), (1, 1, 0), "and nobody looked at the seven others");
    assert_eq!(memory.last_round, None);
    rest().await;
    let again = look(&mut memory, "b");
    at(WALL, &mut memory, again, Sight::Nothing("no answer".to_owned()));
    assert_eq!(counts(&memory, 9), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_looked_at_until_it_shows_and_says_how_long_that_took() {
    let mut memory = Memory::default();
    memory.hear(round([item("a"), Item::End { skipped: 0 }]), WALL);
    see(&mut memory, "a", Some("a"));
    memory.hear(changes([here("a", "new"), gone("gone", "x")]), WALL);
    assert_eq!(see(&mut memory, "a", Some("a")), Some(State::Wrong));
    assert_eq!(see(&mut memory, "gone", Some("x")), Some(State::Wrong));
    assert_eq!(counts(&memory, 1), (0, 2, 0));
    rest().await;
    let again = look(&mut memory, "a");
    let seen = at(WALL, &mut memory, again, says(Some("new")));
    assert_eq!((seen.state, seen.propagation), (Some(State::InSync), Some(LONGEST_WAIT)));
    assert_eq!(see(&mut memory, "gone", Some("somebody else's")), Some(State::InSync));
    assert_eq!((counts(&memory, 1), memory.next_look()), ((1, 0, 0), None));
    assert_eq!(memory.told(1).propagation_ms, Some(10_000));
}

#[tokio::test(start_paused = true)]
async fn what_the_round_does_not_come_by_is_ours_no_more() {
    let mut memory = Memory::default();
    memory.hear(changes([here("a", "a"), here("b", "b"), gone("gone", "x")]), WALL);
    for (name, text) in [("a", "other"), ("b", "other"), ("gone", "x")] {
        see(&mut memory, name, Some(text));
    }
    memory.hear(round([Item::End { skipped: 0 }]), WALL); // they came after the round had begun
    assert_eq!(memory.told(2).wrong, 3);
    memory.hear(round([item("a"), Item::End { skipped: 1 }]), WALL);
    assert_eq!(memory.told(2).wrong, 3, "the round has not come by everything");
    memory.hear(round([item("a"), Item::End { skipped: 0 }]), WALL);
    let left = |memory: &Memory| -> Vec<_> {
        memory.problems("s").into_iter().map(|problem| problem.name.to_string()).collect()
    };
    assert_eq!(left(&memory), ["a.", "gone."]);
    let let_go = (key("a"), Changed { after: After::LetGo, ttl: 0, at: Instant::now() });
    memory.hear(changes([let_go]), WALL);
    assert_eq!(left(&memory), ["gone."]);
    memory.hear(round([Item::End { skipped: 0 }]), WALL + GONE_FOR + 1);
    assert_eq!((left(&memory).len(), memory.queue.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn of_a_dead_server_nobody_keeps_asking_about_what_went() {
    let mut memory = Memory::default();
    memory.hear(changes([gone("a", "a")]), WALL);
    for wall in [WALL, WALL + 76] {
        let look = look(&mut memory, "a");
        at(wall, &mut memory, look, Sight::Nothing("no answer".to_owned()));
        rest().await;
    }
    assert_eq!((memory.cases.len(), memory.queue.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_may_come_of_a_race_is_looked_at_again_before_it_is_believed() {
    let mut memory = Memory::default();
    memory.hear(changes([here("a", "new")]), WALL);
    let mut doubts = 0;
    loop {
        let look = look(&mut memory, "a");
        let looked = Looked { look, sight: says(Some("old")), at: Instant::now(), took: Duration::ZERO };
        if memory.take(looked, Serials::default(), true, WALL).state.is_some() {
            break;
        }
        doubts += 1;
        rest().await;
    }
    assert_eq!((doubts, memory.told(1).wrong), (DOUBTS, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_for_long_is_logged_once_and_so_is_its_end() {
    let mut memory = Memory::default();
    memory.hear(changes([here("a", "new")]), WALL);
    let mut logged = Vec::new();
    for wall in [WALL, WALL + 29, WALL + 30, WALL + 60] {
        let look = look(&mut memory, "a");
        logged.push(at(wall, &mut memory, look, says(Some("old"))).is_late.is_some());
        rest().await;
    }
    assert_eq!(logged, [false, false, true, false]);
    let last = look(&mut memory, "a");
    assert!(at(WALL + 70, &mut memory, last, says(Some("new"))).is_mended);
}

#[tokio::test(start_paused = true)]
async fn the_round_and_what_changed_take_turns() {
    let mut memory = Memory::default();
    memory.hear(round(["r1", "r2", "r3"].map(item)), WALL);
    memory.hear(changes(["c1", "c2", "c3", "c4"].map(|name| here(name, name))), WALL);
    let kinds: Vec<_> = memory.looks(6).into_iter().map(|look| look.rrset.is_some()).collect();
    assert_eq!(kinds, [false, true, false, true, false, true]);
    assert_eq!((memory.looks(6).len(), memory.looks(6).len()), (1, 0), "nothing twice");
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_answer_for_the_zone_asks_for_its_serial() {
    let mut memory = Memory::default();
    let looked = |rrset: Option<&str>, text| Looked {
        look: Look { key: key("a"), rrset: rrset.map(set) },
        sight: says(Some(text)),
        at: Instant::now(),
        took: Duration::ZERO,
    };
    assert!(!memory.needs_serial(&looked(Some("a"), "a")));
    assert!(memory.needs_serial(&looked(Some("a"), "b")));
    memory.hear(changes([here("a", "new")]), WALL);
    assert!(memory.needs_serial(&looked(None, "a")));
    assert!(!memory.needs_serial(&looked(None, "new")));
}
