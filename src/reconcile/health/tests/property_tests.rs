use proptest::prelude::*;

use super::*;

/// What happens next: to which instance, after how many milliseconds, and for how long it was in the making.
#[derive(Debug, Clone)]
enum Step {
    Result { number: usize, passes: bool, after: u64, latency: u64 },
    Time(u64),
    Restart,
}

fn step(instances: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..instances, any::<bool>(), 0..4000u64, 0..3000u64)
            .prop_map(|(number, passes, after, latency)| Step::Result { number, passes, after, latency }),
        // A long row of the same, or hardly anything would ever come of it.
        3 => (0..200_000u64).prop_map(Step::Time),
        1 => Just(Step::Restart),
    ]
}

fn floor() -> impl Strategy<Value = MinHealthy> {
    prop_oneof![(1..=100u8).prop_map(MinHealthy::Percent), (1..=6u32).prop_map(MinHealthy::Count)]
}

/// How many probes came to the same in a row, as somebody sees it who keeps no conditions.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    failed: u32,
    passed: u32,
    /// When the last failure was that made them enough.
    sure_at: u64,
}

/// A world, and what was seen of it.
struct Seen {
    world: World,
    check: Arc<Check>,
    rows: Vec<Row>,
}

impl Seen {
    fn new(instances: usize, policy: HealthPolicy, (rise, fall): (u32, u32)) -> Self {
        let world = World::new(service(instances, policy, &[Check { rise, fall, ..tcp() }]));
        let check = Arc::clone(&world.service.checks[0]);
        Self { world, check, rows: vec![Row::default(); instances] }
    }

    fn result(&mut self, number: usize, passes: bool, after: u64, latency: u64) {
        let (world, row) = (&mut self.world, &mut self.rows[number]);
        world.now += after;
        *row = if passes {
            Row { passed: row.passed + 1, ..Row::default() }
        } else {
            Row { failed: row.failed + 1, passed: 0, ..*row }
        };
        if row.failed == self.check.fall {
            row.sure_at = world.now;
        }
        let verdict = if passes { Passing } else { Failing };
        let result = ProbeResult::new(verdict, Duration::from_millis(latency), "");
        world.observe(number, &self.check, result);
    }

    /// Does it, and says who is withdrawn by it.
    fn take(&mut self, step: &Step) -> Vec<usize> {
        let before = self.world.withdrawn();
        match *step {
            Step::Result { number, passes, after, latency } => self.result(number, passes, after, latency),
            Step::Time(milliseconds) => drop(self.world.pass_time(milliseconds)),
            Step::Restart => {
                self.world = self.world.restarted();
                self.rows.fill(Row::default());
            }
        }
        self.world.withdrawn().into_iter().filter(|number| !before.contains(number)).collect()
    }

    fn assert_floor(&self) -> Result<(), TestCaseError> {
        let status = self.world.status();
        let withdrawn = self.world.withdrawn().len();
        let healthy = status.count(Condition::Passing);
        prop_assert!(withdrawn == 0 || healthy >= status.floor.unwrap(), "{status:?}");
        prop_assert!(withdrawn == 0 || self.rows.len() - withdrawn >= status.floor.unwrap());
        prop_assert_eq!(status.floor_held, status.instances.iter().any(|found| found.publication == HeldByFloor));
        Ok(())
    }

    fn assert_counted(&self) -> Result<(), TestCaseError> {
        let status = self.world.status();
        let in_trouble = status
            .instances
            .iter()
            .filter(|found| found.checks.iter().any(|check| check.failed > 0 || check.condition == Condition::Failing));
        prop_assert_eq!((self.world.health.checked, self.world.health.troubled), (self.rows.len(), in_trouble.count()));
        Ok(())
    }
}

