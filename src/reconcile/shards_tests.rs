use proptest::prelude::*;

use super::*;
use crate::model::{Change, Marker, OwnerId, Record, Srv, Zone};
use crate::protocol::wire;
use crate::reconcile::{Plan, plan};

fn zone() -> Name {
    "internal.local".parse().unwrap()
}

fn key() -> ServiceKey {
    ServiceKey { name: "e".into(), proto: "tcp".into(), zone: zone() }
}

fn owner() -> OwnerId {
    "me".parse().unwrap()
}

/// Hosts of different lengths, so that bytes and records do not run out together.
fn srv(host: u16, weight: u16) -> Rdata {
    let target = format!("h{host}{}.internal.local", "x".repeat(usize::from(host % 7) * 8));
    Rdata::srv(&Srv { priority: 0, weight, port: 9100, target: target.parse().unwrap() })
}

fn place() -> crate::model::Place {
    crate::model::Place { file: "s.toml".into(), line: 1, column: 1 }
}

/// A service as it would be desired.
#[derive(Debug, Clone)]
struct Wish {
    hosts: BTreeSet<u16>,
    shards: Shards,
    limit: usize,
    weight: u16,
}

impl Wish {
    fn new(hosts: impl IntoIterator<Item = u16>, shards: Shards, limit: usize) -> Self {
        Self { hosts: hosts.into_iter().collect(), shards, limit, weight: 0 }
    }

    fn sharded(&self) -> Sharded {
        Sharded {
            service: key(),
            shards: self.shards,
            max_records: self.limit,
            srv: Rrset::new(300, self.hosts.iter().map(|&host| srv(host, self.weight))).unwrap(),
            txt: Rrset::new(300, [Rdata::txt(["team=x"])]),
        }
    }

    fn desired(&self) -> Desired {
        let policy = crate::reconcile::ZonePolicy {
            name: zone(),
            ttl: 300,
            max_records_per_rrset: if self.shards == Shards::Off { usize::MAX } else { self.limit },
            max_delete_percent: 100,
        };
        let mut desired = Desired::nothing([policy].into(), 0);
        let instance = |rdata: &Rdata| {
            let srv = rdata.as_srv().unwrap();
            crate::model::Instance {
                priority: srv.priority,
                weight: srv.weight,
                ..crate::model::Instance::new(srv.target, srv.port.try_into().unwrap(), place())
            }
        };
        let mut instances: Vec<_> = self.sharded().srv.rdatas().iter().map(instance).collect();
        instances.sort_by(|one, other| one.host.cmp(&other.host));
        let metadata = BTreeMap::from([("team".to_owned(), "x".to_owned())]);
        let service = Service { metadata, shards: self.shards, instances, ..Service::new(key(), place()) };
        desired.set(&key().owner_name().unwrap(), Some(service.into()));
        desired
    }

    fn refusal(&self) -> Option<Refusal> {
        self.desired().refusals().next().cloned()
    }

    fn plan(&self, live: &Zone) -> Plan {
        plan(&owner(), &self.desired(), live)
    }

    /// The zone when nothing is left to do, and in how many rounds it came there.
    fn settled(&self, live: &Zone) -> (Zone, usize) {
        let mut live = live.clone();
        for round in 0..4 {
            let plan = self.plan(&live);
            assert_eq!(plan.conflicts, []);
            if plan.updates.is_empty() {
                return (live, round);
            }
            plan.changes().for_each(|change| live.apply(change));
        }
        panic!("does not settle: {self:?}");
    }
}

/// The numbers of the shards where each endpoint is.
fn whereabouts(live: &Zone) -> BTreeMap<Endpoint, Vec<usize>> {
    let mut found: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
    for shard in 0..MAX_SHARDS {
        let srv = live.rrset(&key().shard_name(shard).unwrap(), RecordType::SRV);
        for endpoint in srv.iter().flat_map(Rrset::rdatas).filter_map(endpoint) {
            found.entry(endpoint).or_default().push(shard);
        }
    }
    found
}

