//! The module and the role for Ansible, with a real `ansible-playbook`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{
    Ansible, Answer, Daemon, FakeDaemon, NODE_EXPORTER, Named, Run, Settings, Site, TOKEN, Workspace, bare, grant,
    principal,
};

const HOSTS: usize = 20;

/// The record of one of the hosts, as the example playbook registers it.
fn record(host: usize) -> String {
    format!("_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 host-{host}.internal.local.")
}

fn records(named: &Named) -> Vec<String> {
    named.zone_text().into_iter().filter(|line| line.starts_with("_jenkins._tcp.internal.local. 300 IN SRV ")).collect()
}

/// Many hosts, which are all this machine, and the DNS host, which is too.
fn inventory(socket: &Path) -> String {
    let mut text = format!(
        "[all:vars]\nansible_connection=local\nansible_become=false\nsrvctl_socket={}\n[dns]\ndns1\n[jenkins]\n",
        socket.display()
    );
    for host in 1..=HOSTS {
        let _ = writeln!(text, "host-{host}");
    }
    text
}

#[test]
fn many_hosts_register_at_once_in_one_record_set() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let ansible = Ansible::new();
    let inventory = ansible.write("hosts", &inventory(&workspace.socket()));
    let playbook = Ansible::shipped("register.yml");
    let register = |more: &[&str]| ansible.play(&[&["-i", &inventory, &playbook], more].concat()).succeeded();

    register(&[]).changed(HOSTS, 1);
    let mut all: Vec<_> = (1..=HOSTS).map(record).collect();
    all.sort();
    assert_eq!(records(&named), all, "each is there: the playbook waited for DNS");
    register(&[]).changed(HOSTS, 0);

    let leaving = ["-e", "state=absent", "--limit", "host-7"];
    let preview = register(&[&leaving[..], &["--check", "--diff"]].concat()).changed(1, 1);
    preview.says(&["-_jenkins._tcp.internal.local. SRV 10 10 8080 host-7.internal.local.\n"]);
    assert_eq!(records(&named), all, "a preview changes nothing");
    register(&leaving).changed(1, 1);
    all.retain(|line| *line != record(7));
    assert_eq!(records(&named), all, "only its own record goes");
    register(&leaving).changed(1, 0);
}

/// Runs the role on this machine, without root's rights, in a directory.
struct Installation<'a> {
    ansible: &'a Ansible,
    prefix: &'a Path,
    inventory: String,
    playbook: String,
}

impl<'a> Installation<'a> {
    fn new(ansible: &'a Ansible, named: &Named) -> Self {
        let prefix = ansible.path();
        let inventory = format!(
            "[dns]\ndns1 ansible_connection=local ansible_host=192.0.2.1\n\
             [dns:vars]\nsrvctl_daemon=true\nsrvctl_manage_user=false\nsrvctl_manage_service=false\nsrvctl_owner=test1\n\
             srvctl_binary={binary}\nsrvctl_bin={prefix}/srvctl\nsrvctl_config_dir={prefix}/etc\n\
             srvctl_state_dir={prefix}/state\nsrvctl_socket={prefix}/srvctl.sock\n",
            binary = env!("CARGO_BIN_EXE_srvctl"),
            prefix = prefix.display()
        );
        let zone = serde_json::json!({
            "name": "internal.local",
            "primary": named.address().to_string(),
            "key_file": "zone.key",
            "key": named.key().text(),
            "ttl": 300,
            "verify": [named.address().to_string()],
        });
        let playbook = format!(
            "- hosts: dns\n  gather_facts: false\n  roles: [srvctl]\n  vars:\n    srvctl_zones: [{zone}]\n    \
             srvctl_services: \"{{{{ offered | default([]) }}}}\"\n"
        );
        let (inventory, playbook) = (ansible.write("hosts", &inventory), ansible.write("site.yml", &playbook));
        Self { ansible, prefix, inventory, playbook }
    }

    fn play(&self, more: &[&str]) -> Run {
        self.ansible.play(&[&["-i", &self.inventory, &self.playbook, "-vvv"], more].concat())
    }

    fn config(&self) -> std::path::PathBuf {
        self.prefix.join("etc/srvctl.toml")
    }

    fn daemon(&self) -> Daemon {
        let command = Command::new(self.prefix.join("srvctl"));
        Daemon::spawn(command, self.config(), self.prefix.join("daemon.log"), None)
    }
}

