//! `srvctl compare`: static targets beside DNS, with a real Prometheus that has both.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use srvctl::reconcile::parity::Asked;
use tempfile::TempDir;

use crate::scripted::{Servers, always, replying};
use crate::support::{
    Authority, Certificate, Named, Prometheus, Targets, Workspace, assert_golden, free_address, in_private_network,
    poll, strings,
};

/// The study's own jobs, and one that is to take over from the second.
const COEXISTENCE: &str = "\
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: jenkins-devops
    static_configs:
      - targets: ['centos9-vm.internal.local:8080']
        labels: { team: devops, environment: production }
  - job_name: node-exporter
    static_configs:
      - targets: ['centos9-vm.internal.local:9100', 'centos9-vm2.internal.local:9100']
        labels: { environment: production }
  - job_name: dns-sd-node-exporter
    dns_sd_configs:
      - { names: ['_node-exporter._tcp.internal.local.'], refresh_interval: 1s }
    relabel_configs:
      - { target_label: environment, replacement: production }
";

const NODES: &str = r#"
[[service]]
name = "node-exporter"

[[service.instance]]
host = "centos9-vm"
port = 9100

[[service.instance]]
host = "centos9-vm2"
port = 9100
"#;

const JENKINS: &str = r#"
[[service]]
name = "jenkins"
metadata = { team = "devops", environment = "production" }

[service.scrape]
job_name = "jenkins-devops"

[[service.instance]]
host = "centos9-vm"
port = 8080
"#;

fn job<'r>(report: &'r Value, name: &str) -> &'r Value {
    let jobs = report["jobs"].as_array().unwrap();
    jobs.iter().find(|job| job["job"] == name).unwrap_or_else(|| panic!("{name} in {report}"))
}

fn outcomes(report: &Value) -> Vec<&str> {
    report["jobs"].as_array().unwrap().iter().map(|job| job["outcome"].as_str().unwrap()).collect()
}

#[test]
fn static_targets_are_validated_beside_those_from_dns() {
    in_private_network("compare::static_targets_are_validated_beside_those_from_dns", || {
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).start();
        let workspace = Workspace::new(&named);
        workspace.write_service("node-exporter.toml", NODES);
        workspace.write_service("jenkins.toml", JENKINS);
        workspace.write_file("prometheus.yml", COEXISTENCE);
        let file = workspace.path().join("prometheus.yml");
        let by_file = ["compare", "--prometheus-config", file.to_str().unwrap()];

        // Nothing is published yet.
        let shown = workspace.expect(3, &by_file).stdout;
        assert_golden("compare-before.txt", &shown);
        let mut prometheus = Prometheus::configured(COEXISTENCE);
        let nodes = ["centos9-vm.internal.local:9100", "centos9-vm2.internal.local:9100"].map(str::to_owned);
        let mut expected: Targets = [
            ("jenkins-devops".to_owned(), ["centos9-vm.internal.local:8080".to_owned()].into()),
            ("node-exporter".to_owned(), nodes.clone().into()),
        ]
        .into();
        prometheus.wait_until(&expected);
        let url = prometheus.url();
        let by_url = ["compare", "--prometheus-url", url.as_str()];
        let output = workspace.expect(3, &[&by_url[..], &["--json"]].concat());
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let views = job(&report, "node-exporter")["views"].as_array().unwrap();
        let seen: Vec<_> =
            views.iter().map(|view| (view["server"].as_str().unwrap(), strings(&view["missing"]))).collect();
        assert_eq!(seen, [("127.0.0.1:53", nodes.to_vec()), ("prometheus", nodes.to_vec())]);

        workspace.converge();
        expected.insert("dns-sd-node-exporter".to_owned(), nodes.into());
        prometheus.wait_until(&expected);
        let shown = workspace.expect(0, &by_file).stdout;
        assert_golden("compare-match.txt", &shown);
        for arguments in [&by_url[..], &[&by_file[..], &by_url[1..]].concat()] {
            let output = workspace.expect(0, &[arguments, &["--json"]].concat());
            let report: Value = serde_json::from_str(&output.stdout).unwrap();
            assert_eq!((&report["match"], outcomes(&report)), (&json!(true), vec!["match", "match", "from_dns"]));
            let nodes = job(&report, "node-exporter");
            assert_eq!(nodes["counterpart"]["jobs"], json!(["dns-sd-node-exporter"]));
            assert_eq!(nodes["views"][1]["server"], "prometheus");
            let reason = &job(&report, "jenkins-devops")["counterpart"]["reason"];
            assert_eq!(reason, "the service's `job_name` is that of the job");
        }
        // Without any configuration of ours, through the resolv.conf of this machine.
        let output = crate::support::bare(&[&by_url[..], &["--job", "node-exporter"]].concat());
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.contains("resolv.conf: 2 of 2 targets found"), "{output:?}");
    });
}

