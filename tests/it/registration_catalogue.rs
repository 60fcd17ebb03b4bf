//! Export, import, history, and the example for systemd.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::registration::{Site, web};
use crate::support::run;

/// Something of everything.
fn populated() -> Site {
    let site = Site::start();
    let more = ["--address", "10.0.0.1", "--meta", "team=\"a\"", "--meta", "tier=1", "--weight", "5", "--lease", "10m"];
    site.expect(0, &web("web1", &more));
    site.expect(0, &web("web2", &["--id", "blue", "--priority", "3"]));
    site.expect(0, &["register", "_db._udp", "--host", "db1.example.com.", "--port", "5432"]);
    site.expect(0, &["set", "web", "--shards", "auto", "--ttl", "60", "--meta", "team=\"a\""]);
    site
}

#[test]
fn what_is_exported_can_be_imported_elsewhere() {
    let one = populated();
    for notation in ["toml", "json"] {
        let other = Site::start();
        let text = one.expect(0, &["export", "--format", notation]).stdout;
        let name = format!("all.{notation}");
        other.workspace.write_file(&name, &text);
        let path = other.workspace.path().join(&name);
        let file = path.to_str().unwrap();
        let check = other.expect(3, &["import", file, "--check"]);
        assert_eq!(check.stdout, "would import: 4 to write, 0 to remove\n");
        assert_eq!(other.expect(0, &["import", file]).stdout, "imported: 4 written, 0 removed\n");
        assert_eq!(other.expect(0, &["import", file]).stdout, "unchanged: all of it is registered already\n");
        assert_eq!(other.expect(0, &["export", "--format", notation]).stdout, text);
        // By standard input, whose name says nothing.
        let import = ["import", "-", "--format", notation, "--replace", "--check", "--json"];
        let output = run(&mut other.workspace.command(&import), &text);
        assert_eq!(output.code, 0, "{output:?}");
        other.expect(0, &web("web9", &[]));
        assert_eq!(other.expect(0, &["import", file]).stdout, "unchanged: all of it is registered already\n");
        let replaced = other.expect(0, &["import", file, "--replace"]);
        assert_eq!(replaced.stdout, "imported: 0 written, 1 removed\n");
    }
}

#[test]
fn what_is_no_export_is_refused_with_the_reason() {
    let site = Site::start();
    let directory = site.workspace.path().to_owned();
    let import = |name: &str, text: &str| {
        site.workspace.write_file(name, text);
        site.expect(1, &["import", directory.join(name).to_str().unwrap()]).stderr
    };
    let error = import("a.toml", "[[service]]\nname = \"web\"\nport = 1\n");
    assert!(error.contains("a.toml is not what `export` wrote") && error.contains("line 3"), "{error}");
    let error = import("a.json", "{\"service\": [}");
    assert!(error.contains("a.json is not what `export` wrote") && error.contains("line 1"), "{error}");
    let error = import("b.toml", "[[service]]\nname = \"a_b\"\n");
    assert!(error.starts_with("error: service `a_b`: "), "{error}");
    let error = site.expect(1, &["import", "/nonexistent"]).stderr;
    assert!(error.contains("/nonexistent cannot be read"), "{error}");
}

#[test]
fn the_history_tells_who_did_what() {
    let site = populated();
    site.expect(0, &["set", "web", "--id", "blue", "--weight", "7"]);
    site.expect(0, &["deregister", "web", "--id", "blue"]);
    let text = site.expect(0, &["history", "web"]).stdout;
    let lines: Vec<_> = text.lines().collect();
    let me = run(Command::new("id").arg("-un"), "").stdout;
    assert_eq!(lines.len(), 6, "{text}");
    for (line, action) in lines[1..].iter().zip(["deregister", "set", "configure", "register", "register"]) {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(words[0].starts_with("20") && words[0].ends_with('Z'), "{line}");
        assert_eq!(words[1..4], [me.trim(), action, "_web._tcp.internal.local."], "{line}");
    }
    assert!(lines[2].ends_with("blue                    weight 0 → 7"), "{text}");
    assert_eq!(site.expect(0, &["history", "--limit", "2"]).stdout.lines().count(), 3);
    let json = site.workspace.json(&["history", "--json", "--limit", "1"]);
    assert_eq!(json["events"][0]["action"], "deregister");
}

/// The unit's lines that run us, as arguments; the host is a specifier of systemd.
fn commands(text: &str, key: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix("=+/usr/local/bin/srvctl "));
    lines.map(|line| line.split(' ').map(|word| word.replace("%l", "web1")).collect()).collect()
}

#[test]
fn the_example_for_systemd_registers_and_deregisters() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registered.conf");
    let text = fs::read_to_string(&example).unwrap();
    let site = Site::start();
    for (key, count) in [("ExecStartPost", 3), ("ExecStopPost", 2)] {
        let all = commands(&text, key);
        assert_eq!(all.len(), 1, "{text}");
        site.expect(0, &all[0].iter().map(String::as_str).collect::<Vec<_>>());
        let listed = site.workspace.json(&["list", "jenkins", "--json"]);
        assert_eq!(listed["instances"].as_array().unwrap().len(), count, "{listed}");
    }
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<_> = lines.map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(keys, ["[Service]", "ExecStartPost", "ExecStopPost"]);
}

#[test]
fn the_unit_lets_the_daemon_see_who_asks() {
    let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/srvctl.service")).unwrap();
    // In a user namespace of its own, every user but root is nobody at the other end of the socket.
    assert!(!unit.lines().any(|line| line.starts_with("PrivateUsers=")), "{unit}");
}
