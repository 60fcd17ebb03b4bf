use std::num::NonZeroU16;

use super::*;
use crate::model::{InstanceId, Offer, ServiceKey};
use crate::reconcile::registry::Expected;

type Answered = oneshot::Receiver<Result<Decision, Refused>>;

/// A registrar that has read its service files, and what it writes in.
fn registrar(directory: &std::path::Path) -> (Registrar, Book) {
    let zone: Name = "internal.local".parse().unwrap();
    let policy = ZonePolicy { name: zone.clone(), ttl: 300, max_records_per_rrset: 100, max_delete_percent: 30 };
    let status = Arc::new(watch::Sender::new(DaemonStatus::default()));
    let triage = Arc::new(Triage::new(true));
    let wishes = Arc::new(Wishes::new(vec![zone], Vec::new(), Arc::clone(&triage) as _, Arc::clone(&status)));
    wishes.take_files(&Arc::default(), Vec::new());
    let registrar = Registrar {
        state_dir: directory.to_owned(),
        policies: [policy].into(),
        lease_grace: Duration::from_secs(30),
        questions: mpsc::channel(1).1,
        health: mpsc::channel(1).1,
        board: Arc::default(),
        triage,
        wishes,
        stop: watch::channel(false).1,
        status,
    };
    let book = registrar.open().unwrap();
    (registrar, book)
}

fn key() -> (ServiceKey, InstanceId) {
    let service = ServiceKey { name: "web".into(), proto: "tcp".into(), zone: "internal.local".parse().unwrap() };
    (service, "w".parse().unwrap())
}

fn question(host: &str, expected: Expected, dry_run: bool) -> (Question, Answered) {
    let (answer, answered) = oneshot::channel();
    let offer = Offer {
        host: format!("{host}.internal.local").parse().unwrap(),
        port: NonZeroU16::MIN,
        priority: 0,
        weight: 0,
        addresses: Vec::new(),
        metadata: std::collections::BTreeMap::new(),
        lease: Some(60),
    };
    let (service, id) = key();
    let request = Request::Register { service, id, offer, expected };
    (Question { who: Principal::unrestricted("root"), request, dry_run, answer }, answered)
}

#[test]
fn who_is_told_of_what_another_registers_at_once_waits_for_the_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let (registrar, mut book) = registrar(directory.path());
    let ask = |expected, dry_run| question("h", expected, dry_run);
    let breaks = rusqlite::Connection::open(directory.path().join(crate::store::FILE)).unwrap();
    breaks.execute_batch("ALTER TABLE journal RENAME TO gone").unwrap();
    let asked = || {
        [
            ask(Expected::Anything, false),
            ask(Expected::Anything, false),
            ask(Expected::Absent, false),
            ask(Expected::Anything, true),
        ]
    };
    let (batch, answers): (Vec<_>, Vec<_>) = asked().into_iter().unzip();
    book.answer(batch, &registrar);
    for mut answer in answers {
        let answer = answer.try_recv().unwrap();
        assert!(matches!(answer, Err(Refused::Unavailable(_))), "{answer:?}");
    }
    assert!(book.registry.is_empty() && !book.registry.has_leases(), "nothing is kept of what was not written");
    assert!(registrar.status.borrow().store_error.is_some());

    breaks.execute_batch("ALTER TABLE gone RENAME TO journal").unwrap();
    let (batch, answers): (Vec<_>, Vec<_>) = asked().into_iter().unzip();
    book.answer(batch, &registrar);
    let mut answers = answers.into_iter().map(|mut answer| answer.try_recv().unwrap());
    assert!(answers.next().unwrap().unwrap().changed());
    assert!(!answers.next().unwrap().unwrap().changed());
    assert!(matches!(answers.next().unwrap(), Err(Refused::Unexpected(_))));
    assert!(!answers.next().unwrap().unwrap().changed());
    assert_eq!(registrar.status.borrow().store_error, None);
    let (service, id) = key();
    let mut there = false;
    registrar.wishes.view(&mut |view| there = view.registry.instance(&service, &id).is_some());
    assert!(there);
}

#[test]
fn time_in_which_nothing_can_be_written_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let (registrar, mut book) = registrar(directory.path());
    let (first, _answer) = question("h", Expected::Anything, false);
    book.answer(vec![first], &registrar);
    book.since = Duration::from_secs(40);
    let clock = book.clock();
    let breaks = rusqlite::Connection::open(directory.path().join(crate::store::FILE)).unwrap();
    breaks.execute_batch("ALTER TABLE high RENAME TO gone").unwrap();
    let (second, _answer) = question("other", Expected::Anything, false);
    book.answer(vec![second], &registrar);
    assert_eq!(book.clock(), clock - 40);
    book.since = Duration::from_secs(1_000);
    book.expire(&registrar);
    assert_eq!(book.registry.leased(), 1, "what could not be written has not ended");
}