proptest! {
    #[test]
    fn never_below_the_floor_and_never_without_failures(
        (instances, steps) in (1..7usize).prop_flat_map(|n| (Just(n), proptest::collection::vec(step(n), 0..120))),
        floor in floor(),
        counts in (1..4u32, 1..4u32),
    ) {
        let mut seen = Seen::new(instances, withdraw(floor), counts);
        for step in &steps {
            for number in seen.take(step) {
                prop_assert!(seen.rows[number].failed >= counts.1, "{number} after {:?}", seen.rows[number]);
            }
            seen.assert_floor()?;
            seen.assert_counted()?;
        }
        // Recovery always restores, at the latest when flapping is over.
        for _ in 0..=counts.0 {
            (0..instances).for_each(|number| seen.result(number, true, SECOND, 0));
        }
        let before = seen.world.status();
        for (number, instance) in before.instances.iter().enumerate().filter(|(_, instance)| !instance.damped) {
            prop_assert_eq!(instance.condition, Condition::Passing, "{}", number);
            prop_assert_eq!(instance.publication, Published);
        }
        seen.world.pass_time(FLAP_QUIET);
        prop_assert!(Arc::ptr_eq(seen.world.health.effective(&seen.world.name).unwrap(), &seen.world.service));
    }

    #[test]
    fn nothing_is_withdrawn_by_a_restart(
        steps in proptest::collection::vec(step(5), 0..80),
        times in proptest::collection::vec(0..100_000u64, 0..5),
        floor in floor(),
    ) {
        let mut seen = Seen::new(5, withdraw(floor), (2, 2));
        steps.iter().for_each(|step| drop(seen.take(step)));
        seen.world.pass_time(0);
        let mut again = seen.world.restarted();
        prop_assert_eq!(again.publications(), seen.world.publications());
        let published = |world: &World| Arc::clone(world.health.effective(&world.name).unwrap());
        prop_assert!(published(&again).says_the_same(&published(&seen.world)));
        for time in times {
            prop_assert!(again.pass_time(time).effective.is_empty());
            prop_assert_eq!(again.withdrawn(), seen.world.withdrawn());
        }
    }

    /// Whoever checks is cut off: from one moment on everything fails, in any order and with any pace, and a restart
    /// makes it no better.
    #[test]
    fn isolation_withdraws_nothing(
        (instances, steps, after) in (1..7usize).prop_flat_map(|n| {
            (Just(n), proptest::collection::vec(step(n), 0..60), proptest::collection::vec(step(n), 0..120))
        }),
        floor in floor(),
        counts in (1..4u32, 1..4u32),
    ) {
        let mut seen = Seen::new(instances, withdraw(floor), counts);
        steps.iter().for_each(|step| drop(seen.take(step)));
        seen.world.pass_time(0);
        seen.world.now += 1;
        let cut_off = seen.world.now;
        for mut step in after {
            if let Step::Result { passes, .. } = &mut step {
                *passes = false;
            }
            for number in seen.take(&step) {
                prop_assert!(seen.rows[number].sure_at < cut_off, "withdrawn for failures while cut off");
            }
            seen.assert_floor()?;
        }
        for _ in 0..counts.1 {
            (0..instances).for_each(|number| seen.result(number, false, SECOND, 0));
        }
        seen.world.pass_time(SECOND);
        prop_assert!(seen.world.withdrawn().is_empty());
        prop_assert!(seen.world.status().floor_held);
    }

    /// With everything passing when it begins, nobody is ever missing, and nobody when it is over.
    #[test]
    fn isolation_out_of_the_blue_is_not_seen_in_dns(
        order in proptest::collection::vec((0..6usize, 0..4000u64, 0..3000u64), 0..120),
        lasts in 0..100_000u64,
        floor in floor(),
        counts in (1..4u32, 1..4u32),
    ) {
        let mut seen = Seen::new(6, withdraw(floor), counts);
        for _ in 0..counts.0 {
            (0..6).for_each(|number| seen.result(number, true, SECOND, 100));
        }
        let over = seen.world.now + lasts;
        for (number, after, latency) in order {
            let began = seen.world.now + after - latency;
            seen.result(number, began >= over, after, latency);
            seen.world.pass_time(0);
            prop_assert!(seen.world.withdrawn().is_empty());
        }
    }

    /// Some are on the machine of whoever checks, and pass whatever happens to its network: nobody elsewhere goes for that,
    /// however few there are.
    #[test]
    fn isolation_withdraws_nobody_elsewhere(
        (instances, near, steps, after) in (1..7usize).prop_flat_map(|n| {
            let steps = |most| proptest::collection::vec(step(n), 0..most);
            (Just(n), proptest::collection::btree_set(0..n, 0..=n), steps(60), steps(120))
        }),
        floor in floor(),
        counts in (1..4u32, 1..4u32),
    ) {
        let mut seen = Seen::new(instances, withdraw(floor), counts);
        seen.world.near = near.clone();
        steps.iter().for_each(|step| drop(seen.take(step)));
        seen.world.pass_time(0);
        seen.world.now += 1;
        let cut_off = seen.world.now;
        for mut step in after {
            if let Step::Result { number, passes, .. } = &mut step {
                *passes = near.contains(number);
            }
            for number in seen.take(&step) {
                let is_sure = seen.rows[number].sure_at < cut_off;
                prop_assert!(near.contains(&number) || is_sure, "{number} was withdrawn for failures while cut off");
            }
            seen.assert_floor()?;
        }
    }
}
