use proptest::prelude::*;

use super::*;

/// So many services of one instance each, every one with a lease of 30 s from the clock 1,000.
fn leases(count: usize) -> World {
    let mut world = World::new();
    for number in 0..count {
        world.outcomes([(register(&format!("s{number}"), "a", leased("h", 30)), "new")]);
    }
    world
}

fn renew_all(world: &mut World, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| drop(world.make(&renew(&format!("s{number}"), "a")).unwrap()));
}

fn ended(world: &mut World, clock: u64) -> usize {
    world.clock = clock;
    world.expire(0).edits.len()
}

#[test]
fn a_lease_is_due_by_the_service_clock() {
    let mut world = World::new();
    (world.now, world.clock) = (5_000_000, 7);
    world.outcomes([(register("web", "a", leased("h1", 30)), "new"), (register("web", "b", offer("h2", 80)), "new")]);
    assert_eq!((world.instance("web", "a").due, world.instance("web", "b").due), (Some(37), None));
    world.now += 1_000_000;
    assert_eq!(ended(&mut world, 37), 0);
    assert_eq!(ended(&mut world, 38), 1);
    assert_eq!(world.ids(), ["web b"]);
    assert!(!world.registry.has_leases());
}

#[test]
fn a_renewal_puts_the_end_off_and_a_change_by_others_does_not() {
    let mut world = leases(2);
    world.clock += 20;
    world.outcomes([(renew("s0", "a"), "renewed"), (set("s1", "a", weight(9)), "changed")]);
    assert_eq!((world.instance("s0", "a").due, world.instance("s1", "a").due), (Some(1_050), Some(1_030)));
    assert_eq!(ended(&mut world, 1_031), 1);
    assert_eq!(world.ids(), ["s0 a"]);
    let longer = Offer { weight: 9, ..leased("h", 300) };
    world.outcomes([(register("s0", "a", longer), "changed")]);
    assert_eq!(world.instance("s0", "a").due, Some(1_331));
}

#[test]
fn a_lease_ends_after_its_grace() {
    let mut world = leases(1);
    world.clock = 1_090;
    assert_eq!(world.expire(60).edits.len(), 0);
    assert_eq!(world.registry.overdue(1_090, 59).count(), 1);
    world.clock = 1_091;
    assert_eq!(world.expire(60).edits.len(), 1);
    // No grace is too long for a clock that has just started.
    assert_eq!(leases(1).registry.overdue(5, u64::MAX).count(), 0);
}

#[test]
fn the_longest_overdue_comes_first() {
    let mut world = leases(3);
    world.clock += 1;
    renew_all(&mut world, 0..1);
    let overdue: Vec<_> = world.registry.overdue(2_000, 0).map(|(service, _)| service.name.clone()).collect();
    assert_eq!(overdue, ["s1", "s2", "s0"]);
}

#[test]
fn a_few_leases_all_end() {
    assert_eq!(ended(&mut leases(MIN_LEASED - 1), 1_031), MIN_LEASED - 1);
}

#[test]
fn many_that_run_out_together_all_stay() {
    let mut world = leases(20);
    world.clock = 1_010;
    renew_all(&mut world, 7..20);
    world.clock = 1_035;
    let held = HeldLeases { zone: zone(), overdue: 7, leased: 20, allowed: 6 };
    assert_eq!(world.expire(0), Expiry { edits: Vec::new(), held: vec![held] });
    // One of them was alive: the rest go.
    renew_all(&mut world, 0..1);
    let expiry = world.expire(0);
    assert_eq!((expiry.edits.len(), expiry.held), (6, Vec::new()));
}

#[test]
fn a_share_is_that_of_a_window() {
    let mut world = leases(20);
    world.clock = 1_010;
    renew_all(&mut world, 4..20);
    assert_eq!(ended(&mut world, 1_031), 4);
    renew_all(&mut world, 7..20);
    // Three more would be seven of twenty.
    assert_eq!(ended(&mut world, 1_041), 0);
    assert_eq!(world.expire(0).held, [HeldLeases { zone: zone(), overdue: 3, leased: 16, allowed: 2 }]);
    for clock in (1_050..=1_030 + WINDOW).step_by(20) {
        world.clock = clock;
        renew_all(&mut world, 7..20);
        assert_eq!(world.expire(0).edits.len(), 0, "{clock}");
    }
    world.clock = 1_031 + WINDOW;
    assert_eq!(world.expire(0).edits.len(), 3);
}

