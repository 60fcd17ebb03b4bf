//! What Prometheus is told past DNS, `http_sd` and `file_sd`, with the real Prometheus and the real vmagent: labels
//! arrive, and nobody is lost when srvctl is away or somebody has emptied its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Api, Daemon, Named, Prometheus, Reply, Settings, Site, Vmagent, Workspace, assert_golden, find, free_address,
    get_plain, grant, outcome, poll, principal, run,
};

const PATH: &str = "/sd/prometheus";

/// Jenkins over TLS, and a database with a team of its own on one host.
const SERVICES: &str = r#"
[[service]]
name = "jenkins"
metadata = { team = "devops", environment = "production" }
[service.scrape]
scheme = "https"
metrics_path = "/prometheus"
scrape_interval = "2s"
params = { depth = "1" }

[[service.instance]]
host = "centos9-vm"
port = 8080
priority = 10
weight = 10

[[service.instance]]
host = "centos9-vm2"
port = 8080
metadata = { team = "ops", rack = "r7", "__address__" = "elsewhere:1" }

[[service]]
name = "db"

[[service.instance]]
host = "centos9-vm"
port = 5432
"#;

/// A list that the daemon serves, with the files that it writes.
struct Listing {
    named: Named,
    workspace: Workspace,
    address: SocketAddr,
}

impl Listing {
    /// `files` are `[[discovery.file]]` tables.
    fn new(files: &str) -> Self {
        Self::of(Named::start(), files)
    }

    fn of(named: Named, files: &str) -> Self {
        let address = free_address();
        let more = format!("[discovery]\nlisten = \"{address}\"\n{files}");
        let settings = Settings { more, interval: "1s".to_owned(), ..Settings::for_server(&named) };
        let workspace = Workspace::with(&settings);
        Self { named, workspace, address }
    }

    fn get(&self, query: &str) -> Reply {
        get_plain(self.address, &format!("{PATH}{query}"), "").unwrap()
    }

    /// The targets that are listed now, in their order.
    fn listed(&self, query: &str) -> Vec<String> {
        let reply = self.get(query);
        assert_eq!(reply.status, 200, "{reply:?}");
        targets(&reply.json())
    }

    fn wait_for(&self, daemon: &mut Daemon, query: &str, expected: &[&str]) {
        daemon.wait_for(&format!("the list {expected:?}"), || {
            get_plain(self.address, &format!("{PATH}{query}"), "")
                .is_ok_and(|reply| reply.status == 200 && targets(&reply.json()) == expected)
        });
    }
}

fn targets(list: &Value) -> Vec<String> {
    let groups = list.as_array().unwrap().iter();
    groups.map(|group| group["targets"][0].as_str().unwrap().to_owned()).collect()
}

/// Why there is no list, by the status.
fn waits_for(status: &Value) -> &str {
    status["discovery"]["waits_for"].as_str().unwrap_or_default()
}

fn in_file(path: &Path) -> Option<Vec<String>> {
    serde_json::from_slice(&fs::read(path).ok()?).ok().map(|list| targets(&list))
}

/// The scrape configuration of the README, with another address and asked for more often.
fn scrape_configs(address: SocketAddr) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split_once("## Labels past DNS").expect("the README has the section").1;
    let yaml = section.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let yaml = yaml.replace("127.0.0.1:5303", &address.to_string());
    assert!(yaml.contains(&address.to_string()) && yaml.contains("refresh_interval: 30s"), "{yaml}");
    yaml.replace("refresh_interval: 30s", "refresh_interval: 1s")
}