#[test]
fn what_cannot_be_looked_up_or_read_is_no_match() {
    // Its servers have to answer while srvctl runs and we wait for it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let servers = runtime.block_on(Servers::start([
        always(2), // SERVFAIL
        replying(|query| query.reply().srv("centos9-vm.internal.local.", 9100)),
    ]));
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODES);
    workspace.converge();
    let nodes = "centos9-vm.internal.local:9100', 'centos9-vm2.internal.local:9100";
    workspace.write_file("targets.json", "[{ \"targets\": [\"centos9-vm.internal.local:9100\"] }]");
    workspace.write_file("more.json", "[{ \"targets\": [\"centos9-vm2.internal.local:9100\"] }]");
    workspace.write_file(
        "prometheus.yml",
        &format!(
            "scrape_configs:\n  - job_name: node-exporter\n    static_configs: [{{ targets: ['{nodes}'] }}]\n  \
             - job_name: files\n    file_sd_configs: [{{ files: ['*.json'] }}]\n"
        ),
    );
    let file = workspace.path().join("prometheus.yml");
    let arguments = ["compare", "--prometheus-config", file.to_str().unwrap(), "--job", "node-exporter"];
    let server = servers.addresses[0].to_string();
    let failing = workspace.expect(1, &[&arguments[..], &["--server", &server]].concat()).stdout;
    assert!(
        failing.contains("node-exporter: unknown\n") && failing.contains(&format!("{server}: unknown: ")),
        "{failing}"
    );
    assert!(servers.asked(0).iter().any(|asked| asked == "UDP+OPT"), "{:?}", servers.asked(0));
    workspace.expect(0, &arguments);

    let arguments = [&arguments[..3], &["--map", "files=node-exporter", "--job", "files", "--json"]].concat();
    workspace.expect(0, &arguments);
    // Both jobs are compared with the same name, which is looked up once.
    let server = servers.addresses[1].to_string();
    let all = [&arguments[..5], &["--server", &server, "--json"]].concat();
    let report: Value = serde_json::from_str(&workspace.expect(3, &all).stdout).unwrap();
    assert_eq!(outcomes(&report), ["different", "different"]);
    assert_eq!(servers.seen(1).len(), 1, "{:?}", servers.seen(1));

    let unpaired = workspace.expect(3, &[&arguments[..3], &["--job", "files", "--server", &server]].concat()).stdout;
    let paired = "files: different\n  with _node-exporter._tcp.internal.local.: the service offers all its 2 targets\n";
    assert!(unpaired.starts_with(paired), "{unpaired}");
    workspace.write_file("more.json", "[{ \"targets\": [\"localhost:9090\"] }]");
    workspace.write_file("targets.json", "[]");
    let unpaired = workspace.expect(3, &[&arguments[..3], &["--job", "files"]].concat()).stdout;
    assert!(unpaired.contains("files: nothing to compare it with\n  1 target, and nothing in DNS"), "{unpaired}");
    workspace.write_file("targets.json", "[{ \"targets\": [\"centos9-vm.internal.local:9100\"] }]");

    // A configuration that was copied without its files, and a job from DNS alone whose server is dead.
    let without = "scrape_configs:\n  - job_name: files\n    file_sd_configs: [{ files: [gone/*.json] }]\n  \
                   - job_name: by-dns\n    dns_sd_configs: [{ names: [_node-exporter._tcp.internal.local] }]\n";
    workspace.write_file("without.yml", without);
    let path = workspace.path().join("without.yml");
    let by_file = ["compare", "--prometheus-config", path.to_str().unwrap(), "--job"];
    let shown = workspace.expect(1, &[&by_file[..], &["files"]].concat()).stdout;
    let told = format!("no file matches `gone/*.json` in {}", workspace.path().display());
    assert!(shown.contains("files: unknown") && shown.contains(&told), "{shown}");
    let dead = servers.addresses[0].to_string();
    let shown = workspace.expect(1, &[&by_file[..], &["by-dns", "--server", &dead]].concat()).stdout;
    assert!(shown.contains(&format!("by-dns: unknown\n  {dead}: unknown: ")), "{shown}");
    workspace.expect(0, &[&by_file[..], &["by-dns"]].concat());

    workspace.write_file("more.json", "[{ \"targets\": [");
    let report = workspace.expect(1, &arguments).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(job(&report, "files")["outcome"], "unknown");
    assert!(job(&report, "files")["problems"][0].as_str().unwrap().contains("more.json:1:"), "{report}");
    let view = &job(&report, "files")["views"][0];
    assert_eq!((&view["missing"], &view["extra"]), (&json!([]), &json!([])), "the other job has the second host");
}

