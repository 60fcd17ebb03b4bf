//! Keys: one for transfers and one for updates, every algorithm, and no secret ever shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{JENKINS, Key, Named, Settings, Workspace};

#[test]
fn transfers_have_a_key_of_their_own_when_one_is_given() {
    let reader = Key::random("reader");
    let options = "allow-transfer { key \"reader\"; }; allow-update { key \"srvctl-test\"; };";
    let named = Named::builder().also_key(&reader).zone_options(options).start();
    let more = "transfer_key_file = \"reader.key\"".to_owned();
    let mut workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    workspace.write_key("reader.key", &reader);
    workspace.write_service("jenkins.toml", JENKINS);
    workspace.converge();
    assert!(named.log().contains("TSIG reader"), "the transfer was not made with its key:\n{}", named.log());
    workspace.configure(&Settings::for_server(&named));
    let refused = workspace.expect(1, &["plan"]);
    assert!(refused.stderr.contains("allow-transfer"), "the test's server lets any key transfer: {refused:?}");
}

#[test]
fn a_wrong_transfer_key_is_named() {
    let named = Named::start();
    let more = "transfer_key_file = \"reader.key\"".to_owned();
    let mut workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    workspace.write_key("reader.key", &Key::random("reader"));
    let refused = workspace.expect(1, &["plan"]);
    assert!(refused.stderr.contains("key \"reader\"") && refused.stderr.contains("BADKEY"), "{refused:?}");
}

/// Converges with a key of this algorithm.
fn converges(algorithm: &'static str, more: &str) {
    let key = Key { algorithm, ..Key::random("srvctl-test") };
    let named = Named::builder().key(key).start();
    let workspace = Workspace::with(&Settings { more: more.to_owned(), ..Settings::for_server(&named) });
    workspace.write_service("jenkins.toml", JENKINS);
    workspace.converge();
    assert!(named.serial() > 1);
}

#[test]
fn sha_2_of_every_length() {
    for algorithm in ["hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        converges(algorithm, "");
    }
}

#[test]
fn sha_1_when_allowed() {
    converges("hmac-sha1", "allow_hmac_sha1 = true");
}

#[test]
fn sha_1_unless_allowed_and_md5_always_are_refused() {
    for (algorithm, more, help) in [
        ("hmac-sha1", "", "allow_hmac_sha1 = true"),
        ("hmac-sha1", "allow_hmac_sha1 = false", "allow_hmac_sha1 = true"),
        ("hmac-md5", "allow_hmac_sha1 = true", "tsig-keygen -a hmac-sha256"),
    ] {
        let named = Named::start();
        let key = Key { algorithm, ..named.key().clone() };
        let workspace = Workspace::with(&Settings { key, more: more.to_owned(), ..Settings::for_server(&named) });
        let refused = workspace.expect(1, &["check"]);
        for words in [&format!("{algorithm} is refused"), "zone.key:2:12", help] {
            assert!(refused.stderr.contains(words), "{words}\n{}", refused.stderr);
        }
    }
}

#[test]
fn a_key_file_that_everybody_can_read_is_warned_of_wherever_it_is_used() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("jenkins.toml", JENKINS);
    for command in ["check", "plan", "apply"] {
        assert_eq!(workspace.run(&[command]).stderr, "", "{command} with a private key file");
    }
    fs::set_permissions(workspace.path().join("zone.key"), fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["check", "plan", "apply"] {
        let output = workspace.expect(0, &[command]);
        let warned = output.stderr.contains("warning: every user of this machine has access to the key file");
        assert!(warned && output.stderr.contains("chmod o="), "{command}: {output:?}");
    }
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let log = daemon.log_tail();
    assert!(log.contains("WARN") && log.contains("has access to the key file"), "{log}");
}

#[test]
fn no_output_shows_a_secret_even_when_everything_is_logged() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("jenkins.toml", JENKINS);
    let mut daemon = workspace.daemon_logging("trace");
    daemon.wait_in_sync();
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["apply", "--json"],
        &["status"],
        &["status", "--json"],
        &["verify", "--json"],
    ] {
        workspace.expect(0, arguments); // which looks for the secret
    }
    let log = daemon.log_tail();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "not everything was logged:\n{log}");
    assert_eq!(daemon.stop(), 0);
    workspace.assert_no_secret("the daemon's log", &fs::read_to_string(workspace.path().join("daemon.log")).unwrap());
    // A key file that cannot be read as one: the excerpt must not show it either.
    let text = named.key().text().replace("secret ", "secrte ");
    workspace.write_file("zone.key", &text);
    workspace.expect(1, &["check"]);
    workspace.expect(1, &["check", "--json"]);
}
