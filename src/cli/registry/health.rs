//! `srvctl health`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::HealthArgs;
use super::{Failure, client, ended, table};
use crate::api::{Ask, Client, HealthOfService, HealthOfServices, MaintenanceView, Maintenances, Transitions};
use crate::cli::exit::Exit;
use crate::cli::moment::Moment;
use crate::cli::output::{self, Paint};
use crate::cli::status::age;
use crate::model::health::{CheckHealth, Condition, HealthPolicy, HealthStatus, InstanceHealth, Maintenance, Verdict};

/// Services or lines per question; the most that a daemon gives.
const PAGE: usize = 1_000;

#[derive(Serialize)]
struct Report<'a> {
    services: &'a [HealthOfService],
    maintenance: &'a [MaintenanceView],
}

/// Shows how services are, or one with its instances, or what changed.
pub(in crate::cli) async fn health(flag: Option<PathBuf>, args: &HealthArgs) -> Exit {
    let asked = async {
        let mut client = client(flag, &args.remote)?;
        match (&args.service, args.history) {
            (service, true) => history(&mut client, service.as_deref(), args).await,
            (Some(service), false) => one(&mut client, service, args.format.json).await,
            (None, false) => all(&mut client, args.format.json).await,
        }
    };
    ended(asked.await)
}

/// Something fails that nobody works on.
fn exit(is_failing: bool) -> Exit {
    if is_failing { Exit::Differences } else { Exit::Done }
}

async fn all(client: &mut Client, json: bool) -> Result<Exit, Failure> {
    let services = summaries(client).await?;
    let Maintenances { maintenance } = client.ask(Ask::get(&["v1", "maintenance"])).await?;
    if json {
        output::json(&Report { services: &services, maintenance: &maintenance });
    } else {
        show_all(&services, &maintenance);
    }
    Ok(exit(services.iter().any(|service| service.unexpected > 0)))
}

async fn summaries(client: &mut Client) -> Result<Vec<HealthOfService>, Failure> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let ask = Ask::get(&["v1", "health", "services"]).query("limit", Some(PAGE)).query("after", after);
        let page: HealthOfServices = client.ask(ask).await?;
        all.extend(page.services);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

fn show_all(services: &[HealthOfService], maintenance: &[MaintenanceView]) {
    let paint = Paint::for_stdout();
    if services.is_empty() {
        output::line("nothing is checked: give a service a `[[service.check]]`");
    } else {
        let rows: Vec<_> = services.iter().map(summary_row).collect();
        let marked = |row: usize, column, cell| match column {
            1 => condition_of(&services[row]).painted(paint, cell),
            _ => cell,
        };
        table::show_painted(["SERVICE", "HEALTH", "PASSING", "FAILING", "UNKNOWN", "POLICY", "NOTE"], &rows, marked);
    }
    let problems = services.iter().flat_map(|service| service.problems.iter().map(move |one| (service, one)));
    let problems: Vec<_> = problems.collect();
    if !problems.is_empty() {
        output::line("");
        let row = |(service, one): &(&HealthOfService, &InstanceHealth)| {
            let [condition, since, published, why] = problem_cells(one, service.maintenance.as_ref());
            [service.service.to_string(), one.instance.to_string(), condition, since, published, why]
        };
        let rows: Vec<_> = problems.iter().map(row).collect();
        table::show_painted(
            ["SERVICE", "INSTANCE", "HEALTH", "SINCE", "PUBLISHED", "WHY"],
            &rows,
            |row, column, cell| if column == 2 { in_tone(paint, problems[row].1.condition, cell) } else { cell },
        );
        let hidden: usize = services.iter().map(|service| service.more_problems).sum();
        if hidden > 0 {
            output::line(format_args!("and {hidden} more: srvctl health SERVICE"));
        }
    }
    if !maintenance.is_empty() {
        output::line("");
        let row = |one: &MaintenanceView| {
            let MaintenanceView { of, maintenance: Maintenance { until, why, by } } = one;
            [of.to_string(), Moment::at(*until).to_string(), by.clone(), why.clone()]
        };
        let rows: Vec<_> = maintenance.iter().map(row).collect();
        table::show(["MAINTENANCE", "UNTIL", "WHO", "WHY"], &rows);
    }
}

/// What colour something has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Doubtful,
    Bad,
}

impl Tone {
    fn painted(self, paint: Paint, text: String) -> String {
        match self {
            Self::Good => paint.good(text),
            Self::Doubtful => paint.doubtful(text),
            Self::Bad => paint.bad(text),
        }
    }
}

fn condition_of(service: &HealthOfService) -> Tone {
    match (service.unexpected, service.failing, service.unknown) {
        (1.., ..) => Tone::Bad,
        (0, 0, 0) => Tone::Good,
        _ => Tone::Doubtful,
    }
}

fn summary_row(service: &HealthOfService) -> [String; 7] {
    let word = match condition_of(service) {
        Tone::Good => "passing",
        Tone::Bad => "failing",
        Tone::Doubtful if service.failing > 0 => "maintained",
        Tone::Doubtful => "unknown",
    };
    [
        service.service.to_string(),
        word.to_owned(),
        service.passing.to_string(),
        service.failing.to_string(),
        service.unknown.to_string(),
        policy(service.policy),
        notes(service).join("; "),
    ]
}

fn policy(policy: HealthPolicy) -> String {
    match policy {
        HealthPolicy::Withdraw { min_healthy } => format!("withdraw, down to {min_healthy}"),
        other => other.as_str().to_owned(),
    }
}