fn endpoints(hosts: &BTreeSet<u16>) -> BTreeSet<Endpoint> {
    hosts.iter().filter_map(|&host| endpoint(&srv(host, 0))).collect()
}

fn hosts(most: usize) -> impl Strategy<Value = BTreeSet<u16>> {
    prop::collection::btree_set(0u16..200, 1..=most)
}

fn shards() -> impl Strategy<Value = Shards> {
    prop_oneof![Just(Shards::Auto), (1usize..8).prop_map(Shards::Fixed)]
}

/// A wish that can be fulfilled.
fn wish() -> impl Strategy<Value = Wish> {
    let any = (hosts(40), shards(), 1usize..12, 0u16..2);
    let any = any.prop_map(|(hosts, shards, limit, weight)| Wish { hosts, shards, limit, weight });
    any.prop_map(|wish| match wish.shards {
        Shards::Fixed(count) => {
            let hosts = wish.hosts.iter().copied().take(count * wish.limit).collect();
            Wish { hosts, ..wish }
        }
        _ => wish,
    })
}

fn bare() -> Zone {
    Zone::empty(zone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn settled_everybody_is_at_one_name_and_no_name_over_its_limits(before in wish(), wish in wish()) {
        let (live, rounds) = wish.settled(&before.settled(&bare()).0);
        prop_assert!(rounds <= 2);
        let found = whereabouts(&live);
        prop_assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), endpoints(&wish.hosts));
        prop_assert!(found.values().all(|shards| shards.len() == 1));
        let listed = names(&wish, &live);
        for shard in 0..MAX_SHARDS {
            let name = key().shard_name(shard).unwrap();
            let Some(srv) = live.rrset(&name, RecordType::SRV) else {
                prop_assert_eq!(live.at(&name), None, "an empty shard has vanished");
                continue;
            };
            prop_assert!(srv.rdatas().len() <= wish.limit);
            prop_assert!(update::answer_len(&name, srv.rdatas()) <= wire::MAX_MESSAGE);
            prop_assert!(live.rrset(&name, RecordType::TXT).is_some());
            prop_assert!(live.rrset(&Marker::name_for(&name).unwrap(), RecordType::TXT).is_some());
            prop_assert!(listed.contains(&name));
        }
    }

    #[test]
    fn one_more_or_one_less_moves_nobody_else(wish in wish(), other in 0u16..200) {
        let (live, _) = wish.settled(&bare());
        let mut changed = wish.clone();
        if !changed.hosts.remove(&other) {
            changed.hosts.insert(other);
        }
        prop_assume!(!changed.hosts.is_empty() && changed.refusal().is_none());
        let (after, _) = changed.settled(&live);
        let (was, is) = (whereabouts(&live), whereabouts(&after));
        for endpoint in endpoints(&wish.hosts).intersection(&endpoints(&changed.hosts)) {
            prop_assert_eq!(&was[endpoint], &is[endpoint]);
        }
    }

    #[test]
    fn growing_moves_nobody(wish in wish(), more in 1usize..8, newcomers in hosts(40)) {
        let (live, _) = wish.settled(&bare());
        for shards in [Shards::Auto, Shards::Fixed(wish.sharded().count(&Live::new()).max(wish.sharded().most().min(8)) + more)] {
            let mut grown = Wish { shards, ..wish.clone() };
            grown.hosts.extend(&newcomers);
            prop_assume!(grown.refusal().is_none());
            let (after, _) = grown.settled(&live);
            let (was, is) = (whereabouts(&live), whereabouts(&after));
            prop_assert!(was.iter().all(|(endpoint, shards)| is[endpoint] == *shards));
        }
    }

    /// The updates of each round land in any order and may stop anywhere; the next round starts from there.
    #[test]
    fn at_every_moment_of_a_move_everybody_is_under_some_name(
        before in wish(),
        after in (shards(), 1usize..12, 0u16..2, any::<bool>()),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 1..6),
    ) {
        let (mut live, _) = before.settled(&bare());
        let (shards, limit, weight, alone) = after;
        let shards = if alone { Shards::Off } else { shards };
        let after = Wish { hosts: before.hosts.clone(), shards, limit, weight };
        let everybody = endpoints(&before.hosts);
        for (cut, seed) in cuts {
            let mut updates = after.plan(&live).updates;
            updates.sort_by_key(|update| score(&(update.name.clone(), 0), usize::try_from(seed % 1000).unwrap()));
            for update in updates.iter().take(cut.index(updates.len() + 1)) {
                update.changes.iter().for_each(|change| live.apply(change));
                prop_assert_eq!(whereabouts(&live).into_keys().collect::<BTreeSet<_>>(), everybody.clone());
            }
        }
        if after.refusal().is_none() {
            let (settled, rounds) = after.settled(&live);
            prop_assert!(rounds <= 2);
            prop_assert!(whereabouts(&settled).values().all(|shards| shards.len() == 1));
        }
    }

    #[test]
    fn what_is_refused_is_left_as_it_is(before in wish(), shards in shards(), newcomers in hosts(80)) {
        let (live, _) = before.settled(&bare());
        let mut wish = Wish { shards, limit: 3, ..before };
        wish.hosts.extend(newcomers);
        if let Some(Refusal::TooFewShards { needed, .. }) = wish.refusal() {
            let plan = wish.plan(&live);
            prop_assert_eq!((plan.updates.len(), plan.conflicts.len()), (0, 1));
            let enough = Wish { shards: Shards::Fixed(needed), ..wish.clone() };
            prop_assert!(enough.refusal().is_none(), "the number that it names is enough");
        }
    }
}

