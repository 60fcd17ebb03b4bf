//! Service files from the files of other tools: the examples of the study, a real zone, a real Ansible inventory.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Ansible, NODE_EXPORTER, Named, Output, Workspace, assert_golden, assert_lines, bare, run, strings,
};

/// The study's zone (section 2.4), verbatim.
const ZONE: &str = "; SRV records for Jenkins discovery
; Format: _service._proto.domain. TTL IN SRV priority weight port target.

_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.
_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm2.internal.local.

; Node exporter discovery
_node-exporter._tcp.internal.local. 300 IN SRV 10 10 9100 centos9-vm.internal.local.
_node-exporter._tcp.internal.local. 300 IN SRV 10 10 9100 centos9-vm2.internal.local.

; TXT records for metadata (optional, limited support)
_jenkins._tcp.internal.local. 300 IN TXT \"team=devops\"
_jenkins._tcp.internal.local. 300 IN TXT \"environment=production\"

; A records for target resolution
centos9-vm.internal.local. 300 IN A 192.168.188.142
centos9-vm2.internal.local. 300 IN A 192.168.188.143
";

/// The study's definition for a Consul agent (section 2.1), verbatim.
const CONSUL: &str = r#"{
  "service": {
    "name": "jenkins",
    "tags": ["team:devops", "environment:production", "blue-green:blue"],
    "port": 8080,
    "check": {
      "http": "http://localhost:8080/login",
      "interval": "30s",
      "timeout": "5s"
    },
    "meta": {
      "team": "devops",
      "product": "jenkins",
      "version": "2.401.1"
    }
  }
}
"#;

/// The study's targets for Alloy (section 5), verbatim but for the comment, which JSON does not have.
const DATABASES: &str = r#"[
  {
    "targets": ["mysql.internal.local:9104"],
    "labels": {
      "__meta_product": "mysql",
      "__meta_team": "platform",
      "job": "mysql-exporter"
    }
  },
  {
    "targets": ["postgres.internal.local:9187"],
    "labels": {
      "__meta_product": "postgres",
      "__meta_team": "platform",
      "job": "postgres-exporter"
    }
  }
]
"#;

/// Without a configuration, for the zone of the study.
fn import(code: i32, arguments: &[&str]) -> Output {
    let output = bare(&[&["import"], arguments, &["--zone", "internal.local"]].concat());
    assert_eq!(output.code, code, "{arguments:?}: {output:?}");
    output
}

fn import_json(code: i32, arguments: &[&str]) -> Value {
    serde_json::from_str(&import(code, &[arguments, &["--json"]].concat()).stdout).unwrap()
}

/// The definitions of an import, by the names of the services.
fn definitions(report: &Value) -> Vec<(&str, &Value)> {
    let services = report["services"].as_array().unwrap().iter();
    services.map(|service| (service["service"].as_str().unwrap(), &service["definition"])).collect()
}

#[test]
fn static_targets_of_the_study_become_service_files() {
    let output = import(0, &["prometheus", "tests/study/static.yml"]);
    assert_golden("import-prometheus.toml", &output.stdout);
    assert_golden("import-prometheus-report.txt", &output.stderr);
    let one = import_json(
        0,
        &["prometheus", "tests/study/static.yml", "--job", "jenkins-devops", "--name", "jenkins-devops=jenkins"],
    );
    let expected = json!({
        "name": "jenkins",
        "metadata": { "team": "devops", "environment": "production" },
        "scrape": { "job_name": "jenkins-devops" },
        "instance": [{ "host": "centos9-vm", "port": 8080 }]
    });
    assert_eq!(definitions(&one), [("_jenkins._tcp.internal.local.", &expected)]);
}