#[test]
fn what_cannot_be_done_is_told() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODES);
    workspace.write_file("prometheus.yml", COEXISTENCE);
    let file = workspace.path().join("prometheus.yml");
    let by_file = ["compare", "--prometheus-config", file.to_str().unwrap()];
    for (arguments, code, told) in [
        (&["compare"][..], 2, "--prometheus-config"),
        (&["compare", "--prometheus-url", "localhost:9090"], 2, "write it as http://HOST:PORT"),
        (&["compare", "--prometheus-url", "http://127.0.0.1:1"], 1, "cannot be reached"),
        (&["compare", "--prometheus-config", "/nowhere.yml"], 1, "cannot be read"),
        (
            &[&by_file[..], &["--job", "nobody"]].concat(),
            2,
            "there is no job `nobody`; there are: jenkins-devops, node-exporter, ",
        ),
        (&[&by_file[..], &["--map", "node-exporter=nothing"]].concat(), 2, "there is no service `nothing`"),
        (&[&by_file[..], &["--map", "node-exporter"]].concat(), 2, "write it as JOB=SERVICE"),
    ] {
        let output = workspace.expect(code, arguments);
        assert!(output.stderr.contains(told), "{arguments:?}: {output:?}");
    }
}

/// `secret`, as htpasswd -B has it.
const HASHED: &str = "$2b$04$s9uq9cwUL2VLLcOzWjoZ1O15ExRdgo/y0bDhLOsRyVu8/PoVALoUu";

#[test]
fn a_prometheus_behind_tls_a_password_and_a_path_is_asked() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODES);
    workspace.converge();
    let authority = Authority::new();
    let Certificate { certificate, key } = authority.certify(&["127.0.0.1"]);
    let directory = TempDir::with_prefix("srvctl-prometheus-").unwrap();
    let path = |file: &str| directory.path().join(file);
    let jobs = "scrape_configs: [{ job_name: node-exporter, static_configs: [{ targets: \
                ['centos9-vm.internal.local:9100', 'centos9-vm2.internal.local:9100'] }] }]";
    let web = format!(
        "tls_server_config: {{ cert_file: server.pem, key_file: server.key }}\nbasic_auth_users: {{ srvctl: '{HASHED}' }}\n"
    );
    let files = [("prometheus.yml", jobs), ("web.yml", &web), ("server.pem", &certificate), ("server.key", &key)];
    for (file, text) in files {
        fs::write(path(file), text).unwrap();
    }
    workspace.write_file("ca.pem", &authority.pem());
    workspace.write_file("password", "srvctl:secret\n");
    let (file, web) = (path("prometheus.yml"), format!("--web.config.file={}", path("web.yml").display()));
    let address = free_address();
    let _prometheus = Prometheus::with_arguments(address, &file, directory, &[&web, "--web.route-prefix=/prom"]);
    let url = format!("https://{address}/prom");
    let [ca, password] = ["ca.pem", "password"].map(|file| workspace.path().join(file).display().to_string());
    let whole = ["compare", "--prometheus-url", &url, "--ca-file", &ca, "--password-file", &password];
    let answered = poll(Duration::from_secs(40), || (workspace.run(&whole).code == 0).then_some(()));
    assert!(answered.is_some(), "{:?}", workspace.run(&whole));
    let open = format!("http://{address}/prom");
    for (arguments, code, told) in [
        (&whole[..3], 1, "name the certificate of the CA that signed it with --ca-file"),
        (&whole[..5], 1, "gave no usable answer at /api/v1/targets: it answered 401 Unauthorized"),
        (
            &["compare", "--prometheus-url", &open, "--password-file", &password][..],
            2,
            "a password is not sent over http://",
        ),
    ] {
        let output = workspace.expect(code, arguments);
        assert!(output.stderr.contains(told), "{arguments:?}: {output:?}");
    }
}