fn names(wish: &Wish, live: &Zone) -> Vec<Name> {
    let service = crate::model::Service {
        shards: wish.shards,
        ..crate::model::Service::new(key(), crate::model::Place { file: "".into(), line: 1, column: 1 })
    };
    crate::reconcile::names_of(&owner(), &wish.desired(), Some(live), &service)
}

fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_move_takes_two_rounds() {
    let (live, _) = Wish::new(0..20, Shards::Fixed(4), 10).settled(&bare());
    let fewer = Wish::new(0..20, Shards::Fixed(2), 10);
    let first = fewer.plan(&live);
    let lost = |change: &Change| change.operations().0.into_iter().any(|rdata| rdata.as_srv().is_some());
    assert!(!first.updates.is_empty() && !first.changes().any(lost), "the first round only adds");
    let (after, rounds) = fewer.settled(&live);
    assert_eq!(rounds, 2);
    assert!(whereabouts(&after).values().all(|shards| shards[0] < 2));
}

#[test]
fn names_are_all_of_a_fixed_number_and_as_many_as_needed_with_auto() {
    let fixed = Wish::new(0..3, Shards::Fixed(3), 10);
    let expected = ["_e._tcp.internal.local.", "_e._tcp.shard-1.internal.local.", "_e._tcp.shard-2.internal.local."];
    assert_eq!(texts(&names(&fixed, &bare())), expected);
    let auto = Wish::new(0..21, Shards::Auto, 10);
    assert_eq!(texts(&names(&auto, &bare())), expected);
    // What lies higher stays listed while it is in use.
    let (live, _) = auto.settled(&bare());
    let highest = whereabouts(&live).into_iter().filter(|(_, shards)| shards == &[2]);
    let highest: BTreeSet<_> = highest.map(|(endpoint, _)| endpoint).collect();
    let left = (0..21).filter(|&host| highest.contains(&endpoint(&srv(host, 0)).unwrap()));
    assert_eq!(texts(&names(&Wish::new(left, Shards::Auto, 10), &live)), expected);
    assert_eq!(texts(&names(&Wish::new(0..3, Shards::Off, 10), &live)), expected[..1]);
}