#[test]
fn labels_arrive_in_prometheus_and_stay_while_srvctl_is_away() {
    let listing = Listing::new("[[discovery.file]]\npath = \"sd/ops.json\"\nmetadata = { team = \"ops\" }\n");
    let Listing { workspace, address, .. } = &listing;
    workspace.write_service("all.toml", SERVICES);
    let directory = workspace.path().join("sd");
    fs::create_dir(&directory).unwrap();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    listing.wait_for(&mut daemon, "", &["centos9-vm.internal.local:5432", JENKINS[0], JENKINS[1]]);
    let files = format!(
        "  - job_name: files\n    file_sd_configs: [{{ files: ['{}/*.json'] }}]\n    relabel_configs:\n      \
         - {{ action: labelmap, regex: '__meta_srvctl_meta_((?:[a-zA-Z]|_[a-zA-Z0-9]).*)' }}\n      - {{ target_label: instance, replacement: from-file }}\n",
        directory.display()
    );
    let config = scrape_configs(*address) + &files;
    workspace.write_file("prometheus.yml", &config);
    let check = run(
        Command::new(find("promtool", "prometheus"))
            .args(["check", "config"])
            .arg(workspace.path().join("prometheus.yml")),
        "",
    );
    assert_eq!(check.code, 0, "{check:?}");

    let prometheus = Prometheus::configured(&config);
    let by_instance = || {
        let answer = prometheus.ask("/api/v1/targets?state=active")?;
        let targets = answer["data"]["activeTargets"].as_array()?.clone();
        let named = targets.into_iter().map(|target| Some((target["labels"]["instance"].as_str()?.to_owned(), target)));
        named.collect::<Option<BTreeMap<_, _>>>()
    };
    daemon.wait_for("the targets in Prometheus", || by_instance().is_some_and(|targets| targets.len() == 4));
    let found = by_instance().unwrap();
    let first = &found[JENKINS[0]];
    let labels = json!({"environment": "production", "instance": JENKINS[0], "job": "jenkins", "team": "devops"});
    assert_eq!(first["labels"], labels);
    assert_eq!(first["scrapeUrl"], format!("https://{}/prometheus?depth=1", JENKINS[0]));
    assert_eq!((&first["scrapeInterval"], &first["scrapeTimeout"]), (&json!("2s"), &json!("2s")));
    assert_eq!(found[JENKINS[1]]["labels"]["team"], "ops");
    assert_eq!(found["centos9-vm.internal.local:5432"]["labels"]["job"], "db");
    let labels =
        json!({"environment": "production", "instance": "from-file", "job": "files", "team": "ops", "rack": "r7"});
    assert_eq!(found["from-file"]["labels"], labels);

    // An outage that Prometheus notices, and takes nobody away for.
    daemon.signal("KILL");
    daemon.ended();
    let noticed = poll(Duration::from_secs(30), || (prometheus.failed_lists() >= 2.0).then_some(()));
    assert!(noticed.is_some(), "Prometheus has asked in vain {} times", prometheus.failed_lists());
    let same = |targets: &BTreeMap<String, Value>| targets.keys().eq(found.keys());
    assert!(by_instance().is_some_and(|targets| same(&targets)));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    listing.wait_for(&mut daemon, "", &["centos9-vm.internal.local:5432", JENKINS[0], JENKINS[1]]);
    assert!(by_instance().is_some_and(|targets| same(&targets)));

    // Who is taken out on purpose leaves, from the middle of the list. Who stands behind them gets another place in it, and
    // is scraped on: a new target would not have been scraped yet.
    let is_scraped = |target: &Value| !target["lastScrape"].as_str().unwrap().starts_with("0001-");
    daemon.wait_for("a scrape", || by_instance().is_some_and(|targets| is_scraped(&targets[JENKINS[1]])));
    let first = "[[service.instance]]\nhost = \"centos9-vm\"\nport = 8080\npriority = 10\nweight = 10\n";
    workspace.write_service("all.toml", &SERVICES.replace(first, ""));
    listing.wait_for(&mut daemon, "", &["centos9-vm.internal.local:5432", JENKINS[1]]);
    daemon.wait_for("the end in Prometheus", || {
        let targets = by_instance().unwrap();
        assert!(is_scraped(&targets[JENKINS[1]]), "{targets:?}");
        targets.len() == 3
    });
}

