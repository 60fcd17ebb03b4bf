//! A stranger deletes one of our records: how long until it is back, beside the time that BIND takes to say NOTIFY.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{
    Client, Named, Population, Settings, Setup, Site, ZONE, answer_count, free_address, milliseconds, serial,
};

const RECORDS: usize = 100_000;
const REPETITIONS: usize = 200;
/// Few enough for a plain UDP answer to hold them.
const INSTANCES: usize = 5;
const POLL: Duration = Duration::from_micros(200);
/// A daemon that listens has repaired it by then.
const PATIENCE: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_mins(2);
/// Of a daemon that does not listen.
const SHORT_INTERVAL: &str = "1s";

/// When each NOTIFY came, and with which serial.
type Heard = Receiver<(Instant, u32)>;

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let population = Population::of_records(scale.size(RECORDS), INSTANCES);
    let (daemon_at, harness) = (free_address(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let stranger = SocketAddr::from(([127, 0, 0, 2], 0));
    let named = Named::start(&setup(&population, daemon_at, harness.local_addr().unwrap(), stranger));
    let heard = listen(harness);
    let mut settings = Settings { notify_listen: Some(daemon_at), ..Settings::default() };
    let site = Site::new(&named, &population, &settings);
    let mut daemon = site.daemon();
    daemon.wait_in_sync();
    named.assert_untouched();
    let mut watch = Watch { population, named: &named, stranger: Client::from(stranger, named.address()), heard };
    // A poll may come in the right moment once, but not every time.
    let listens = (0..3).all(|attempt| watch.repair(attempt).0 < PATIENCE);
    if !listens {
        settings.interval = SHORT_INTERVAL;
        drop(daemon);
        site.configure(&named, &settings);
        daemon = site.daemon();
        daemon.wait_in_sync();
    }
    let mut ours = Series::new("daemon, from the delete until the record is back");
    let mut reference = Series::new("BIND, from the delete until its NOTIFY arrives");
    for repetition in 3..scale.size(REPETITIONS) + 3 {
        let (back, notified) = watch.repair(repetition);
        ours.push(milliseconds(back));
        reference.push(milliseconds(notified));
    }
    drop(daemon);
    site.assert_in_sync();
    let how = if listens { "by NOTIFY".to_owned() } else { format!("by polling every {SHORT_INTERVAL}") };
    let records = watch.population.zone_records();
    let note = format!("{} deletes in {records} records, seen {how}", scale.size(REPETITIONS));
    vec![Row { name: "drift".to_owned(), unit: "ms", ours, reference, target: Target::Within(10.0), note }]
}

fn setup(population: &Population, daemon: SocketAddr, harness: SocketAddr, stranger: SocketAddr) -> Setup<'_> {
    let target = |address: SocketAddr| format!("{} port {}", address.ip(), address.port());
    let key = crate::support::KEY_NAME;
    Setup {
        population: Some(population),
        options: "notify-rate 1000; startup-notify-rate 1000;".to_owned(),
        zone_options: format!(
            "notify explicit; notify-delay 0; also-notify {{ {} key \"{key}\"; {}; }};",
            target(daemon),
            target(harness)
        ),
        trusted: Some(stranger),
    }
}

/// Answers every NOTIFY, or it would be sent again.
fn listen(socket: UdpSocket) -> Heard {
    let (tell, heard) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, server)) = socket.recv_from(&mut buffer) {
            let at = Instant::now();
            let serial = serial(&buffer[..length]).unwrap_or_default();
            buffer[2] |= 0x80; // a response, otherwise the same
            let _ = socket.send_to(&buffer[..length], server);
            if tell.send((at, serial)).is_err() {
                return;
            }
        }
    });
    heard
}

struct Watch<'n> {
    population: Population,
    named: &'n Named,
    stranger: Client,
    heard: Heard,
}

impl Watch<'_> {
    /// Deletes a record: how long until it is back, and until the first NOTIFY about it.
    fn repair(&mut self, repetition: usize) -> (Duration, Duration) {
        // Far from the last one, and in no step with the daemon's or BIND's timers.
        let instance = repetition * 7919 % self.population.total_instances();
        sleep(Duration::from_millis(50 + repetition as u64 * 37 % 100));
        let srv = self.population.srv(instance);
        let mut client = self.named.client();
        let before = self.named.serial();
        assert_eq!(records(&mut client, &srv.owner), INSTANCES, "records at {} before the delete", srv.owner);
        let started = Instant::now();
        let rcode = self.stranger.delete(ZONE, &srv);
        assert_eq!(rcode, Some(0), "the stranger's delete was refused\n{}", self.named.log());
        while records(&mut client, &srv.owner) != INSTANCES {
            assert!(started.elapsed() < LIMIT, "{} was not repaired", srv.owner);
            sleep(POLL);
        }
        (started.elapsed(), self.notified(before) - started)
    }

    fn notified(&self, before: u32) -> Instant {
        loop {
            let (at, serial) = self.heard.recv_timeout(LIMIT).expect("BIND sends NOTIFY");
            if serial > before {
                return at;
            }
        }
    }
}

fn records(client: &mut Client, owner: &str) -> usize {
    answer_count(&client.srv(owner).expect("named answers"))
}