#[test]
fn every_configuration_of_the_study_is_taken_or_told() {
    let federation = import_json(0, &["prometheus", "tests/study/federation.yml"]);
    let (_, federation) = definitions(&federation)[0];
    assert_eq!(federation["scrape"]["metrics_path"], "/federate");
    assert_eq!(federation["scrape"]["params"]["match[]"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&federation["scrape"]["honor_labels"], &federation["scrape"]["scrape_interval"]),
        (&json!(true), &json!("1m"))
    );
    let hybrid = import_json(0, &["prometheus", "tests/study/hybrid.yml"]);
    let names: Vec<_> = definitions(&hybrid).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["_jenkins-masters._tcp.internal.local.", "_pushgateway._tcp.internal.local."]);
    let remarks = hybrid["remarks"].as_array().unwrap();
    assert!(
        remarks
            .iter()
            .any(|remark| remark["fate"] == "left" && remark["message"].as_str().unwrap().contains("by DNS already"))
    );
    assert!(
        remarks
            .iter()
            .any(|remark| remark["fate"] == "guessed"
                && remark["message"].as_str().unwrap().contains("without a domain"))
    );
    for file in ["consul", "dns-sd", "kubernetes"] {
        let output = import(0, &["prometheus", &format!("tests/study/{file}.yml")]);
        assert!(output.stdout.is_empty() && output.stderr.contains("left     tests/study/"), "{file}: {output:?}");
    }
}

#[test]
fn files_of_targets_are_named_by_their_labels_or_by_themselves() {
    let directory = TempDir::with_prefix("srvctl-import-").unwrap();
    let databases = directory.path().join("databases.json");
    fs::write(&databases, DATABASES).unwrap();
    let report = import_json(0, &["file-sd", "tests/study/targets/jenkins.json", databases.to_str().unwrap()]);
    let named: Vec<_> =
        definitions(&report).iter().map(|(name, definition)| (*name, definition["metadata"].clone())).collect();
    let metadata = |product: &str| json!({ "product": product, "team": "platform" });
    let jenkins = json!({ "team": "devops", "product": "jenkins", "environment": "production" });
    assert_eq!(
        named,
        [
            ("_jenkins._tcp.internal.local.", jenkins),
            ("_mysql-exporter._tcp.internal.local.", metadata("mysql")),
            ("_postgres-exporter._tcp.internal.local.", metadata("postgres"))
        ]
    );
    fs::write(&databases, "[{\"targets\": [\"a:1\"").unwrap();
    let broken = import(1, &["file-sd", "tests/study/targets/jenkins.json", databases.to_str().unwrap()]);
    assert!(broken.stdout.is_empty() && broken.stderr.contains("databases.json"), "{broken:?}");
}

#[test]
fn a_consul_definition_needs_a_host_and_brings_its_checks() {
    let directory = TempDir::with_prefix("srvctl-import-").unwrap();
    let file = directory.path().join("jenkins.json");
    fs::write(&file, CONSUL).unwrap();
    let file = file.to_str().unwrap();
    let refused = import(1, &["consul", file]);
    assert!(refused.stderr.contains("--host HOST"), "{refused:?}");
    let report = import_json(0, &["consul", &format!("centos9-vm={file}")]);
    let expected = json!({
        "name": "jenkins",
        "metadata": {
            "team": "devops", "environment": "production", "blue-green": "blue", "product": "jenkins", "version": "2.401.1"
        },
        "check": [{ "type": "http", "url": "http://{host}:{port}/login", "interval": "30s", "timeout": "5s" }],
        "instance": [{ "host": "centos9-vm", "port": 8080 }]
    });
    assert_eq!(definitions(&report), [("_jenkins._tcp.internal.local.", &expected)]);
}