#[test]
fn the_role_installs_a_daemon_and_registers_with_it() {
    let named = Named::start();
    let ansible = Ansible::new();
    let installation = Installation::new(&ansible, &named);
    let secret = &named.key().secret;

    installation.play(&["--check", "--diff"]).succeeded().does_not_say(secret);
    assert!(!installation.prefix.join("etc").exists(), "a preview makes nothing");
    installation.play(&["--diff"]).succeeded().does_not_say(secret);
    let config = installation.config();
    let checked = bare(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{checked:?}");

    let mut daemon = installation.daemon();
    daemon.wait_in_sync();
    let offer = |more: &str| {
        let other = r#"{"name": "node-exporter", "port": 9100}"#;
        format!(r#"{{"offered": [{{"name": "jenkins", "port": 8080, {more}}}, {other}]}}"#)
    };
    let [light, heavy, absent] = [r#""weight": 1"#, r#""weight": 2"#, r#""state": "absent""#].map(offer);
    installation.play(&["-e", &light]).succeeded().changed(1, 1);
    let published = named.zone_text();
    assert!(published.contains(&"_jenkins._tcp.internal.local. 300 IN SRV 0 1 8080 dns1.internal.local.".to_owned()));
    assert!(published.contains(&"dns1.internal.local. 300 IN A 192.0.2.1".to_owned()), "{published:?}");

    let preview = installation.play(&["-e", &heavy, "--check", "--diff"]).succeeded().changed(1, 1);
    preview.says(&["-_jenkins._tcp.internal.local. SRV 0 1 8080", "+_jenkins._tcp.internal.local. SRV 0 2 8080"]);
    assert_eq!(named.zone_text(), published);

    installation.play(&["-e", &absent]).succeeded().changed(1, 1);
    assert_eq!(records(&named), [""; 0]);

    let nowhere = ["-e", &absent, "-e", "srvctl_server=https://127.0.0.1:1 srvctl_token=t0ken"];
    installation.play(&nowhere).failed().says(&["can be asked at https://127.0.0.1:1"]).does_not_say("t0ken");

    let before = fs::read_to_string(&config).unwrap();
    let broken = installation.play(&["-e", "srvctl_interval=sometimes"]).failed();
    broken.says(&["failed to validate", "sometimes"]).does_not_say(secret);
    assert_eq!(fs::read_to_string(&config).unwrap(), before, "what is broken does not get there");
}

/// A task that may fail, with these options besides those that all have.
fn task(options: &[(&str, &str)]) -> String {
    let mut text = String::from("    - srvctl_service:\n        service: jenkins\n");
    for (name, value) in options {
        let _ = writeln!(text, "        {name}: {value}");
    }
    text + "      ignore_errors: true\n"
}

fn playbook(tasks: &[&[(&str, &str)]]) -> String {
    let tasks: String = tasks.iter().map(|options| task(options)).collect();
    format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}")
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

const DENIED: Answer = Answer::Http(
    "403 Forbidden",
    "",
    r#"{"type": "urn:srvctl:denied", "detail": "team may not change the service `jenkins`"}"#,
);
const BUSY: Answer = Answer::Http("503 Service Unavailable", "Retry-After: 0\r\n", r#"{"detail": "the disk is full"}"#);
const TOO_MANY: Answer = Answer::Http("429 Too Many Requests", "Retry-After: 1\r\n", "{}");
const MADE: Answer = Answer::Http(
    "200 OK",
    "",
    r#"{"changed": false, "dry_run": false, "service": "_jenkins._tcp.internal.local.", "id": "web:80",
        "before": null, "after": null, "revision": null, "verified": null}"#,
);

#[test]
fn what_goes_wrong_is_told_in_one_line() {
    let (named, silent) = (Named::start(), Named::start());
    let verify = vec![silent.address().to_string()];
    let workspace = Workspace::with(&Settings { verify, ..Settings::for_server(&named) });
    let mut daemon = workspace.daemon();
    daemon.wait_for("the socket", || workspace.socket().exists());
    let (denied, full) = (FakeDaemon::start(&[DENIED]), FakeDaemon::start(&[BUSY]));
    let ansible = Ansible::new();
    let token_file = ansible.write("token", "t0ken-in-a-file\n");
    let (socket, denied, full) = (workspace.socket(), denied.socket(), full.socket());
    let (real, web) = (("socket", path(&socket)), [("host", "web"), ("port", "80")]);
    let playbook = playbook(&[
        &[web[0], web[1], real, ("token", "\"{{ wrong }}\"")],
        &[web[0], web[1], real, ("token_file", &token_file)],
        &[web[0], web[1], real, ("token", "\"{{ spaced }}\"")],
        &[web[0], web[1], ("socket", "/nonexistent/srvctl.sock")],
        &[web[0], web[1], ("socket", path(&denied))],
        &[web[0], web[1], ("socket", path(&full)), ("timeout", "1")],
        &[("host", "192.0.2.1"), ("port", "80"), real],
        &[("host", "web"), real],
        &[web[0], web[1], real, ("lease", "soon")],
        &[web[0], web[1], real, ("wait", "1")],
    ]);
    let playbook = ansible.write("errors.yml", &playbook);
    // Where a vault would be: newer versions show the lines of a playbook around a task that failed.
    let tokens = r#"{"wrong": "t0ken-in-a-task", "spaced": "t0ken with spaces"}"#;
    ansible.play(&["-i", "localhost,", "-c", "local", "-e", tokens, &playbook, "-vvv"]).succeeded().does_not_say("t0ken").says(&[
        "this token is not known, or not any more; give a valid `token`",
        "the token is empty, or has spaces",
        "no srvctl daemon can be asked at /nonexistent/srvctl.sock: No such file or directory; run this on the DNS host",
        "team may not change the service `jenkins`; the grants of the principal",
        "\"the disk is full\"",
        "is an address, and an SRV record can only point to a name; give the host a name here",
        "state present needs `port`",
        "`lease` is a number of seconds or a duration such as 30s, 10m or 2h, not 'soon'",
        "registered, but not seen in DNS after",
        &format!("_jenkins._tcp.internal.local. SRV via {}", silent.address()),
    ]);
}

#[test]
fn a_busy_daemon_is_asked_again_and_a_remote_one_has_to_prove_who_it_is() {
    let team = principal("team", &grant("jenkins", "hosts = [\"web.internal.local\"]"));
    let (site, _daemon) = Site::started(&team);
    let [server, ca_file, token_file] = site.asked_by("team");
    let ansible = Ansible::new();
    let busy = FakeDaemon::start(&[TOO_MANY, BUSY, MADE]);
    let crashing = FakeDaemon::start(&[Answer::Nothing, MADE]);
    let (busy, crashing) = (busy.socket(), crashing.socket());
    let absent = [("id", "web:80"), ("state", "absent")];
    let (web, server, ca) = (("host", "web"), ("server", server.as_str()), ("ca_file", ca_file.as_str()));
    let token = ("token_file", token_file.as_str());
    let plain = server.1.replace("https", "http");
    let playbook = playbook(&[
        &[absent[0], absent[1], ("socket", path(&busy))],
        &[absent[0], absent[1], ("socket", path(&crashing))],
        &[web, ("port", "80"), server, ca, token],
        &[web, ("port", "81"), server, ca],
        &[web, ("port", "82"), server, token],
        &[web, ("port", "83"), ("server", &plain), token],
        &[("host", "db"), ("port", "84"), server, ca, token],
    ]);
    let playbook = ansible.write("remote.yml", &playbook);
    let run = ansible.play(&["-i", "localhost,", "-c", "local", "-vvv", &playbook]).succeeded();
    // The lost request may have made the change, so that counts as one; so does the registration over TLS.
    let run = run.says(&["ok=7 ", "changed=2 ", "ignored=4 "]).says(&[
        "is not valid: unable to get local issuer certificate; `ca_file` names the certificates to trust",
        "`server` is https://HOST:PORT and nothing more, not http://",
        "give a token",
        "team may not name the host `db.internal.local.` in the service",
    ]);
    assert!(!run.text().contains(TOKEN), "{}", run.text());
    let mine: Vec<_> = records(&site.named).into_iter().filter(|record| record.contains(" web.")).collect();
    assert_eq!(mine, ["_jenkins._tcp.internal.local. 300 IN SRV 0 0 80 web.internal.local."]);
    assert!(!site.named.zone_text().iter().any(|record| record.contains(" db.")));
}

#[test]
fn what_is_shipped_is_documented_and_well_formed() {
    let ansible = Ansible::new();
    let module = ansible.run("ansible-doc", &["-t", "module", "srvctl_service"]);
    assert_eq!(module.code, 0, "{module:?}");
    assert!(module.stdout.contains("\n- wait") && module.stdout.contains("RETURN VALUES"), "{module:?}");
    let role = ansible.run("ansible-doc", &["-t", "role", "-r", &Ansible::shipped("roles"), "srvctl"]);
    assert!(role.code == 0 && role.stdout.contains("- srvctl_services"), "{role:?}");
    let [inventory, register, site] = ["inventory.example.yml", "register.yml", "site.yml"].map(Ansible::shipped);
    ansible.play(&["-i", &inventory, &register, &site, "--syntax-check"]).succeeded();
}