#[test]
fn what_ended_before_a_restart_counts() {
    let mut before = leases(20);
    before.clock = 1_010;
    renew_all(&mut before, 6..20);
    let mut restarted = before.clone();
    assert_eq!(ended(&mut before, 1_031), 6);
    restarted.registry.remember_ended([(1_000, zone()), (1_001, zone()), (1_002, "other.local".parse().unwrap())]);
    restarted.clock = 1_031;
    assert_eq!(restarted.expire(0).held, [HeldLeases { zone: zone(), overdue: 6, leased: 20, allowed: 4 }]);
}

#[test]
fn what_could_not_be_made_durable_did_not_end() {
    let mut world = leases(20);
    world.clock = 1_010;
    renew_all(&mut world, 6..20);
    world.clock = 1_031;
    for _ in 0..3 {
        let expiry = world.expire(0);
        assert_eq!(expiry.edits.len(), 6);
        world.registry.forget_ended(expiry.edits.len());
        world.registry.take_back(expiry.edits);
    }
    assert_eq!(world.ids().len(), 20);
}

#[test]
fn one_zone_does_not_hold_another() {
    let mut world = leases(10);
    let other = ZonePolicy { name: "other.local".parse().unwrap(), ..policy() };
    let elsewhere = ServiceKey { zone: other.name.clone(), ..service("web") };
    world.zones.push(other);
    let request =
        Request::Register { service: elsewhere, id: id("a"), offer: leased("h1", 30), expected: Expected::Anything };
    world.outcomes([(request, "new")]);
    world.clock = 1_031;
    let expiry = world.expire(0);
    assert_eq!((expiry.edits.len(), expiry.held.len()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_more_leases_end_than_a_window_allows(
        percent in 0_u8..=100,
        lengths in prop::collection::vec(5_u32..400, 0..40),
        waits in prop::collection::vec((1_u64..2_000, 0_usize..40), 1..12),
    ) {
        let mut world = World::new();
        world.zones[0].max_delete_percent = percent;
        for (number, length) in lengths.iter().enumerate() {
            world.outcomes([(register(&format!("s{number}"), "a", leased("h", *length)), "new")]);
        }
        let mut all_ended: Vec<u64> = Vec::new();
        for (wait, renewed) in waits {
            world.clock += wait;
            (0..renewed).for_each(|number| drop(world.make(&renew(&format!("s{number}"), "a"))));
            let leased = world.registry.leases.len();
            let overdue = world.registry.overdue(world.clock, 10).count();
            let expiry = world.expire(10);
            let of_late = all_ended.iter().filter(|when| **when + WINDOW > world.clock).count();
            let (all, gone) = (leased + of_late, expiry.edits.len());
            prop_assert!(gone == overdue || gone == 0 && expiry.held.len() == 1);
            prop_assert!(gone == 0 || all < MIN_LEASED || (of_late + gone) * 100 <= all * usize::from(percent));
            all_ended.extend(std::iter::repeat_n(world.clock, gone));
        }
    }
}

#[test]
fn who_opens_the_book_gives_what_ran_out_another_term() {
    let mut world = leases(3);
    world.clock += 10;
    world.outcomes([(renew("s0", "a"), "renewed")]);
    world.clock += 25;
    world.registry.renew_overdue(world.clock);
    assert_eq!(world.instance("s0", "a").due, Some(1_040), "what has not run out stays");
    assert_eq!(world.instance("s1", "a").due, Some(1_065));
    assert_eq!(world.registry.overdue(world.clock, 0).count(), 0);
}

#[test]
fn who_was_renewed_meanwhile_does_not_go_as_overdue() {
    let mut world = leases(2);
    world.clock += 31;
    world.outcomes([(renew("s0", "a"), "renewed")]);
    world.outcomes([
        (deregister_if(Expected::Overdue, "s0", "a"), "same"),
        (deregister_if(Expected::Overdue, "s1", "a"), "gone"),
    ]);
}