#[test]
fn names_of_others_do_not_count() {
    let (ours, _) = Wish::new(0..10, Shards::Fixed(2), 10).settled(&bare());
    let mut theirs = bare();
    for (name, sets) in ours.names() {
        for rdata in
            sets.iter().flat_map(|set| set.rdatas().to_vec()).filter(|rdata| Marker::from_rdata(rdata).is_err())
        {
            theirs.insert(Record { name: name.clone(), ttl: 300, rdata: rdata.clone() });
        }
    }
    for (shards, limit, in_the_way) in [(Shards::Fixed(1), 10, 1), (Shards::Auto, 5, 2)] {
        let plan = Wish::new(0..10, shards, limit).plan(&theirs);
        let names: BTreeSet<_> = plan.conflicts.iter().map(|conflict| &conflict.name).collect();
        assert_eq!((plan.updates.len(), names.len()), (0, in_the_way), "only what we would write is a conflict");
    }
}

#[test]
fn newcomers_are_spread_evenly() {
    let (live, _) = Wish::new(0..200, Shards::Fixed(4), 100).settled(&bare());
    let mut counts = [0; 4];
    whereabouts(&live).values().for_each(|shards| counts[shards[0]] += 1);
    assert!(counts.iter().all(|&count| (30..=70).contains(&count)), "{counts:?}");
}

#[test]
fn bytes_run_out_before_records_do() {
    let target = |host: u16| format!("{host}.{0}.{0}.{0}.internal.local", "x".repeat(60)).parse().unwrap();
    let srv = |host| Rdata::srv(&Srv { priority: 0, weight: 0, port: 1, target: target(host) });
    let mut sharded = Wish::new([0], Shards::Auto, 3000).sharded();
    sharded.srv = Rrset::new(300, (0..1000).map(srv)).unwrap();
    let names = sharded.spread(&Live::new()).unwrap();
    assert!(names.len() > 5 && names.len() == sharded.needed());
    for (name, sets) in names {
        let srv = &sets[&RecordType::SRV];
        assert!(update::answer_len(&name, srv.rdatas()) <= wire::MAX_MESSAGE);
        let key = RrsetKey::new(name, RecordType::SRV);
        let rewrite: usize = srv.rdatas().iter().map(|rdata| update::rewrite_len(&zone(), &key, rdata)).sum();
        assert!(rewrite <= update::MAX_NAME_BYTES);
    }
}

#[test]
fn refusals_name_the_way_out() {
    let few = Wish::new(0..50, Shards::Fixed(2), 10).refusal().unwrap().to_string();
    for said in ["50 instances", "needs 5 shards", "may have 2", "`shards = 5`", "`shards = \"auto\"`"] {
        assert!(few.contains(said), "{few}");
    }
    let many = Wish::new(0..200, Shards::Auto, 1).refusal().unwrap().to_string();
    assert!(many.contains("srvctl makes at most 128") && many.contains("max-records-per-type"), "{many}");
}

/// A shard that was given up, and is to be ours again.
#[test]
fn a_released_shard_is_adopted_with_what_it_holds() {
    use crate::reconcile::takeover::{AdoptMode, adopt, release};

    let wish = Wish::new(0..250, Shards::Auto, 100);
    let (live, _) = wish.settled(&Zone::empty(zone()));
    let shard = key().shard_name(1).unwrap();
    let mut released = live.clone();
    release(&owner(), &live, &shard).unwrap().changes.iter().for_each(|change| released.apply(change));
    let adopted = |zone: &Zone| {
        let mut after = zone.clone();
        let update = adopt(&owner(), &wish.desired(), zone, &shard, &AdoptMode::default()).unwrap().unwrap();
        update.changes.iter().for_each(|change| after.apply(change));
        after
    };
    assert_eq!(adopted(&released), live);
    // Meanwhile its instances were published elsewhere: taking them from here loses nobody.
    let mut elsewhere = released;
    for _ in 0..3 {
        wish.plan(&elsewhere).changes().for_each(|change| elsewhere.apply(change));
    }
    let after = adopted(&elsewhere);
    let all: BTreeSet<_> =
        after.names().filter_map(|(_, sets)| sets.get(RecordType::SRV)).flat_map(|set| set.rdatas().to_vec()).collect();
    assert_eq!(all.len(), 250);
}
