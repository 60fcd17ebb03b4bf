use rusqlite::Connection;

use super::*;
use crate::model::ServiceKey;
use crate::model::health::{Condition, Maintained, Maintenance, Publication, RememberedHealth, Transition};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn remembered(instance: &str, condition: Condition, publication: Publication) -> RememberedHealth {
    RememberedHealth {
        service: name("_Web._tcp.internal.local"),
        instance: instance.parse().unwrap(),
        condition,
        since: Some(1_700_000_000_123),
        reason: "tcp: connection refused, 3 times in a row".to_owned(),
        changes: vec![1_699_999_999_000, 1_700_000_000_123],
        damped: true,
        publication,
    }
}

fn transition(service: &str, at: u64) -> Transition {
    Transition {
        at,
        service: name(service),
        instance: "a.internal.local:80".parse().unwrap(),
        from: Condition::Passing,
        to: Condition::Failing,
        reason: "http: status 503 \"ü\"".to_owned(),
        latency_ms: Some(12),
    }
}

fn maintenance(until: u64) -> Maintenance {
    Maintenance { until, why: "new kernel".to_owned(), by: "root".to_owned() }
}

fn filter(limit: usize) -> Filter {
    Filter { limit, ..Filter::default() }
}

#[test]
fn health_is_remembered_until_it_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, contents) = Store::open(directory.path()).unwrap();
    assert_eq!(contents.health, HealthContents::default());
    let (host, service) = (Maintained::Host(name("a.internal.local")), Maintained::Service(name("_db._tcp.x.y")));
    let first = HealthBatch {
        remembered: vec![
            remembered("a.internal.local:80", Condition::Failing, Publication::HeldByFloor),
            remembered("b.internal.local:80", Condition::Passing, Publication::Published),
        ],
        maintenance: vec![(host.clone(), Some(maintenance(5))), (service.clone(), Some(maintenance(6)))],
        ..HealthBatch::default()
    };
    store.commit_health(std::slice::from_ref(&first)).unwrap();
    let read_again = read(directory.path()).unwrap().unwrap().health;
    assert_eq!(read_again.remembered, first.remembered);
    assert_eq!(read_again.maintenance, [(host.clone(), maintenance(5)), (service.clone(), maintenance(6))].into());

    // The same names in other letters; in one commit what comes later counts.
    let withdrawn = RememberedHealth {
        service: name("_web._TCP.internal.LOCAL"),
        ..remembered("a.internal.local:80", Condition::Failing, Publication::Withdrawn)
    };
    let forget = HealthBatch {
        forgotten: ["a", "b"]
            .map(|host| (name("_WEB._tcp.internal.local"), format!("{host}.internal.local:80").parse().unwrap()))
            .into(),
        maintenance: vec![(Maintained::Host(name("A.internal.local")), None), (service.clone(), Some(maintenance(9)))],
        ..HealthBatch::default()
    };
    let again = HealthBatch { remembered: vec![withdrawn.clone()], ..HealthBatch::default() };
    store.commit_health(&[forget, again]).unwrap();
    drop(store);
    let (_, contents) = Store::open(directory.path()).unwrap();
    assert_eq!(contents.health.remembered, [withdrawn]);
    assert_eq!(contents.health.maintenance, [(service, maintenance(9))].into());
}

#[test]
fn the_history_of_health_tells_the_newest_first_and_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(transitions(directory.path(), &filter(5)).unwrap(), [], "there is no database yet");
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let (web, db) = ("_Web._tcp.internal.local", "_db._tcp.internal.local");
    let written = [transition(web, 1), transition(db, 2), transition(web, 3)];
    store.commit_health(&[HealthBatch { transitions: written.to_vec(), ..HealthBatch::default() }]).unwrap();
    let all = transitions(directory.path(), &filter(10)).unwrap();
    let newest_first: Vec<_> = written.iter().rev().cloned().collect();
    assert_eq!(all.iter().map(|(_, transition)| transition.clone()).collect::<Vec<_>>(), newest_first);
    let service = ServiceKey { name: "WEB".into(), proto: "tcp".into(), zone: name("internal.local") };
    let of_web = Filter { service: Some(service), before: None, limit: 1 };
    let page = transitions(directory.path(), &of_web).unwrap();
    assert_eq!(page, all[..1]);
    let next = Filter { before: Some(page[0].0), ..of_web };
    assert_eq!(transitions(directory.path(), &next).unwrap(), all[2..]);
}