const JENKINS: [&str; 2] = ["centos9-vm.internal.local:8080", "centos9-vm2.internal.local:8080"];

#[test]
fn vmagent_takes_the_same_list() {
    let listing = Listing::new("");
    listing.workspace.write_service("all.toml", SERVICES);
    let mut daemon = listing.workspace.daemon();
    daemon.wait_in_sync();
    let url = format!("http://{}{PATH}?service=jenkins&meta.team=ops", listing.address);
    let config = format!(
        "scrape_configs:\n  - job_name: srvctl\n    http_sd_configs: [{{ url: '{url}' }}]\n    relabel_configs:\n      \
         - {{ action: labelmap, regex: '__meta_srvctl_meta_((?:[a-zA-Z]|_[a-zA-Z0-9]).*)' }}\n"
    );
    let vmagent = Vmagent::configured(&config);
    let mut found = BTreeMap::new();
    daemon.wait_for("the target in vmagent", || {
        found = vmagent.described().unwrap_or_default();
        found.len() == 1
    });
    let target = &found[JENKINS[1]];
    assert_eq!((&target["labels"]["team"], &target["labels"]["rack"]), (&json!("ops"), &json!("r7")), "{target}");
    assert_eq!(target["scrapeUrl"], format!("https://{}/prometheus?depth=1", JENKINS[1]), "{target}");
    assert_eq!(target["discoveredLabels"]["__scrape_interval__"], "2s", "{target}");
}

/// Twelve instances with a label each.
fn many(count: usize) -> String {
    let mut text = "[[service]]\nname = \"web\"\nmetadata = { team = \"web\" }\n".to_owned();
    for index in 0..count {
        write!(text, "[[service.instance]]\nhost = \"h{index:02}\"\nport = 80\nmetadata = {{ at = \"{index}\" }}\n")
            .unwrap();
    }
    text
}

#[test]
fn what_a_plan_is_held_for_stays_listed_over_a_restart_too() {
    let listing = Listing::new("[[discovery.file]]\npath = \"web.json\"\nservices = [\"web\"]\n");
    let Listing { named, workspace, address } = &listing;
    workspace.write_service("web.toml", &many(12));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let job = format!(
        "scrape_configs: [{{ job_name: web, http_sd_configs: [{{ url: 'http://{address}{PATH}', refresh_interval: 1s }}] }}]\n"
    );
    let mut prometheus = Prometheus::configured(&job);
    let hosts: Vec<_> = (0..12).map(|index| format!("h{index:02}.internal.local:80")).collect();
    let all = [("web".to_owned(), hosts.iter().cloned().collect::<BTreeSet<_>>())].into();
    prometheus.wait_until(&all);
    let file = workspace.path().join("web.json");
    daemon.wait_for("the file", || in_file(&file).is_some_and(|targets| targets == hosts));
    let whole = listing.get("").text;

    // Somebody empties the file, by accident.
    workspace.write_service("web.toml", "# nothing any more\n");
    let status = daemon.wait_until("held", |status| outcome(status) == "held");
    assert_eq!((&status["instances"], &status["discovery"]["kept"]), (&json!(0), &json!(12)), "{status}");
    assert_eq!(listing.get("").text, whole, "with every label");
    assert_eq!(listing.listed("?meta.at=7"), [hosts[7].clone()]);
    assert!(workspace.expect(4, &["status"]).stdout.contains("12 of them are not in force any more"));
    let written = fs::metadata(&file).unwrap().ino();

    assert_eq!(daemon.stop(), 0);
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("held", |status| outcome(status) == "held" && status["discovery"]["targets"] == 12);
    assert_eq!(listing.get("").text, whole, "after a restart");
    assert_eq!(fs::metadata(&file).unwrap().ino(), written, "what the file has is still right");
    assert_eq!(prometheus.targets().as_ref(), Some(&all));

    // When nobody knows any more how they were listed, an error keeps them in Prometheus.
    assert_eq!(daemon.stop(), 0);
    fs::remove_file(workspace.path().join("state/targets.json")).unwrap();
    let mut daemon = workspace.daemon();
    let why = "a plan is held in the zone internal.local.";
    daemon.wait_until("held", |status| outcome(status) == "held" && waits_for(status).contains(why));
    let failed = prometheus.failed_lists();
    assert!(listing.get("").problem(503).contains(why));
    assert!(workspace.expect(4, &["status"]).stdout.contains("nothing is listed for Prometheus yet: a plan is held"));
    daemon.wait_for("Prometheus to ask in vain", || prometheus.failed_lists() > failed);
    assert_eq!(prometheus.targets().as_ref(), Some(&all));
    assert_eq!(in_file(&file), Some(hosts), "nothing is written before all is known");

    let plan = status["zones"][0]["held"]["id"].as_str().unwrap();
    workspace.expect(0, &["apply", "--accept", plan]);
    listing.wait_for(&mut daemon, "", &[]);
    assert_eq!(listing.get("").text, "[]\n");
    daemon.wait_for("the empty file", || in_file(&file).is_some_and(|targets| targets.is_empty()));
    assert!(!named.zone_text().iter().any(|line| line.contains(" SRV ")));
    prometheus.wait_until(&BTreeMap::new());
}

