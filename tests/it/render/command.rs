//! What people do with the command: files, checks, options that do not fit.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::support::{Named, Workspace};

#[test]
fn a_file_is_written_checked_and_left_alone() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let path = workspace.path().join("srvctl.yml");
    let file = path.to_str().unwrap();
    let absent = workspace.expect(3, &["render", "prometheus", "--check", file]);
    assert!(absent.stdout.ends_with("is not there\n"), "{absent:?}");
    workspace.expect(0, &["render", "prometheus", "--out", file]);
    let printed = workspace.expect(0, &["render", "prometheus"]).stdout;
    assert_eq!(fs::read_to_string(&path).unwrap(), printed);
    assert!(printed.starts_with("# Made by: srvctl render prometheus\n"), "{printed}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap();
    workspace.expect(0, &["render", "prometheus", "--out", file]);
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino(), "what is right is not written again");
    workspace.expect(0, &["render", "prometheus", "--check", file]);

    let more = "[[service]]\nname = \"web\"\n[[service.instance]]\nhost = \"web1\"\nport = 80\n";
    workspace.write_service("web.toml", more);
    let differs = workspace.expect(3, &["render", "prometheus", "--check", file]);
    assert!(differs.stdout.contains("+   # _web._tcp.internal.local."), "{differs:?}");
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino(), "--check writes nothing");
    workspace.expect(0, &["render", "prometheus", "--out", file]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    // Who is an instance does not matter to the document.
    workspace.write_service("web.toml", &more.replace("web1", "web2"));
    workspace.expect(0, &["render", "prometheus", "--check", file]);
    let left: Vec<_> = fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
    workspace.expect(1, &["render", "prometheus", "--out", "/nowhere/srvctl.yml"]);
}

#[test]
fn what_does_not_fit_together_is_a_usage_error() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    for (arguments, said) in [
        (&["telegraf"][..], "--url http://HOST:PORT"),
        (&["telegraf", "--via", "dns"], "telegraf looks no SRV records up"),
        (&["thanos"], "no service is called thanos"),
        (&["thanos", "--via", "http", "--url", "http://h"], "thanos takes no targets in this way"),
        (&["alloy", "--fragment"], "`--fragment` means nothing to alloy"),
        (&["prometheus", "--remote-write", "http://h"], "`--remote-write` means nothing to prometheus"),
        (&["vmagent", "--forward-to", "a.receiver"], "`--forward-to` means nothing to vmagent"),
        (&["alloy", "--forward-to", "a] // "], "a.b.receiver"),
        (&["prometheus", "--via", "dns", "--url", "http://h"], "are not for `--via dns`"),
        (&["prometheus", "--url", "dns1:80"], "begin with http://"),
        (&["prometheus", "--path", "/targets/all.json"], "`--path` needs `{service}`"),
        (&["nagios"], "there are prometheus, vmagent, alloy"),
        (&["prometheus", "nobody"], "there is no service `nobody`"),
    ] {
        let output = workspace.expect(2, &[&["render"], arguments].concat());
        assert!(output.stderr.contains(said), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
}

#[test]
fn without_the_zone_nobody_knows_how_many_shards_there_are() {
    let mut named = Named::start();
    let workspace = Workspace::new(&named);
    let service = "[[service]]\nname = \"web\"\nshards = \"auto\"\n[[service.instance]]\nhost = \"web1\"\nport = 80\n";
    workspace.write_service("web.toml", service);
    named.stop();
    let output = workspace.expect(1, &["render", "prometheus"]);
    assert!(output.stdout.is_empty() && output.stderr.contains("`shards = \"auto\"`"), "{output:?}");
    // Over HTTP no names are needed.
    let output = workspace.expect(0, &["render", "prometheus", "--url", "http://dns1:5303/"]);
    assert!(
        output
            .stdout
            .contains("url: 'http://dns1:5303/sd/prometheus?service=_web._tcp.internal.local.&published=true'"),
        "{output:?}"
    );
    let output = workspace.expect(0, &["render", "vmagent", "--path", "/targets/{service}.json"]);
    assert!(output.stdout.contains("- '/targets/web.json'"), "{output:?}");
}