#[test]
fn the_history_of_health_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let written = (0..103_000).map(|at| transition("_web._tcp.internal.local", at)).collect();
    store.commit_health(&[HealthBatch { transitions: written, ..HealthBatch::default() }]).unwrap();
    let kept = transitions(directory.path(), &filter(usize::MAX)).unwrap();
    assert_eq!((kept.len(), kept[0].1.at, kept[99_999].1.at), (100_000, 102_999, 3_000));
}

/// As the version before made it.
fn of_version_1(directory: &Path) {
    let connection = Connection::open(directory.join(FILE)).unwrap();
    connection.execute_batch(&schema::first()).unwrap();
    connection
        .execute_batch(
            "INSERT INTO instance VALUES ('_web._tcp.internal.local.', 'one', 'a.internal.local.', 80, 0, 0, '[]', \
             '{}', NULL, NULL, 7, 'root', 5, 6);
             INSERT INTO journal (at, clock, changed_by, action, service, id) VALUES (5, 0, 'root', 'register', \
             '_web._tcp.internal.local.', 'one');
             UPDATE high SET clock = 17, revision = 7;",
        )
        .unwrap();
}

#[test]
fn a_database_of_the_version_before_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    of_version_1(directory.path());
    // Commands read it as it is, before a daemon of this version has been there.
    let seen = read(directory.path()).unwrap().unwrap();
    assert_eq!((seen.edits.len(), seen.clock, seen.revision), (1, 17, 7));
    assert_eq!((seen.health, transitions(directory.path(), &filter(5)).unwrap()), Default::default());
    let (mut store, contents) = Store::open(directory.path()).unwrap();
    assert_eq!((contents.edits, contents.clock, contents.revision), (seen.edits, 17, 7));
    assert_eq!(history(directory.path(), &filter(5)).unwrap().len(), 1);
    let one = transition("_web._tcp.internal.local", 1);
    store.commit_health(&[HealthBatch { transitions: vec![one], ..HealthBatch::default() }]).unwrap();
    assert_eq!(transitions(directory.path(), &filter(5)).unwrap().len(), 1);
}

#[test]
fn health_that_says_nothing_sensible_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let one = remembered("a.internal.local:80", Condition::Failing, Publication::Withdrawn);
    store.commit_health(&[HealthBatch { remembered: vec![one], ..HealthBatch::default() }]).unwrap();
    drop(store);
    let edit = Connection::open(directory.path().join(FILE)).unwrap();
    edit.execute("UPDATE health SET condition = 'ill'", []).unwrap();
    drop(edit);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("column condition"), "{error}");
}

/// Whoever removes something beside the daemon reads again what has changed, whether it has a line in the history or not.
#[test]
fn what_has_no_line_is_counted_too() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let withdrawn = remembered("a.internal.local:80", Condition::Failing, Publication::Withdrawn);
    let held = remembered("a.internal.local:80", Condition::Failing, Publication::HeldByFloor);
    let of = |health: RememberedHealth| HealthBatch { remembered: vec![health], ..HealthBatch::default() };
    let ended = vec![(Maintained::Host(name("a.internal.local")), None)];
    let mut last = last_event(directory.path()).unwrap();
    for batch in [of(withdrawn), of(held), HealthBatch { maintenance: ended, ..HealthBatch::default() }] {
        store.commit_health(&[batch]).unwrap();
        let now = last_event(directory.path()).unwrap();
        assert!(now > last, "{now:?} after {last:?}");
        last = now;
    }
}