#[test]
fn nobody_is_listed_before_the_zone_is_known() {
    let mut listing = Listing::new("[[discovery.file]]\npath = \"web.json\"\n");
    listing.workspace.write_service("web.toml", &many(2));
    listing.named.stop();
    let mut daemon = listing.workspace.daemon();
    daemon.wait_until("the failure", |status| outcome(status) == "failed");
    let why = "the zone internal.local. has not been compared";
    daemon.wait_until("the reason", |status| waits_for(status).contains(why));
    assert!(listing.get("").problem(503).contains(why));
    assert!(!listing.workspace.path().join("web.json").exists());
    listing.named.start_again();
    daemon.wait_in_sync();
    listing.wait_for(&mut daemon, "", &["h00.internal.local:80", "h01.internal.local:80"]);

    // Known once, who comes is listed at once, and who goes waits for DNS to let them go.
    listing.named.stop();
    listing.workspace.write_service("web.toml", &many(3).replace("h00", "other"));
    let expected =
        ["h00.internal.local:80", "h01.internal.local:80", "h02.internal.local:80", "other.internal.local:80"];
    listing.wait_for(&mut daemon, "", &expected);
    listing.named.start_again();
    listing.wait_for(&mut daemon, "", &expected[1..]);
}

/// What comes back for these lines of a request.
fn raw(address: SocketAddr, request: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request}host: srvctl\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Reply::parse(&answer).unwrap()
}