#[test]
fn a_zone_is_taken_over_from_its_file_or_its_server() {
    let named = Named::builder().records(ZONE).start();
    let workspace = Workspace::new(&named);
    workspace.write_file("study.zone", ZONE);
    let file = workspace.path().join("study.zone");
    let before = named.zone_text();
    let from_server = workspace.json(&["import", "zone", "--json"]);
    let from_file = workspace.json(&["import", "zone", file.to_str().unwrap(), "--addresses", "--json"]);
    let by_hand: Vec<_> = definitions(&from_server).iter().map(|(name, _)| *name).collect();
    assert_eq!(by_hand, ["_jenkins._tcp.internal.local.", "_node-exporter._tcp.internal.local."]);
    assert_eq!(from_file["services"][0]["definition"]["instance"][0]["addresses"], json!(["192.168.188.142"]));

    let services = workspace.path().join("services.d");
    let services = services.to_str().unwrap();
    let written = workspace.expect(0, &["import", "zone", "--addresses", "--out", services]);
    assert!(written.stderr.contains("srvctl adopt _jenkins._tcp.internal.local. "), "{written:?}");
    workspace.expect(0, &["check"]);
    let names = strings(&from_file["adopt"]);
    let adopt: Vec<_> = ["adopt", "--replace"].into_iter().chain(names.iter().map(String::as_str)).collect();
    workspace.expect(0, &adopt);
    workspace.expect(0, &["plan"]);
    let is_data =
        |line: &String| !line.starts_with("_srvctl.") && !line.contains(" IN TXT ") && !line.contains(" SOA ");
    let data = |lines: &[String]| lines.iter().filter(|line| is_data(line)).cloned().collect::<Vec<_>>();
    let after = named.zone_text();
    assert_lines("after adoption", &data(&after), data(&before));
    assert!(
        after
            .contains(&r#"_jenkins._tcp.internal.local. 300 IN TXT "environment=production" "team=devops""#.to_owned()),
        "{after:?}"
    );
    let again = workspace.json(&["import", "zone", "--json"]);
    assert_eq!(again["services"], json!([]), "what is ours is left alone");
}

#[test]
fn what_ansible_lists_is_what_the_role_registers() {
    let ansible = Ansible::new();
    let list = |inventory: &str| ansible.run("ansible-inventory", &["-i", inventory, "--list"]).stdout;
    let listed = ansible.write("listed.json", &list(&Ansible::shipped("inventory.example.yml")));
    let report = import_json(3, &["ansible-inventory", &listed]);
    let jenkins = json!({
        "name": "jenkins",
        "metadata": { "team": "devops", "environment": "production" },
        "instance": [
            { "host": "centos9-vm", "port": 8080, "priority": 10, "weight": 10, "addresses": ["192.168.188.142"] },
            { "host": "centos9-vm2", "port": 8080, "priority": 10, "weight": 10, "addresses": ["192.168.188.143"] }
        ]
    });
    assert_eq!(definitions(&report)[0], ("_jenkins._tcp.internal.local.", &jenkins));
    let refused = report["remarks"].as_array().unwrap().iter().filter(|remark| remark["fate"] == "refused");
    assert_eq!(refused.map(|remark| remark["subject"].as_str().unwrap()).collect::<Vec<_>>(), ["group dns"]);

    let hosts = "[jenkins_masters]\nvm1 ansible_host=10.0.0.1\nvm2 jenkins_port=8081 team=qa\n\
                 [jenkins_masters:vars]\njenkins_port=8080\nteam=devops\nenvironment=production\n";
    let hosts = ansible.write("hosts", hosts);
    let rules = "[[rule]]\ngroup = \"jenkins_masters\"\nservice = \"jenkins\"\nport_variable = \"jenkins_port\"\n\
                 metadata = [\"team\", \"env=environment\"]\n";
    let rules = ansible.write("rules.toml", rules);
    let listed = ansible.write("listed.json", &list(&hosts));
    let report = import_json(0, &["ansible-inventory", &listed, "--rules", &rules]);
    let expected = json!({
        "name": "jenkins",
        "metadata": { "env": "production" },
        "instance": [
            { "host": "vm1", "port": 8080, "addresses": ["10.0.0.1"], "metadata": { "team": "devops" } },
            { "host": "vm2", "port": 8081, "metadata": { "team": "qa" } }
        ]
    });
    assert_eq!(definitions(&report), [("_jenkins._tcp.internal.local.", &expected)]);
    let short = [
        "ansible-inventory",
        &listed,
        "--group",
        "jenkins_masters=jenkins:jenkins_port",
        "--metadata",
        "team",
        "--metadata",
        "env=environment",
    ];
    assert_eq!(definitions(&import_json(0, &short)), definitions(&report), "the same by arguments");
}

/// What is in a directory, by name.
fn contents(directory: &Path) -> Vec<(String, String)> {
    let read =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| read(entry.unwrap())).collect();
    files.sort();
    files
}

