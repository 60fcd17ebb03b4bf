//! `/metrics`: what a real Prometheus gets of it, what promtool says of it, and that the alerts, the dashboard and the
//! README speak of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Daemon, EXAMPLE_RECORDS, Named, Prometheus, Settings, Site, Workspace, find, free_address, get_plain,
    notify_listen, principal, run, send_local,
};

const OPEN_METRICS: &str = "accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn metrics_listen(address: SocketAddr) -> String {
    format!("[metrics]\nlisten = \"{address}\"\n")
}

/// The example, followed by NOTIFYs, and where it is scraped.
fn example() -> (Named, Workspace, SocketAddr) {
    let (notify, metrics) = (free_address(), free_address());
    let named = Named::builder().notifies(notify).start();
    let more = notify_listen(notify) + &metrics_listen(metrics);
    let workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    workspace.write_example();
    (named, workspace, metrics)
}

fn scrape(address: SocketAddr) -> String {
    let reply = get_plain(address, "/metrics", OPEN_METRICS).unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let open = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(reply.head.contains(open) && reply.text.ends_with("# EOF\n"), "{reply:?}");
    reply.text
}

/// The names by which series are stored, and the labels of those that there are, each without `le`.
fn families(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut families = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" {
                "_total"
            } else if kind == "info" {
                "_info"
            } else {
                ""
            };
            families.insert(format!("{name}{suffix}"), BTreeSet::new());
        } else if let Some((name, rest)) = line.split_once('{') {
            let name =
                ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            let labels = rest.split_once('}').unwrap().0.split(',').filter_map(|label| label.split_once("=\""));
            let labels = labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le");
            families.get_mut(name).unwrap_or_else(|| panic!("no TYPE before {line}")).extend(labels);
        }
    }
    families
}

/// Every word that begins as our metrics do.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("srvctl_")).collect()
}

#[test]
fn a_real_prometheus_gets_samples_of_everything() {
    let (named, workspace, address) = example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    // Two SRV records are gone, and one A record is another. Somebody else's new name is no drift.
    named.nsupdate(
        "zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV\n\
         update delete centos9-vm.internal.local A\nupdate add centos9-vm.internal.local 300 A 192.0.2.9\n\
         update add stranger.internal.local 60 A 192.0.2.7",
    );
    let is_repaired = || EXAMPLE_RECORDS.iter().all(|record| named.zone_text().contains(&(*record).to_owned()));
    daemon.wait_for("the repair", is_repaired);
    let prometheus = Prometheus::scraping(address, &shipped("config/prometheus/srvctl.rules.yml"));
    for (expression, least) in [
        ("srvctl_zone_in_sync", 1.0),
        ("srvctl_zone_serial{zone=\"internal.local.\"}", 2.0),
        ("srvctl_zone_last_in_sync_timestamp_seconds > time() - 600", 1e9),
        ("srvctl_zone_owned_names", 4.0),
        ("srvctl_update_duration_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("srvctl_update_duration_seconds_count", 2.0),
        ("srvctl_transfers_total{kind=\"whole\"}", 1.0),
        ("srvctl_transfer_bytes_total{kind=\"incremental\"}", 200.0),
        ("srvctl_notifies_total{result=\"accepted\"}", 1.0),
        ("srvctl_instances", 4.0),
        ("srvctl_start_time_seconds", 1e9),
        ("count(srvctl_build_info{version=~\".+\"})", 1.0),
        ("count(srvctl_lookup_duration_seconds_bucket)", 15.0),
    ] {
        prometheus.wait_for_number(expression, |value| value >= least);
    }
    prometheus.wait_for_number("srvctl_drift_repaired_records_total", |value| (value - 3.0).abs() < 0.5);
    prometheus.wait_for_number("sum(srvctl_zone_outcome{outcome!=\"in_sync\"})", |value| value < 0.5);

    // The alerts and the dashboard's expressions are evaluated; that they are right, others say.
    let evaluated = |rules: &Value| {
        let rules = rules["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok")
    };
    daemon.wait_for("the alerts to be evaluated", || prometheus.ask("/api/v1/rules").is_some_and(|it| evaluated(&it)));
    for expression in dashboard_expressions() {
        let variables = ["$instance", "$zone", "$server"];
        let expression = variables.iter().fold(expression, |text, variable| text.replace(variable, ".*"));
        let answer = prometheus.query(&expression.replace("$__rate_interval", "1m")).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
    }
}

fn dashboard_expressions() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(shipped("config/grafana/srvctl.json")).unwrap()).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    let expressions: Vec<_> = targets.flatten().map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(expressions.len() > 20, "{expressions:?}");
    expressions
}