fn notes(service: &HealthOfService) -> Vec<String> {
    let mut notes = Vec::new();
    if service.isolated {
        notes.push("nothing new is withdrawn: most of what is checked anywhere fails at once".to_owned());
    }
    if service.floor_held {
        let floor = service.floor.map_or_else(String::new, |floor| format!(" of {floor}"));
        notes.push(format!("the floor{floor} keeps what fails published"));
    }
    for (count, what) in [(service.withdrawn, "withdrawn"), (service.deprioritised, "deprioritised")] {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    }
    match &service.maintenance {
        Some(maintenance) => notes.push(worked_on(maintenance)),
        None if service.in_maintenance > 0 => notes.push(format!("{} in maintenance", service.in_maintenance)),
        None => {}
    }
    notes
}

fn worked_on(Maintenance { until, why, by }: &Maintenance) -> String {
    format!("maintenance until {} ({by}: {why})", Moment::at(*until))
}

/// Condition, since when, what became of it, and why.
fn problem_cells(one: &InstanceHealth, of_service: Option<&Maintenance>) -> [String; 4] {
    let since = one.since.map_or_else(|| "-".to_owned(), |at| age(at / 1_000));
    let condition = if one.damped { format!("{}, flapping", one.condition) } else { one.condition.to_string() };
    let maintenance = one.maintenance.as_ref().or(of_service).map(worked_on);
    let why: Vec<_> =
        Some(one.reason.clone()).filter(|reason| !reason.is_empty()).into_iter().chain(maintenance).collect();
    [condition, since, one.publication.to_string(), why.join("; ")]
}

async fn one(client: &mut Client, service: &str, json: bool) -> Result<Exit, Failure> {
    let status: HealthStatus = client.ask(Ask::get(&["v1", "services", service, "health"])).await?;
    if json {
        output::json(&status);
    } else {
        show_one(&status);
    }
    let fails = |one: &InstanceHealth| one.condition == Condition::Failing && one.maintenance.is_none();
    Ok(exit(status.maintenance.is_none() && status.instances.iter().any(fails)))
}

fn show_one(status: &HealthStatus) {
    let paint = Paint::for_stdout();
    output::line(paint.strong(&status.service));
    output::line(format_args!("  policy: {}", policy(status.policy)));
    let [unknown, passing, failing] = Condition::ALL.map(|condition| status.count(condition));
    output::line(format_args!("  instances: {passing} passing, {failing} failing, {unknown} unknown"));
    if status.isolated {
        let why = "nothing new is withdrawn: most of what is checked anywhere fails at once";
        output::line(paint.bad(format_args!("  {why}")));
    }
    if let (true, Some(floor)) = (status.floor_held, status.floor) {
        output::line(paint.bad(format_args!(
            "  the floor holds: {passing} are healthy and {floor} have to be, so what fails stays published"
        )));
    }
    if let Some(maintenance) = &status.maintenance {
        output::line(paint.doubtful(format_args!("  {}", worked_on(maintenance))));
    }
    if status.instances.is_empty() {
        return;
    }
    output::line("");
    let rows: Vec<_> = status.instances.iter().map(instance_row).collect();
    table::show_painted(["INSTANCE", "HEALTH", "SINCE", "PUBLISHED", "CHECKS", "WHY"], &rows, |row, column, cell| {
        if column == 1 { in_tone(paint, status.instances[row].condition, cell) } else { cell }
    });
}

fn in_tone(paint: Paint, condition: Condition, text: String) -> String {
    let tone = match condition {
        Condition::Passing => Tone::Good,
        Condition::Failing => Tone::Bad,
        Condition::Unknown => Tone::Doubtful,
    };
    tone.painted(paint, text)
}

fn instance_row(one: &InstanceHealth) -> [String; 6] {
    let [condition, since, published, why] = problem_cells(one, None);
    let checks: Vec<_> = one.checks.iter().map(check).collect();
    let checks = if checks.is_empty() { "-".to_owned() } else { checks.join(", ") };
    [one.instance.to_string(), condition, since, published, checks, why]
}

/// What a check saw last.
fn check(check: &CheckHealth) -> String {
    let CheckHealth { kind, result, .. } = check;
    match result {
        None => format!("{kind}: not yet"),
        Some(result) => {
            let mark = if result.verdict == Verdict::Passing { String::new() } else { format!("{} ", result.verdict) };
            format!("{kind}: {mark}{} ({} ms)", result.text, result.latency.as_millis())
        }
    }
}

async fn history(client: &mut Client, service: Option<&str>, args: &HealthArgs) -> Result<Exit, Failure> {
    let mut all = Transitions { transitions: Vec::new(), next: None };
    loop {
        let missing = args.limit - all.transitions.len();
        let ask = Ask::get(&["v1", "health", "history"]).query("limit", Some(missing.clamp(1, PAGE)));
        let page: Transitions = client.ask(ask.query("service", service).query("before", all.next)).await?;
        all.transitions.extend(page.transitions);
        all.next = page.next;
        if all.next.is_none() || all.transitions.len() >= args.limit {
            all.transitions.truncate(args.limit);
            break;
        }
    }
    if args.format.json {
        output::json(&all);
    } else if all.transitions.is_empty() {
        output::line("nothing has changed");
    } else {
        let row = |one: &crate::api::NumberedTransition| {
            let one = &one.transition;
            let change = format!("{} → {}", one.from, one.to);
            let latency = one.latency_ms.map_or_else(|| "-".to_owned(), |latency| format!("{latency} ms"));
            let time = Moment::at(one.at / 1_000).to_string();
            [time, one.service.to_string(), one.instance.to_string(), change, latency, one.reason.clone()]
        };
        let rows: Vec<_> = all.transitions.iter().map(row).collect();
        table::show(["TIME", "SERVICE", "INSTANCE", "CHANGE", "LATENCY", "WHY"], &rows);
    }
    Ok(Exit::Done)
}