/// A job in which every action of relabelling has something to do.
const RELABELLED: &str = r"
scrape_configs:
  - job_name: all
    metrics_path: /some/path
    params: { module: [one, two] }
    static_configs:
      - targets: ['a.example:80', 'b.example:81', 'dropped:80', 'unequal:80']
        labels: { team: DevOps, rack: r1, note_one: x, note_two: y, gone: z, empty: '' }
      - targets: ['[2001:db8::1]:9100']
        labels: { instance: six, __param_module: own, __scrape_interval__: 90s, __metrics_path__: '/ö wn' }
    relabel_configs:
      - { source_labels: [__address__], regex: '([^:.]+).*', target_label: host }
      - { source_labels: [team, rack], separator: '-', target_label: both }
      - { source_labels: [team, rack], regex: '(.+);(.+)', target_label: '${1}_label', replacement: '$2/$$1/${3}' }
      - { source_labels: [team], action: lowercase, target_label: lower }
      - { source_labels: [team], action: Uppercase, target_label: upper }
      - { regex: 'note_(.+)', action: labelmap, replacement: 'mapped_$1' }
      - { regex: 'note_.+', action: labeldrop }
      - { source_labels: [__address__], regex: 'dropped:.*', action: drop }
      - { source_labels: [job], regex: a.l, action: keep }
      - { source_labels: [__address__], regex: 'unequal.*', target_label: twin, replacement: other }
      - { source_labels: [__address__], regex: '[^u].*', target_label: twin, replacement: all }
      - { source_labels: [twin], action: keepequal, target_label: job }
      - { source_labels: [host], action: dropequal, target_label: lower }
      - { target_label: gone, replacement: '' }
      - { source_labels: [__metrics_path__, __param_module, __scheme__], target_label: path }
      - { source_labels: [host], regex: b, target_label: __address__, replacement: 'elsewhere:82' }
      - { source_labels: [host], regex: 'ost', target_label: host, replacement: never }
      - { regex: '__.*|job|host|both|DevOps_label|lower|upper|mapped_.*|path|instance', action: labelkeep }
";

#[test]
fn relabelling_comes_to_what_prometheus_makes_of_it() {
    let configuration = srvctl::sources::prometheus::parse("prometheus.yml", RELABELLED).unwrap();
    let ours = srvctl::reconcile::parity::Today::of_job(&configuration.jobs[0], (None, None)).targets;
    let mut expected: Vec<_> = ours.iter().map(|target| (json!(target.labels), target.asked.clone())).collect();
    assert_eq!(expected.len(), 3, "{expected:?}");
    let prometheus = Prometheus::configured(RELABELLED);
    let mut found = Vec::new();
    poll(Duration::from_secs(40), || {
        let answer = prometheus.ask("/api/v1/targets?state=active")?;
        let targets = answer["data"]["activeTargets"].as_array()?;
        let text = |target: &Value, key: &str| target[key].as_str().unwrap().to_owned();
        let asked = |target: &Value| {
            let nothing = Asked::of_job(&configuration.jobs[0], (None, None));
            let [url, interval, timeout] =
                ["scrapeUrl", "scrapeInterval", "scrapeTimeout"].map(|key| text(target, key));
            nothing.told(&url, &interval, &timeout)
        };
        found = targets.iter().map(|target| (target["labels"].clone(), asked(target))).collect();
        (found.len() == expected.len()).then_some(())
    });
    for labels in [&mut expected, &mut found] {
        labels.sort_by_key(|(labels, _)| labels.to_string());
    }
    assert_eq!(found, expected);
}

/// Answers like a Prometheus with one target, whose configuration page answers with this status.
fn prometheus_without_configuration(status: &'static str) -> String {
    const TARGETS: &str = r#"{"data": {"activeTargets": [{"scrapePool": "web", "scrapeUrl": "http://x:1/metrics",
        "discoveredLabels": {"__address__": "x:1"}, "labels": {"job": "web", "instance": "x:1"}}]}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.unwrap());
            let head: Vec<_> =
                connection.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let (status, body) = if head[0].contains("/targets") { ("200 OK", TARGETS) } else { (status, "a page") };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            connection.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn a_configuration_that_is_not_told_is_unknown_unless_there_is_no_such_page() {
    for (status, code, problem) in [
        ("404 Not Found", 3, None),
        ("500 Internal Server Error", 1, Some("it answered 500")),
        ("403 Forbidden", 1, Some("it answered 403")),
        ("200 OK", 1, Some("gave no usable answer at /api/v1/status/config")),
    ] {
        let url = prometheus_without_configuration(status);
        let output = crate::support::bare(&["compare", "--prometheus-url", &url, "--json"]);
        assert_eq!(output.code, code, "{status}: {output:?}");
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let problems = strings(&report["problems"]);
        assert_eq!(outcomes(&report), ["unpaired"], "{status}: {output:?}");
        assert_eq!(problems.len(), usize::from(problem.is_some()), "{status}: {output:?}");
        assert!(problem.is_none_or(|problem| problems[0].contains(problem)), "{status}: {output:?}");
    }
}