#[test]
fn the_answer_is_what_prometheus_demands() {
    let listing = Listing::new("");
    let Listing { workspace, address, .. } = &listing;
    workspace.write_service("all.toml", SERVICES);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.expect(0, &["register", "db", "--host", "db2", "--port", "5432", "--id", "second", "--meta", "rack=r 9"]);
    workspace.expect(0, &["maintain", "centos9-vm2", "--for", "1h", "--why", "new disk"]);
    let maintained = "\"__meta_srvctl_maintenance\":\"true\"";
    daemon.wait_for("the maintenance", || {
        let text = listing.get("").text;
        text.matches(maintained).count() == 1 && text.contains("\"second\"")
    });
    let reply = listing.get("");
    assert!(reply.head.contains("\r\ncontent-type: application/json\r\n"), "{reply:?}");
    assert_golden("http-sd.json", &reply.text);
    let etag = reply.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();

    let head = raw(*address, &format!("HEAD {PATH} HTTP/1.1\r\n"));
    assert_eq!((head.status, &*head.text), (200, ""));
    assert!(
        head.head.contains(&etag) && head.head.contains(&format!("content-length: {}", reply.text.len())),
        "{head:?}"
    );
    let again = get_plain(*address, PATH, &format!("if-none-match: {etag}\r\n")).unwrap();
    assert_eq!((again.status, &*again.text), (304, ""));
    let other = get_plain(*address, &format!("{PATH}?service=db"), &format!("if-none-match: {etag}\r\n")).unwrap();
    assert_eq!((other.status, targets(&other.json()).len()), (200, 2));

    for (query, why) in [
        ("?team=devops", "there is no parameter `team`"),
        ("?service=", "`service` has no value"),
        ("?service=_jenkins._tcp.elsewhere.local", "`elsewhere.local` is not a managed zone"),
        ("?health=well", "`well` is none of"),
    ] {
        assert!(listing.get(query).problem(400).contains(why), "{query}");
    }
    assert_eq!(listing.get("?service=nobody").text, "[]\n");
    get_plain(*address, "/metrics", "").unwrap().problem(404);
    assert_eq!(raw(*address, &format!("DELETE {PATH} HTTP/1.1\r\n")).status, 405);
    let metrics = Api::connect(&workspace.socket()).unwrap().ask("GET", PATH, None);
    assert_eq!(metrics.body, listing.get("").json(), "the API has the same");
}

#[test]
fn over_tls_one_sees_what_one_may_read() {
    let reader = principal("reader", &grant("jenkins", "access = \"read\""));
    let (mut site, mut daemon) = Site::started(&reader);
    let asked = || site.client("reader").get(PATH);
    assert!(asked().problem(404).contains("this daemon lists no targets"), "without [discovery]");
    site.workspace
        .write_service("db.toml", "[[service]]\nname = \"db\"\n[[service.instance]]\nhost = \"d\"\nport = 1\n");
    site.configure(&(reader + "[discovery]\n"));
    daemon.signal("HUP");
    daemon.wait_until("both", |status| status["discovery"]["targets"] == 3 && outcome(status) == "in_sync");
    let asked = |query: &str| site.client("reader").get(&format!("{PATH}{query}"));
    assert_eq!(targets(&asked("").json()), JENKINS);
    assert_eq!(asked("?service=_jenkins._udp").text, "[]\n");
    for hidden in ["?service=db", "?service=_db._udp"] {
        assert!(asked(hidden).problem(403).contains("reader may see none of the services"), "{hidden}");
    }
    assert!(asked("?service=_db._tcp.internal.local").problem(403).contains("reader may not see the service"));
    site.anybody().get(PATH).problem(401);

    let [server, ca_file, token_file] = site.asked_by("reader");
    let sd = |path: &str, token: &str| {
        format!(
            "http_sd_configs: [{{ url: '{server}{path}', refresh_interval: 1s, \
             authorization: {{ type: Bearer, credentials_file: '{token}' }}, tls_config: {{ ca_file: '{ca_file}' }} }}]"
        )
    };
    site.workspace.write_file("wrong.token", "wrong\n");
    let wrong = site.workspace.path().join("wrong.token").display().to_string();
    let config = format!(
        "scrape_configs:\n- {{ job_name: reader, {} }}\n- {{ job_name: stranger, {} }}\n",
        sd(PATH, &token_file),
        sd(PATH, &wrong)
    );
    let mut prometheus = Prometheus::configured(&config);
    prometheus.wait_until(&[("reader".to_owned(), JENKINS.map(str::to_owned).into())].into());
    assert!(prometheus.failed_lists() >= 1.0);
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_tried_again() {
    let files = "[[discovery.file]]\npath = \"later/web.json\"\n[[discovery.file]]\npath = \"all.json\"\n";
    let listing = Listing::new(files);
    let workspace = &listing.workspace;
    workspace.write_service("web.toml", &many(2));
    let mut daemon = workspace.daemon();
    let both = ["h00.internal.local:80", "h01.internal.local:80"];
    let (later, all) = (workspace.path().join("later/web.json"), workspace.path().join("all.json"));
    let has_both = |path: &Path| in_file(path).is_some_and(|targets| targets == both);
    daemon.wait_for("the other file", || has_both(&all));
    let failed =
        |status: &Value| status["discovery"]["files"][0]["error"].as_str().is_some_and(|why| why.contains("create it"));
    daemon.wait_until("the error", failed);
    let shown = workspace.expect(3, &["status"]).stdout;
    assert!(
        shown.contains("/later does not exist: create it") && shown.contains("all.json: 2 targets, written"),
        "{shown}"
    );
    fs::create_dir(later.parent().unwrap()).unwrap();
    daemon.wait_for("the file after all", || has_both(&later));
    // Somebody else's word does not stand for long.
    fs::write(&all, "[]").unwrap();
    daemon.wait_for("the repair", || has_both(&all));
    daemon.wait_until("no error", |status| status["discovery"]["files"][0]["error"].is_null());
    assert_eq!(daemon.stop(), 0);
    assert!(has_both(&all) && has_both(&later), "they stay when the daemon ends");
    let beside: Vec<_> = fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().ends_with(".srvctl-new")), "{beside:?}");
}

