use std::num::NonZeroU16;
use std::sync::Arc;

use super::*;
use crate::model::{Configured, InstanceId, Offer, Registration, ServiceKey, Settings, Shards};
use crate::reconcile::registry::Registry;

fn service() -> ServiceKey {
    ServiceKey { name: "Web".into(), proto: "tcp".into(), zone: "internal.local".parse().unwrap() }
}

fn registration(host: &str, revision: u64) -> Arc<Registration> {
    let offer = Offer {
        host: format!("{host}.internal.local").parse().unwrap(),
        port: NonZeroU16::new(80).unwrap(),
        priority: 1,
        weight: 2,
        addresses: vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        metadata: [("team".to_owned(), "a \"b\" ü".to_owned())].into(),
        lease: Some(60),
    };
    Arc::new(Registration { offer, revision, by: "root".into(), created: 5, updated: 6, due: Some(70) })
}

fn instance(id: &str, before: Option<Arc<Registration>>, after: Option<Arc<Registration>>) -> Edit {
    Edit::Instance { service: service(), id: id.parse().unwrap(), before, after }
}

fn settings() -> Edit {
    let settings = Settings { ttl: Some(30), shards: Shards::Auto, metadata: [("k".into(), "v".into())].into() };
    Edit::Service { service: service(), before: None, after: Some(Arc::new(Configured { settings, revision: 1 })) }
}

fn commit(store: &mut Store, edits: &[Edit], action: Action, clock: u64) {
    let entries: Vec<_> = edits.iter().map(|edit| Entry { edit, action, by: "root", at: 9 }).collect();
    store.commit(&entries, clock).unwrap();
}

fn registry(contents: &Contents) -> Registry {
    let mut registry = Registry::default();
    contents.edits.iter().for_each(|edit| registry.enact(edit));
    registry
}

#[test]
fn what_is_written_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, empty) = Store::open(directory.path()).unwrap();
    assert!(empty.edits.is_empty() && empty.confirmed.is_empty() && empty.clock == 0);
    let (one, two) = (registration("a", 2), registration("b", 3));
    let edits =
        [settings(), instance("one", None, Some(one.clone())), instance("b.internal.local:80", None, Some(two))];
    commit(&mut store, &edits, Action::Register, 17);
    store.confirm(&"Internal.local".parse().unwrap()).unwrap();
    for contents in [read(directory.path()).unwrap().unwrap(), {
        drop(store);
        Store::open(directory.path()).unwrap().1
    }] {
        let registry = registry(&contents);
        assert_eq!(registry.instance(&service(), &"one".parse().unwrap()), Some(&one));
        assert_eq!(registry.service(&service()).unwrap().instances.len(), 2);
        let Edit::Service { after, .. } = settings() else { unreachable!() };
        assert_eq!(registry.service(&service()).unwrap().settings, after);
        assert_eq!((contents.clock, contents.revision), (17, 3));
        assert!(contents.confirmed.contains(&"internal.local".parse().unwrap()));
    }
}

#[test]
fn the_journal_tells_the_newest_first_and_no_renewals() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let (one, later) =
        (registration("a", 1), Arc::new(Registration { due: Some(99), ..(*registration("a", 1)).clone() }));
    commit(&mut store, &[instance("one", None, Some(one.clone()))], Action::Register, 1);
    commit(&mut store, &[instance("one", Some(one), Some(later.clone()))], Action::Register, 2);
    commit(&mut store, &[instance("one", Some(later), None)], Action::Expire, 3);
    let all = history(directory.path(), &Filter { limit: 10, ..Filter::default() }).unwrap();
    let said: Vec<_> = all.iter().map(|event| (event.action, event.before.is_some(), event.after.is_some())).collect();
    assert_eq!(said, [(Action::Expire, true, false), (Action::Register, false, true)]);
    assert_eq!(all[1].after.as_ref().unwrap()["host"], "a.internal.local.");
    assert_eq!((&*all[0].by, all[0].at), ("root", 9));
    let older = Filter { service: Some(service()), before: Some(all[0].sequence), limit: 10 };
    assert_eq!(history(directory.path(), &older).unwrap(), all[1..]);
    let other = ServiceKey { name: "other".into(), ..service() };
    assert!(history(directory.path(), &Filter { service: Some(other), before: None, limit: 10 }).unwrap().is_empty());
    drop(store);
    let (_, contents) = Store::open(directory.path()).unwrap();
    assert_eq!(contents.ended, [(3, "internal.local".parse().unwrap())]);
}

#[test]
fn the_journal_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let (one, two) = (registration("a", 1), registration("b", 2));
    let there = [instance("one", Some(one.clone()), Some(two.clone())), instance("one", Some(two), Some(one))];
    let edits: Vec<_> = there.iter().cycle().take(103_000).cloned().collect();
    commit(&mut store, &edits, Action::Set, 1);
    let kept = history(directory.path(), &Filter { limit: usize::MAX, ..Filter::default() }).unwrap();
    assert_eq!(kept.len(), 100_000);
}

#[test]
fn two_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, _) = Store::open(directory.path()).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    assert!(read(directory.path()).unwrap().is_some(), "and all may read");
}

#[test]
fn what_is_no_database_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::fs::write(
        &path,
        "not a database, but longer than the header of one would be, so that it is read as such.....",
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("srvctl import"), "{error}");
    assert!(matches!(read(directory.path()), Err(StoreError::Damaged { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let other = Connection::open(directory.path().join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1;").unwrap();
    drop(other);
    std::fs::rename(directory.path().join("other.db"), &path).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_newer_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    let newer = Connection::open(directory.path().join(FILE)).unwrap();
    newer.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(newer);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
}

#[test]
fn a_damaged_page_is_found_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let edits: Vec<_> =
        (0..2_000).map(|at| instance(&format!("i{at}"), None, Some(registration(&format!("h{at}"), at)))).collect();
    commit(&mut store, &edits, Action::Register, 1);
    drop(store);
    let path = directory.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_row_that_says_nothing_sensible_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    commit(&mut store, &[instance("one", None, Some(registration("a", 1)))], Action::Register, 1);
    drop(store);
    let edit = Connection::open(directory.path().join(FILE)).unwrap();
    edit.execute("UPDATE instance SET metadata = '{'", []).unwrap();
    drop(edit);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("column metadata"), "{error}");
}

#[test]
fn ids_stay_what_they_are() {
    let id: InstanceId = "centos9-vm.internal.local:8080".parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    commit(&mut store, &[instance(id.as_str(), None, Some(registration("a", 1)))], Action::Register, 1);
    let contents = read(directory.path()).unwrap().unwrap();
    assert!(registry(&contents).instance(&service(), &id).is_some());
}