#[test]
fn alerts_dashboard_and_readme_speak_of_metrics_that_exist() {
    let (_named, workspace, address) = example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let families = families(&scrape(address));
    let exists = |name: &str| {
        let stem = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        families.contains_key(name)
            || stem.is_some_and(|stem| stem.ends_with("_seconds") && families.contains_key(stem))
    };
    for file in
        ["config/prometheus/srvctl.rules.yml", "config/prometheus/srvctl.rules.test.yml", "config/grafana/srvctl.json"]
    {
        let text = fs::read_to_string(shipped(file)).unwrap();
        let unknown: Vec<_> = mentioned(&text).into_iter().filter(|name| !exists(name)).collect();
        assert!(mentioned(&text).len() > 10 && unknown.is_empty(), "{file} speaks of {unknown:?}");
    }

    let readme = fs::read_to_string(shipped("README.md")).unwrap();
    let table = readme.split_once("| Metric | Labels | Tells |").expect("the README has the table").1;
    let mut described = BTreeMap::new();
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        // What is in brackets are values.
        let labels = cells[2].split('(').map(|part| part.rsplit(')').next().unwrap()).collect::<String>();
        let labels: BTreeSet<_> = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        described.extend(mentioned(cells[1]).into_iter().map(|name| (name.to_owned(), labels.clone())));
    }
    let names = |of: &BTreeMap<String, _>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&described), names(&families), "what the README describes, and what there is");
    for (name, labels) in families.iter().filter(|(_, labels)| !labels.is_empty()) {
        assert_eq!(described[name], *labels, "labels of {name}");
    }
}

#[test]
fn promtool_accepts_metrics_and_alerts() {
    let (_named, workspace, address) = example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let promtool = || Command::new(find("promtool", "prometheus"));
    // It knows the older format only.
    let reply = get_plain(address, "/metrics", "accept: */*\r\n").unwrap();
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{reply:?}");
    let linted = run(promtool().args(["check", "metrics"]), &reply.text);
    assert_eq!((linted.code, linted.stdout.as_str(), linted.stderr.as_str()), (0, "", ""), "{}", reply.text);
    for arguments in [["check", "rules", "srvctl.rules.yml"], ["test", "rules", "srvctl.rules.test.yml"]] {
        let output = run(promtool().args(arguments).current_dir(shipped("config/prometheus")), "");
        assert_eq!(output.code, 0, "{output:?}");
    }
}

#[test]
fn nothing_else_is_served_and_nobody_else_is_told() {
    let (site, _daemon) = {
        let mut site = Site::new("");
        let metrics = free_address();
        site.configure(&metrics_listen(site.address));
        let error = site.workspace.expect(1, &["check"]).stderr;
        assert!(error.contains("is taken already, by `[api] listen`"), "{error}");
        site.configure(&(principal("prometheus", "") + &metrics_listen(metrics)));
        let mut daemon = site.workspace.daemon();
        daemon.wait_in_sync();
        for path in ["/", "/v1/status", "/v1/health", "/metrics/", "/metrics/x", "/metricsx"] {
            let reply = get_plain(metrics, path, "").unwrap();
            assert!(reply.problem(404).contains("/metrics"), "{path}: {reply:?}");
        }
        assert!(scrape(metrics).contains("srvctl_zone_in_sync"));
        (site, daemon)
    };
    let local = send_local(&site.workspace.socket(), "GET", "/metrics", None);
    assert!(local.status == 200 && local.text.contains("srvctl_zone_in_sync"), "{local:?}");
    site.anybody().get("/metrics").problem(401);
    let reply = site.client("prometheus").get("/metrics");
    assert!(reply.status == 200 && reply.text.contains("srvctl_zone_in_sync"), "no grants are needed: {reply:?}");
    for secret in ["jenkins", "centos9"] {
        assert!(!reply.text.contains(secret), "{reply:?}");
    }
}