#[test]
fn files_are_written_whole_and_never_over_others() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let directory = workspace.path().join("services.d");
    let out = directory.to_str().unwrap();
    let static_yml = "tests/study/static.yml";
    let check = workspace.expect(3, &["import", "prometheus", static_yml, "--out", out, "--check"]);
    assert!(check.stderr.contains("would write") && contents(&directory).is_empty(), "{check:?}");
    workspace.expect(0, &["import", "prometheus", static_yml, "--out", out]);
    let written = contents(&directory);
    assert_eq!(
        written.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["jenkins-devops.toml", "node-exporter.toml"]
    );
    workspace.expect(0, &["import", "prometheus", static_yml, "--out", out, "--check"]);
    workspace.converge();
    let srv = "_jenkins-devops._tcp.internal.local. 300 IN SRV 0 0 8080 centos9-vm.internal.local.";
    assert!(named.zone_text().contains(&srv.to_owned()), "{:?}", named.zone_text());

    let other = "[[service]]\nname = \"node-exporter\"\n[[service.instance]]\nhost = \"a\"\nport = 1\n";
    workspace.write_service("node-exporter.toml", other);
    workspace.remove_service("jenkins-devops.toml");
    let kept = workspace.expect(1, &["import", "prometheus", static_yml, "--out", out]);
    assert!(kept.stderr.contains("node-exporter.toml is there and says something else"), "{kept:?}");
    assert_eq!(contents(&directory), [("node-exporter.toml".to_owned(), other.to_owned())], "nothing was written");
    workspace.expect(0, &["import", "prometheus", static_yml, "--out", out, "--force"]);
    assert_eq!(contents(&directory), written);

    let both =
        format!("{NODE_EXPORTER}\n[[service]]\nname = \"other\"\n[[service.instance]]\nhost = \"a\"\nport = 1\n");
    workspace.write_service("node-exporter.toml", &both);
    let lost = workspace.expect(3, &["import", "prometheus", static_yml, "--out", out, "--force"]);
    assert!(lost.stderr.contains("would be lost") && contents(&directory)[1].1 == both, "{lost:?}");
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);

    // In another file it would be there twice, which no command would accept.
    let elsewhere = workspace.path().join("elsewhere");
    let twice = workspace.expect(1, &["import", "prometheus", static_yml, "--out", elsewhere.to_str().unwrap()]);
    assert!(twice.stderr.contains("is defined twice") && !elsewhere.exists(), "{twice:?}");
}

/// What `check` accepts, by a person who went on from an import.
const GROWN: &str = r#"# The on-call team knows more.
[[service]]
name = "node"
ttl = 60
metadata = { team = "old", owner = "me" }
browse = {}

[service.health]
policy = "withdraw"
min_healthy = "40%"

[[service.check]]
type = "tcp"

[[service.instance]]
host = "vm1"
port = 9100
priority = 5
weight = 7
addresses = ["192.0.2.1"]
name = "the first"

[[service.instance]]
host = "vm2"
port = 9100
"#;