#[test]
fn the_readme_shows_a_real_answer() {
    let listing = Listing::new("");
    listing.workspace.write_example();
    let mut daemon = listing.workspace.daemon();
    daemon.wait_in_sync();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split_once("$ curl -s 'http://127.0.0.1:5303/sd/prometheus").unwrap().1;
    let (query, shown) = shown.split_once("' | jq\n").unwrap();
    let shown: Value = serde_json::from_str(shown.split_once("\n$").unwrap().0).unwrap();
    listing.wait_for(&mut daemon, query, &JENKINS[..1]);
    assert_eq!(listing.get(query).json(), shown);
}

#[test]
fn what_is_registered_stays_listed_when_nobody_can_read_it() {
    let listing = Listing::new("");
    let workspace = &listing.workspace;
    let check = "[[service.check]]\ntype = \"http\"\nurl = \"http://127.0.0.1:1/\"\ninterval = \"1s\"\ntimeout = \"1s\"\nfall = 1\n";
    workspace.write_service(
        "web.toml",
        &many(2)
            .replace("[[service.instance]]\nhost = \"h00\"", &format!("{check}[[service.instance]]\nhost = \"h00\"")),
    );
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.expect(0, &["register", "web", "--host", "h07", "--port", "81", "--id", "seven", "--meta", "rack=r7"]);
    let all = ["h00.internal.local:80", "h01.internal.local:80", "h07.internal.local:81"];
    listing.wait_for(&mut daemon, "?health=failing", &all);
    let whole = listing.get("").text;
    assert_eq!(daemon.stop(), 0);
    workspace.write_file("state/registrations.db", "no database");
    let mut daemon = workspace.daemon();
    let is_held = |status: &Value| outcome(status) == "held" && status["discovery"]["targets"] == 3;
    daemon.wait_until("held", |status| is_held(status) && status["store_error"].is_string());
    assert_eq!(listing.get("").text, whole, "and everything is said that was known of them");
    assert_eq!(listing.listed("?health=failing"), all);
}

