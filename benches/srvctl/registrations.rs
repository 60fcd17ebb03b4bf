//! Many clients registering instances over the socket, and one registering alone, beside what people do today: an
//! `nsupdate` process, or an Ansible task, for each record.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{
    Api, Named, Population, Settings, Site, ZONE, answer_count, find, milliseconds, run as run_program,
};

const INSTANCES: usize = 10_000;
/// As many as one name takes by default.
const PER_SERVICE: usize = 100;
const CLIENTS: usize = 64;
/// What the project wants, acknowledged registrations per second.
const WANTED_RATE: f64 = 5_000.0;
/// From the request to the authoritative answer, milliseconds.
const WANTED_LATENCY: f64 = 10.0;
/// Records for which a process each is started.
const BY_PROCESS: usize = 200;
const BY_ANSIBLE: usize = 20;
/// Registrations one at a time.
const ALONE: usize = 200;
const POLL: Duration = Duration::from_micros(100);
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let mut ours = Series::new("acknowledged registrations, 64 clients");
    let mut nsupdate = Series::new("an nsupdate process per record");
    let mut ansible = Series::new("a community.general.nsupdate task per record");
    for _ in 0..scale.runs() {
        ours.push(load(scale.size(INSTANCES)));
        nsupdate.push(by_process(scale.size(BY_PROCESS).max(1)));
        ansible.push(by_ansible(scale.size(BY_ANSIBLE).max(1)));
    }
    let note =
        format!("{} instances, each durable when acknowledged, all in DNS and verified then", scale.size(INSTANCES));
    let row = |name: &str, reference| Row {
        name: name.to_owned(),
        unit: "1/s",
        ours: ours.clone(),
        reference,
        target: Target::Least(WANTED_RATE),
        note: note.clone(),
    };
    vec![row("registrations", nsupdate), row("registrations, ansible", ansible), alone(scale)]
}

fn instance(number: usize) -> Value {
    json!({ "host": format!("host-{number:05}"), "port": 9100, "metadata": { "team": "bench" } })
}

fn path(number: usize) -> String {
    format!("/v1/services/svc-{:05}/instances", number / PER_SERVICE)
}

/// An empty zone, and a daemon for it.
fn site(named: &Named) -> Site {
    Site::new(named, &Population::of_services(0), &Settings::default())
}

/// Acknowledged registrations per second.
fn load(instances: usize) -> f64 {
    let named = Named::empty();
    let site = site(&named);
    let mut daemon = site.daemon();
    daemon.wait_in_sync();
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut api = Api::connect(&site.socket()).expect("the daemon listens");
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= instances {
                        return;
                    }
                    api.expect(200, "POST", &path(number), Some(&instance(number)));
                }
            });
        }
    });
    let took = started.elapsed().as_secs_f64();
    daemon.wait_in_sync();
    let published = named.lines().iter().filter(|line| line.contains("\tSRV\t") || line.contains(" SRV ")).count();
    assert_eq!(published, instances, "instances in the zone");
    site.assert_verified();
    rate(instances, took)
}

/// Records per second.
fn by_process(records: usize) -> f64 {
    let named = Named::empty();
    let started = Instant::now();
    for number in 0..records {
        named.nsupdate(&update(number));
    }
    rate(records, started.elapsed().as_secs_f64())
}

fn update(number: usize) -> String {
    let owner = Population::owner_name(number / PER_SERVICE);
    format!("zone {ZONE}\nupdate add {owner} 300 SRV 0 0 9100 host-{number:05}.{ZONE}.\nsend\n")
}

/// Records per second. Each has a name of its own, since the module cannot add one to a set that is there.
fn by_ansible(records: usize) -> f64 {
    let named = Named::empty();
    let directory = TempDir::with_prefix("srvctl-bench-ansible-").unwrap();
    let (ip, port) = (named.address().ip(), named.address().port());
    let key = named.key();
    let mut play = format!(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n  - community.general.nsupdate:\n      \
         server: {ip}\n      port: {port}\n      key_name: {}\n      key_secret: {}\n      key_algorithm: {}\n      \
         zone: {ZONE}\n      type: SRV\n      ttl: 300\n      record: \"_svc-{{{{ item }}}}._tcp.{ZONE}.\"\n      \
         value: \"0 0 9100 host-{{{{ item }}}}.{ZONE}.\"\n    loop:\n",
        key.name, key.secret, key.algorithm
    );
    for number in 0..records {
        let _ = writeln!(play, "    - \"{number:05}\"");
    }
    let file = directory.path().join("play.yml");
    fs::write(&file, play).unwrap();
    let mut command = Command::new(find("ansible-playbook", "ansible"));
    command.arg("-i").arg("localhost,").arg(&file).env("ANSIBLE_HOME", directory.path());
    let started = Instant::now();
    let output = run_program(&mut command, "");
    let took = started.elapsed().as_secs_f64();
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(named.lines().iter().filter(|line| line.contains("SRV")).count(), records, "records in the zone");
    rate(records, took)
}

/// One registration at a time, and nobody else asks anything: how long from the request until the answer has it.
fn alone(scale: Scale) -> Row {
    let named = Named::empty();
    let site = site(&named);
    let mut daemon = site.daemon();
    daemon.wait_in_sync();
    let mut api = Api::connect(&site.socket()).expect("the daemon listens");
    let mut client = named.client();
    let mut ours = Series::new("a registration, from the request until the authoritative answer has it");
    let mut reference = Series::new("one nsupdate process, from its start until the answer has it");
    let mut seen = BTreeSet::new();
    for number in 0..scale.size(ALONE) {
        // In no step with anybody's timers.
        thread::sleep(Duration::from_millis(20 + number as u64 * 37 % 50));
        let service = number % 5;
        let mut until_there = |owner: &str, wanted: usize, act: &mut dyn FnMut()| {
            let started = Instant::now();
            act();
            while answer_count(&client.srv(owner).expect("named answers")) < wanted {
                assert!(started.elapsed() < LIMIT, "{owner} does not come");
                thread::sleep(POLL);
            }
            milliseconds(started.elapsed())
        };
        // At most five instances, so that a plain UDP answer holds them.
        let round = number / 5 % 5 + 1;
        let name = format!("alone-{}-{service}", number / 25);
        let body = instance(number);
        let register = format!("/v1/services/{name}/instances");
        ours.push(until_there(&format!("_{name}._tcp.{ZONE}"), round, &mut || {
            api.expect(200, "POST", &register, Some(&body));
        }));
        let other = format!("_other-{}-{service}._tcp.{ZONE}", number / 25);
        let commands = format!("zone {ZONE}\nupdate add {other} 300 SRV 0 0 9100 host-{number:05}.{ZONE}.\nsend\n");
        reference.push(until_there(&other, round, &mut || {
            named.nsupdate(&commands);
        }));
        seen.insert(name);
    }
    daemon.wait_in_sync();
    let note = format!("{} registrations, one after another, of {} services", scale.size(ALONE), seen.len());
    Row {
        name: "registration alone".to_owned(),
        unit: "ms",
        ours,
        reference,
        target: Target::Most(WANTED_LATENCY),
        note,
    }
}

fn rate(count: usize, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / seconds
}