#[test]
fn what_a_person_added_stays_when_it_is_imported_again() {
    let workspace = Workspace::new(&Named::start());
    let directory = workspace.path().join("services.d");
    let file = workspace.path().join("prometheus.yml");
    let (out, file) = (directory.to_str().unwrap(), file.to_str().unwrap());
    let jobs = |targets: &str| {
        let group = |job: &str, targets: &str| {
            format!("  - job_name: {job}\n    static_configs: [{{targets: [{targets}], labels: {{team: new}}}}]\n")
        };
        let jobs = [group("node", targets), group("web", "vm1.internal.local:80")];
        workspace.write_file("prometheus.yml", &format!("scrape_configs:\n{}", jobs.concat()));
    };
    let arguments = ["import", "prometheus", file, "--out", out, "--force"];
    workspace.write_service("node.toml", GROWN);
    jobs("'vm1.internal.local:9100', 'vm3.internal.local:9100'");
    let told = workspace.expect(0, &arguments).stderr;
    for words in [
        "node: `ttl`, `[service.browse]`, `[[service.check]]`, `metadata.owner`: said in the file",
        "`priority`, `weight`, `addresses`, `name` of vm1.internal.local:9100: said in the file",
        "`[service.health]`: said in the file",
        "vm2.internal.local:9100 is in the file and not in what was imported",
        "lines of comments in the file, which go when it is written over: 1",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    workspace.expect(0, &["check"]);
    let written = fs::read_to_string(directory.join("node.toml")).unwrap();
    let expected = GROWN.split_once('\n').unwrap().1.replace("vm2", "vm3").replace("\"old\"", "\"new\"");
    let read = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(read(&written), read(&expected), "{written}");

    // In another form it says the same, and is left as it is.
    let ordered = expected.replace("port = 9100", "port = 9_100 # ours");
    workspace.write_service("node.toml", &ordered);
    let unchanged = workspace.expect(0, &arguments[..5]);
    assert!(unchanged.stderr.contains("unchanged") && !unchanged.stderr.contains("wrote"), "{unchanged:?}");
    assert_eq!(fs::read_to_string(directory.join("node.toml")).unwrap(), ordered);

    let broken = format!("{GROWN}\n[[service]]\nname = \"second\"\n\n[[service.instance\n");
    workspace.write_service("node.toml", &broken);
    jobs("'vm1.internal.local:9100'");
    let refused = workspace.expect(3, &arguments);
    assert!(refused.stderr.contains("node: the file that is there is broken"), "{refused:?}");
    assert_eq!(fs::read_to_string(directory.join("node.toml")).unwrap(), broken);
}

#[test]
fn a_part_is_never_written_for_the_whole() {
    let workspace = Workspace::new(&Named::start());
    let directory = workspace.path().join("services.d");
    let file = workspace.path().join("prometheus.yml");
    let (out, file) = (directory.to_str().unwrap(), file.to_str().unwrap());
    workspace.write_file("targets-1.json", r#"[{"targets": ["vm1.internal.local:1", "vm2.internal.local:1"]}]"#);
    workspace.write_file("targets-2.json", r#"[{"targets": ["vm3.internal.local:1"]}]"#);
    let jobs = "scrape_configs:\n  - job_name: node\n    file_sd_configs: [{files: ['targets-*.json']}]\n  - job_name: web\n    \
                static_configs: [{targets: ['vm1.internal.local:80']}]\n";
    workspace.write_file("prometheus.yml", jobs);
    workspace.expect(0, &["import", "prometheus", file, "--out", out]);
    let written = contents(&directory);
    workspace.remove_service("web.toml");
    workspace.write_file("targets-2.json", r#"[{"targets": ["vm3.internal.local:1""#);
    let refused = workspace.expect(3, &["import", "prometheus", file, "--out", out, "--force"]);
    assert!(refused.stderr.contains("node: gives no service"), "{refused:?}");
    assert_eq!(contents(&directory), written);
}

#[test]
fn an_address_that_another_file_contradicts_costs_nothing_else() {
    let workspace = Workspace::new(&Named::start());
    let other =
        "[[service]]\nname = \"other\"\n[[service.instance]]\nhost = \"vm1\"\nport = 1\naddresses = [\"192.0.2.9\"]\n";
    workspace.write_service("other.toml", other);
    let hostvars = json!({ "vm1": { "ansible_host": "192.0.2.1" }, "vm2": { "ansible_host": "192.0.2.2" } });
    let listed = json!({ "_meta": { "hostvars": hostvars }, "web": { "hosts": ["vm1", "vm2"] } });
    workspace.write_file("listed.json", &listed.to_string());
    let listed = workspace.path().join("listed.json");
    let arguments = ["import", "ansible-inventory", listed.to_str().unwrap(), "--group", "web=web:80", "--json"];
    let report: Value = serde_json::from_str(&workspace.expect(3, &arguments).stdout).unwrap();
    let expected = json!([{ "host": "vm1", "port": 80 }, { "host": "vm2", "port": 80, "addresses": ["192.0.2.2"] }]);
    assert_eq!(definitions(&report)[0].1["instance"], expected);
    let refused = report["remarks"].as_array().unwrap().iter().filter(|remark| remark["fate"] == "refused");
    let refused: Vec<_> = refused.map(|remark| remark["message"].as_str().unwrap()).collect();
    assert!(matches!(refused[..], [one] if one.starts_with("its addresses were left out: host `vm1")), "{refused:?}");
}

#[test]
fn an_import_is_of_one_kind() {
    assert_eq!(bare(&["import"]).code, 2);
    assert_eq!(bare(&["import", "--replace", "prometheus", "tests/study/static.yml"]).code, 2);
    let nowhere = bare(&["import", "prometheus", "tests/study/static.yml"]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("--zone"), "{nowhere:?}");
    let unknown = bare(&["import", "zone", "--zone", "internal.local"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("or a master file"), "{unknown:?}");
    let mut piped = std::process::Command::new(env!("CARGO_BIN_EXE_srvctl"));
    let output = run(piped.args(["import", "ansible-inventory", "-", "--zone", "internal.local"]), "{\"_meta\": {}}");
    assert_eq!((output.code, output.stdout.as_str()), (0, ""), "{output:?}");
}