#[test]
fn two_hundred_instances_more_are_not_one_series_more() {
    let (_named, workspace, address) = example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let series =
        || scrape(address).lines().filter(|line| !line.starts_with('#')).map(series_of).collect::<BTreeSet<_>>();
    // Of what has never been there is no series, and the first round of look-ups comes after the zone is in sync.
    daemon.wait_for("a round of look-ups", || {
        series().iter().any(|series| series.starts_with("srvctl_verification_last_round_timestamp_seconds"))
    });
    let before = series();
    assert!(before.len() > 60, "{before:?}");
    let mut catalogue = String::new();
    for number in 0..200 {
        let service = number / 50;
        if number % 50 == 0 {
            let _ = write!(catalogue, "[[service]]\nname = \"many{service}\"\n");
        }
        let _ = write!(
            catalogue,
            "[[service.instance]]\nhost = \"h{number}\"\nport = 80\naddresses = [\"10.0.0.{}\"]\n",
            number + 1
        );
    }
    workspace.write_file("many.toml", &catalogue);
    let file = workspace.path().join("many.toml");
    workspace.expect(0, &["import", file.to_str().unwrap()]);
    daemon.wait_until("all of them", |status| status["instances"] == 204 && status["zones"][0]["outcome"] == "in_sync");
    assert!(scrape(address).contains("srvctl_instances 204\n"));
    assert_eq!(series(), before);
}

/// A sample without its value.
fn series_of(line: &str) -> String {
    line.rsplit_once(' ').unwrap().0.to_owned()
}

#[test]
fn the_listener_moves_without_a_gap_and_counters_stay() {
    let (named, mut workspace, old) = example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let configure = |workspace: &mut Workspace, more: &str| {
        workspace.configure(&Settings { more: more.to_owned(), ..Settings::for_server(&named) });
    };
    let changed = changed_records(&scrape(old));
    assert!(changed > 0);

    let taken = TcpListener::bind(free_address()).unwrap();
    configure(&mut workspace, &metrics_listen(taken.local_addr().unwrap()));
    daemon.signal("HUP");
    let status = daemon.wait_until("the error to show", |status| !status["config_error"].is_null());
    let error = status["config_error"].as_str().unwrap();
    assert!(error.contains("change `[metrics] listen`") && error.contains("in use"), "{error}");
    assert!(scrape(old).contains("\nsrvctl_config_error 1\n"), "the old one stays in force, and says so");

    // IPv6, and none.
    let new = SocketAddr::new("::1".parse().unwrap(), free_address().port());
    configure(&mut workspace, &metrics_listen(new));
    daemon.signal("HUP");
    wait_for_port(&mut daemon, new, true);
    wait_for_port(&mut daemon, old, false);
    daemon.wait_in_sync();
    assert_eq!(changed_records(&scrape(new)), changed, "what was counted before the reload is still counted");
    configure(&mut workspace, "");
    daemon.signal("HUP");
    wait_for_port(&mut daemon, new, false);
    assert_eq!(daemon.stop(), 0);
}

fn changed_records(text: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with("srvctl_changed_records_total{") && line.contains("\"add\""));
    line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn wait_for_port(daemon: &mut Daemon, address: SocketAddr, is_open: bool) {
    daemon.wait_for(&format!("{address} to be open: {is_open}"), || {
        get_plain(address, "/metrics", "").is_ok() == is_open
    });
}

#[test]
fn what_waits_and_what_is_in_the_way_is_told() {
    let (named, workspace, address) = example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    named.nsupdate("zone internal.local\nupdate add new.internal.local 300 A 192.0.2.7");
    let service = |addresses: &Value| {
        format!(
            "[[service]]\nname = \"new\"\n[[service.instance]]\nhost = \"new\"\nport = 80\naddresses = {addresses}\n"
        )
    };
    workspace.write_service("new.toml", &service(&json!(["10.0.0.1"])));
    let status = daemon.wait_until("the conflict", |status| status["zones"][0]["conflicts"] == 1);
    assert_eq!(status["zones"][0]["outcome"], "incomplete");
    let text = scrape(address);
    for line in ["srvctl_zone_conflicts{zone=\"internal.local.\"} 1", "srvctl_zone_in_sync{zone=\"internal.local.\"} 0"]
    {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    // The way is free: that is no drift.
    named.nsupdate("zone internal.local\nupdate delete new.internal.local");
    daemon.wait_in_sync();
    assert!(scrape(address).contains("srvctl_drift_repaired_records_total{zone=\"internal.local.\"} 0\n"));

    // Everything goes: held.
    for file in ["new.toml", "jenkins.toml", "node-exporter.toml"] {
        workspace.remove_service(file);
    }
    let status = daemon.wait_until("the held plan", |status| !status["zones"][0]["held"].is_null());
    let removed = &status["zones"][0]["held"]["removed"];
    let text = scrape(address);
    let pending = status["zones"][0]["pending_names"].as_u64().unwrap();
    assert!(pending > 0, "{status}");
    for line in [
        "srvctl_zone_held{zone=\"internal.local.\"} 1".to_owned(),
        format!("srvctl_zone_held_records{{zone=\"internal.local.\"}} {removed}"),
        format!("srvctl_zone_pending_names{{zone=\"internal.local.\"}} {pending}"),
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
}
