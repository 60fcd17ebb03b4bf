//! What goes wrong between us and the server: each cause has its own words, and exit 1.

use crate::support::{JENKINS, Key, Named, Settings, Workspace, free_address};

/// Lets both commands fail and looks for the words, any of each group, in what they say.
fn fails(settings: &Settings, commands: &[&str], words: &[&[&str]]) {
    let workspace = Workspace::with(settings);
    workspace.write_service("jenkins.toml", JENKINS);
    for command in commands {
        let output = workspace.expect(1, &[command]);
        let said = output.stderr.to_lowercase();
        for group in words {
            let found = group.iter().any(|word| said.contains(&word.to_lowercase()));
            assert!(found, "`{command}` says none of {group:?}:\n{}\n{}", output.stderr, output.stdout);
        }
        assert!(!said.contains("panicked"), "{}", output.stderr);
    }
}

#[test]
fn a_wrong_secret() {
    let named = Named::start();
    let key = Key::random(&named.key().name);
    let settings = Settings { key, ..Settings::for_server(&named) };
    fails(&settings, &["plan", "apply"], &[&["srvctl-test"], &["secret", "signature", "BADSIG"]]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn a_wrong_key_name() {
    let named = Named::start();
    let key = Key { name: "somebody-else".to_owned(), ..named.key().clone() };
    let settings = Settings { key, ..Settings::for_server(&named) };
    fails(&settings, &["plan", "apply"], &[&["somebody-else"], &["does not know", "unknown", "BADKEY"]]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn a_wrong_clock() {
    let named = Named::builder().with_faketime("+1h").start();
    fails(&Settings::for_server(&named), &["plan", "apply"], &[&["clock"]]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn a_zone_that_the_server_does_not_serve() {
    let named = Named::start();
    let settings = Settings { zone: "elsewhere.local".to_owned(), ..Settings::for_server(&named) };
    let words: [&[&str]; 2] = [&["elsewhere.local"], &["not authoritative", "does not serve"]];
    fails(&settings, &["plan", "apply"], &words);
}

#[test]
fn nobody_listening() {
    let named = Named::start();
    let primary = free_address().to_string();
    let settings = Settings { primary: primary.clone(), ..Settings::for_server(&named) };
    fails(&settings, &["plan", "apply"], &[&["connection refused"], &[&primary]]);
}

#[test]
fn an_update_refused() {
    let key = "allow-transfer { key \"srvctl-test\"; }; allow-update { none; };";
    let named = Named::builder().zone_options(key).start();
    fails(&Settings::for_server(&named), &["apply"], &[&["allow-update", "update-policy"], &["refused"]]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn an_update_refused_by_policy() {
    let options = "allow-transfer { key \"srvctl-test\"; }; \
                   update-policy { grant srvctl-test subdomain elsewhere.internal.local. ANY; };";
    let named = Named::builder().zone_options(options).start();
    fails(&Settings::for_server(&named), &["apply"], &[&["update-policy"], &["refused"]]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn a_transfer_refused() {
    let options = "allow-update { key \"srvctl-test\"; }; allow-transfer { none; };";
    let named = Named::builder().zone_options(options).start();
    fails(&Settings::for_server(&named), &["plan", "apply"], &[&["allow-transfer"], &["refused"]]);
}

#[test]
fn noerror_that_changed_something_else_is_no_success() {
    // BIND stores a lower TTL than it was told, and says NOERROR: only reading back shows it.
    let options = "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"srvctl-test\"; }; max-zone-ttl 3600;";
    let named = Named::builder().zone_options(options).start();
    let settings = Settings { ttl: 7200, ..Settings::for_server(&named) };
    let workspace = Workspace::with(&settings);
    workspace.write_service("jenkins.toml", JENKINS);
    let output = workspace.expect(1, &["apply"]);
    let shown = format!("{}{}", output.stdout, output.stderr);
    assert!(shown.contains("_jenkins._tcp.internal.local."), "{shown}");
    assert!(named.zone_text().iter().any(|line| line.starts_with("_jenkins._tcp.internal.local. 3600 IN SRV ")));
}

#[test]
fn too_many_records_for_the_server_leave_nothing_half_published() {
    let named = Named::builder().options("max-records-per-type 3;").start();
    let workspace = Workspace::new(&named);
    let instance = |host: u8| format!("[[service.instance]]\nhost = \"h{host}\"\nport = 80\n");
    let instances: String = (1..=4).map(instance).collect();
    workspace.write_service("many.toml", &format!("[[service]]\nname = \"many\"\n{instances}"));
    workspace.expect(1, &["apply"]);
    assert!(!named.zone_text().iter().any(|line| line.contains("_many._tcp")), "nothing of it is published");
}