/// Why somebody stays listed, by the status.
fn stays(status: &Value) -> String {
    status["discovery"]["held"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect()
}

#[test]
fn a_lost_source_takes_nobody_from_the_list_whom_dns_never_had() {
    let named = Named::builder().records("_web._tcp 60 SRV 5 5 5555 elsewhere").start();
    let listing = Listing::of(named, "[[discovery.file]]\npath = \"web.json\"\n");
    let workspace = &listing.workspace;
    workspace.write_service("web.toml", &many(3));
    let mut daemon = workspace.daemon();
    let hosts = ["h00.internal.local:80", "h01.internal.local:80", "h02.internal.local:80"];
    listing.wait_for(&mut daemon, "", &hosts);
    daemon.wait_until("the obstacle", |status| outcome(status) == "incomplete");
    let target_file = workspace.path().join("web.json");
    daemon.wait_for("the file", || in_file(&target_file).is_some_and(|targets| targets == hosts));
    let whole = listing.get("").text;

    // As a mount that is lost.
    let file = workspace.path().join("services.d/web.toml");
    fs::rename(&file, workspace.path().join("away")).unwrap();
    let status = daemon.wait_until("the reason", |status| stays(status).contains("no file matches"));
    assert_eq!(status["discovery"]["kept"], 3, "{status}");
    assert_eq!(listing.get("").text, whole);
    assert_eq!(in_file(&target_file).unwrap(), hosts);
    assert!(
        workspace.expect(4, &["status"]).stdout.contains("targets of internal.local. stay listed: no file matches")
    );
    fs::rename(workspace.path().join("away"), &file).unwrap();
    daemon.wait_until("the file", |status| status["discovery"]["kept"] == 0 && stays(status).is_empty());

    // As one that was cut off.
    workspace.write_service("web.toml", "# nothing\n");
    daemon.wait_until("the reason", |status| stays(status).contains("3 of 3 listed targets are gone"));
    assert_eq!(listing.get("").text, whole);
    // It was on purpose.
    assert_eq!(daemon.stop(), 0);
    fs::remove_file(workspace.path().join("state/targets.json")).unwrap();
    let mut daemon = workspace.daemon();
    listing.wait_for(&mut daemon, "", &[]);
    daemon.wait_for("the empty file", || in_file(&target_file).is_some_and(|targets| targets.is_empty()));
}

#[test]
fn a_lost_database_takes_nobody_from_the_list_whom_dns_has_lost_too() {
    let listing = Listing::new("");
    let Listing { workspace, named, .. } = &listing;
    workspace.write_service("web.toml", &many(12));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let register = ["register", "web", "--host", "h99", "--port", "81"];
    workspace.expect(0, &register);
    daemon.wait_until("the registration", |status| status["discovery"]["targets"] == 13);
    daemon.wait_in_sync();
    let text = listing.get("").text;
    assert_eq!(daemon.stop(), 0);

    // The zone is one from before, and the database damaged, then made anew.
    let state = workspace.path().join("state");
    let forget = || {
        let lines = named.zone_text();
        let names: BTreeSet<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
        let ours = names.into_iter().filter(|name| name.contains("_web") || name.contains("_srvctl"));
        let deletes = ours.map(|name| format!("\nupdate delete {name}")).collect::<Vec<_>>().concat();
        named.nsupdate(&format!("zone internal.local{deletes}"));
    };
    forget();
    workspace.write_file("state/registrations.db", "no database");
    let mut daemon = workspace.daemon();
    let stays_for =
        |why: &'static str| move |status: &Value| outcome(status) == "in_sync" && stays(status).contains(why);
    daemon.wait_until("the reason", stays_for("what is registered is not known"));
    assert_eq!(listing.get("").text, text);
    assert_eq!(daemon.stop(), 0);

    forget();
    for file in fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()) {
        if file.file_name().unwrap().to_string_lossy().starts_with("registrations") {
            fs::remove_file(file).unwrap();
        }
    }
    let mut daemon = workspace.daemon();
    daemon.wait_until("the reason", stays_for("the database of registrations is new"));
    assert_eq!(listing.get("").text, text);
    workspace.expect(0, &register);
    daemon.wait_until("nobody is missed", |status| status["discovery"]["kept"] == 0 && stays(status).is_empty());
    assert_eq!(listing.get("").text, text);
}
